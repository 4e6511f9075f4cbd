"""The version of onestory."""

__version__ = "0.1.0"
