"""The run directory: takes, their records, reuse and verification. No torch here."""
