"""The tiny model and conditions for it."""

from __future__ import annotations

import pytest
import torch

from onestory_cli.generation.denoise import Conditions
from onestory_cli.generation.selection import condition
from onestory_cli.memory.levels import FINE
from onestory_cli.models.load import LoadedModel
from tests.bases import base_folder
from tests.tiny import tiny_folder, tiny_model

__all__ = ["base_folder", "tiny_folder", "tiny_model"]


@pytest.fixture
def conditions(tiny_model: LoadedModel) -> Conditions:
    """A caption, and a memory of two frames."""
    with torch.inference_mode():
        text = tiny_model.text.encode(["A red fox waves.", ""])
        memory = torch.randn(1, 2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
        context = condition(tiny_model.denoiser, memory, [FINE, FINE])
    return Conditions(
        prompt_embeds_BLE=text[:1],
        negative_prompt_embeds_BLE=text[1:],
        context_BSD=context.tokens_BSD,
        context_rope=context.rope,
    )
