"""The memory of a film: bank, frame selector, adaptive conditioner, levels and policies. Tensors in, tensors out."""
