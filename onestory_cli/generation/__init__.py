"""Generate one shot: remember, select, condition, denoise, decode."""
