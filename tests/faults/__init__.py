"""Attacks on run directories: kills, damage, refused operations, failing system calls, random histories."""
