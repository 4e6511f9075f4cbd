"""Measures of real films: any run directory or folder of clips, by networks that are never fetched unasked."""
