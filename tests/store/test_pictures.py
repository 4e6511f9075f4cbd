"""Pictures of external models in a latents file."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from onestory_cli.store.latents import parse_latents, write_latents


@pytest.mark.parametrize("shape", [(3, 1, 16, 16), (3, 21, 48, 16), (3, 2, 7, 5)])
def test_pictures_are_written_as_safetensors_writes_them(shape: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    data = write_latents(pictures.transpose(0, 1, 3, 2))
    assert data == save({"latents": np.ascontiguousarray(pictures.transpose(0, 1, 3, 2))})
    assert (parse_latents(data) == load(data)["latents"]).all()
