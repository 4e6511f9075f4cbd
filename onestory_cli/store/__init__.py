"""The run directory: what was made, from what, and whether it still stands. No torch here."""
