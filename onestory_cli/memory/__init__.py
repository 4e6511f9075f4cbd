"""The paper's memory: bank, Frame Selection, Adaptive Conditioner, policies. Tensors in, tensors out."""
