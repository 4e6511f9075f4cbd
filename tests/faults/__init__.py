"""Renders that are killed, over and over: `python -m tests.faults --kills 200 --seed 1`."""
