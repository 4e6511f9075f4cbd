"""The tiny model."""

from tests.tiny import tiny_folder, tiny_model

__all__ = ["tiny_folder", "tiny_model"]
