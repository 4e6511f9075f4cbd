"""One shot: remember, select, condition, denoise, decode."""
