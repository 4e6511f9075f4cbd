"""Compare the engine with stock diffusers: the same shots, weights, steps and size, measured in one run."""
