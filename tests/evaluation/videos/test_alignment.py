"""Caption alignment is one cosine for clips and captions of any length."""

from __future__ import annotations

import pytest
import torch

from onestory_cli.evaluation.videos.alignment import Aligner
from tests.evaluation.videos.conftest import picture

CLIP = [picture(index) for index in range(9)]


def test_alignment_is_a_cosine_of_clip_and_caption(aligner: Aligner) -> None:
    value = aligner(CLIP, "a red fox waves")
    assert -1 <= value <= 1
    assert aligner(CLIP, "a red fox waves") == value
    assert aligner(CLIP, "a robot on a beach") != value
    assert aligner([picture(index + 50) for index in range(9)], "a red fox waves") != value


@torch.inference_mode()
def test_alignment_equals_the_score_of_the_network(aligner: Aligner) -> None:
    model, words = aligner.network.model, aligner.network.words
    assert words is not None
    length = model.config.text_config.max_position_embeddings
    inputs = words(["a fox"], padding="max_length", max_length=length, return_tensors="pt", return_token_type_ids=False)
    pictures = aligner.network.pictures([CLIP[0]] * aligner._frames, return_tensors="pt")["pixel_values"]
    if model.config.model_type == "xclip":
        made = model(pixel_values=pictures, **inputs)
        expected = made.logits_per_video[0, 0] / model.logit_scale.exp()
    else:
        made = model(pixel_values=pictures, input_ids=inputs["input_ids"])
        expected = (made.logits_per_image[0, 0] - model.logit_bias) / model.logit_scale.exp()
    assert aligner([CLIP[0]] * 20, "a fox") == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_clips_of_any_length_are_read(aligner: Aligner, count: int) -> None:
    assert -1 <= aligner([picture(index) for index in range(count)], "a fox") <= 1


def test_long_caption_is_truncated_and_reported(aligner: Aligner) -> None:
    long = "a red fox waves on a beach " * 9
    assert -1 <= aligner(CLIP, long) <= 1
    assert aligner.reads("a red fox") is True
    assert aligner.reads(long) is False
