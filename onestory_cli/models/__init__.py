"""Models: a stock diffusers base and an optional memory adapter."""
