"""Measures of films: any run directory or folder of clips. Networks are never downloaded implicitly."""
