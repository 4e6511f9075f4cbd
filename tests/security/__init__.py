"""Stories of strangers: what they may cost, and what they may touch."""
