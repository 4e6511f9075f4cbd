"""Helpers without knowledge of films: parsing untrusted data, text, and the resources of a worker process."""
