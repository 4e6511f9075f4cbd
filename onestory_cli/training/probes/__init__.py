"""Auxiliary losses that probe what words, tokens and attention know of characters and settings."""
