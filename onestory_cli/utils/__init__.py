"""Helpers without any knowledge of films: parsing, text, worker shares."""
