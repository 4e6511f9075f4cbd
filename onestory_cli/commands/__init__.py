"""Flags in, one library call, result to the screen: one file per command."""
