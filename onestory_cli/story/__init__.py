"""Text -> Story: parse, check and type a screenplay. No models, no tensors."""
