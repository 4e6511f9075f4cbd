"""Fit a model to a device: memory sizes, estimates, offload and quantization."""
