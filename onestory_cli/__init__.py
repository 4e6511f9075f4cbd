"""onestory: a compiler from screenplays to films that remember what they have shown."""

__version__ = "0.1.0"
