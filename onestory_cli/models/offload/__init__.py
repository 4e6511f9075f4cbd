"""Execution of a model within limited memory: offload, quantization, and estimates."""
