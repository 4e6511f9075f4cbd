"""Scripts that compute expected numbers with other projects' code. The numbers are committed, the code is not."""
