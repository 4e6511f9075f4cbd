"""The tiny model."""

from tests.bases import base_folder
from tests.tiny import tiny_folder, tiny_model

__all__ = ["base_folder", "tiny_folder", "tiny_model"]
