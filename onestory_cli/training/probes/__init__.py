"""Auxiliary losses that probe words, tokens and attention for characters and settings."""
