"""Embeddings are unit vectors of pictures of any size; consistency is as in VBench; pairs are counted once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onestory_cli.evaluation.videos.likeness import Embedder, consistency, mean_direction, pairwise, square
from tests.evaluation.videos.conftest import picture


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch(embedder: Embedder) -> None:
    pictures = [picture(index, height=30 + index, width=70 - index) for index in range(18)]  # more than a batch
    embedded = embedder(pictures)
    assert embedded.shape == (18, 16)
    torch.testing.assert_close(embedded.norm(dim=-1), torch.ones(18))
    torch.testing.assert_close(embedder([pictures[17]])[0], embedded[17])
    assert float(embedded[0] @ embedded[1]) < 0.999


def test_ends_of_a_tall_picture_are_not_cropped(embedder: Embedder) -> None:
    standing = picture(0, height=90, width=30)
    beheaded = standing.copy()
    beheaded[:20] = 0
    one, other = embedder([standing, beheaded])
    assert not torch.equal(one, other)
    framed = square(standing)
    assert framed.shape == (90, 90, 3)
    assert np.array_equal(framed[:, 30:60], standing)
    assert (framed[:, :30] == standing.mean((0, 1)).astype(np.uint8)).all()


def test_identical_pictures_are_perfectly_consistent(embedder: Embedder) -> None:
    assert consistency(embedder([picture(0)] * 3)) == pytest.approx(1, abs=1e-5)


def test_consistency_is_similarity_to_first_and_previous_frame() -> None:
    frames = torch.tensor([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    # to the first: 0.6 and -1, which counts as 0; to the previous: 0.6 and -0.6
    assert consistency(frames) == pytest.approx((0.6 + 0.6) / 2 / 2)
    assert consistency(frames[:1]) is None


def test_pairs_are_counted_once_and_one_shot_has_none() -> None:
    shots = [torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.6, 0.8])]
    assert pairwise(shots) == pytest.approx((0.0 + 0.6 + 0.8) / 3)
    assert pairwise(shots[:1]) is pairwise([]) is None


def test_mean_direction_is_the_normalised_mean() -> None:
    torch.testing.assert_close(mean_direction(torch.eye(2)), torch.tensor([0.5, 0.5]).sqrt())
