"""Relevance from images, with tiny encoders of the real classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import UMT5Config

from onestory_cli.errors import OnestoryError
from onestory_cli.training.adapter.labels import load_image_encoder, pictures_of, similarity
from tests.training.adapter.encoders import write_clip_encoder, write_dinov2

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("encoders")
    return write_dinov2(folder / "dino"), write_clip_encoder(folder / "clip")


def test_encoders_return_unit_vectors(encoders: tuple[str, str]) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (3, 40, 50, 3), np.uint8)
    for name, width in zip(encoders, (16, 8), strict=True):
        encode = load_image_encoder(name, CPU)
        found = encode(pictures)
        assert found.shape == (3, width)
        assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-5)
        assert torch.allclose(found[1], encode(pictures[1:2])[0], atol=1e-4)
        assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_unsupported_image_encoder_is_rejected(tmp_path: Path) -> None:
    UMT5Config().save_pretrained(tmp_path / "text")
    for name, said in ((str(tmp_path / "text"), "model type umt5"), (str(tmp_path / "none"), "cannot be read")):
        with pytest.raises(OnestoryError, match=said) as caught:
            load_image_encoder(name, CPU)
        assert caught.value.code == "T604"


@pytest.mark.parametrize(("frames", "stride", "expected"), [(1, 4, [0]), (5, 4, [0, 2]), (9, 4, [0, 2, 6])])
def test_each_latent_frame_has_its_own_picture(frames: int, stride: int, expected: list[int]) -> None:
    pixels = np.zeros((frames, 2, 2, 3), np.uint8) + np.arange(frames, dtype=np.uint8)[:, None, None, None]
    assert pictures_of(pixels, stride=stride)[:, 0, 0, 0].tolist() == expected


def test_similarity_is_mean_cosine_to_target() -> None:
    frames = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert similarity(frames, target).tolist() == [0.5, 0.5, -0.5]
