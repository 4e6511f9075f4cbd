"""Evaluate models and films: the storyworld read-out, its benchmark, and tables with intervals."""
