"""Measuring what a model makes: a read-out of the storyworld, its benchmark, and tables with intervals."""
