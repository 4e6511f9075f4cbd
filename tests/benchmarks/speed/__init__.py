"""What our engine costs beside stock diffusers: the same shots, weights, steps and size, measured in one run."""
