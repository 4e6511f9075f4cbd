"""Untrusted files: bounds of time and memory, and which files a command may read or write."""
