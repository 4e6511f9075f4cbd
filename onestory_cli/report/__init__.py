"""A run directory for people: what each shot remembered, as numbers, as a page and as one picture."""
