"""Each filter rejects for its own reason, and sequences are runs of what is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onestory_cli.curation.embeddings import pack, relevance_label, similarity, unpack
from onestory_cli.curation.filters import CuratedShot, reject_early, reject_late
from onestory_cli.curation.recipe import CurateRecipe, FilterSettings, SequenceSettings

GOOD = {"black": 0.0, "frozen": 0.1, "flash": 0.0, "motion": 0.05, "shaking": 0.0, "text": 0.0, "watermark": 0.0}


def shot(
    number: int, *, seconds: float = 2.0, caption: str = "A fox.", angle: float | None = None, **measures: float
) -> CuratedShot:
    """A shot that starts at 10 times its number; `angle` turns its embedding in a plane."""
    vectors = () if angle is None else (pack(np.array([np.cos(angle), np.sin(angle)], np.float32)),)
    return CuratedShot(
        id=str(number),
        start=10.0 * number,
        end=10.0 * number + seconds,
        begins="cut",
        measures=GOOD | measures,
        caption=caption,
        embeddings=vectors,
    )


@pytest.mark.parametrize(
    ("measures", "reason"),
    [
        ({}, None),
        ({"seconds": 0.5}, "too short: 0.50 s, below 1 s"),
        ({"black": 0.8}, "black: 0.8, above 0.5"),
        ({"frozen": 0.0}, "frozen: 0, below 0.001"),
        ({"flash": 0.2}, "flash: 0.2, above 0.0588235"),
        ({"shaking": 0.1}, "shaking: 0.1, above 0.045"),
        ({"text": 0.02}, "text: 0.02, above 0.004"),
        ({"watermark": 0.01}, "watermark: 0.01, above 0.001"),
    ],
)
def test_early_filters(measures: dict[str, float], reason: str | None) -> None:
    assert reject_early(shot(0, **measures), CurateRecipe()).rejected == ((reason,) if reason else ())


def test_long_shots_keep_their_middle_or_are_rejected() -> None:
    long = shot(0, seconds=20.0)
    trimmed = reject_early(long, CurateRecipe())
    assert (trimmed.start, trimmed.end, trimmed.rejected) == (4.0, 16.0, ())
    strict = CurateRecipe(sequences=SequenceSettings(long="reject"))
    assert reject_early(long, strict).rejected == ("too long: 20.00 s, above 12 s",)


def test_a_copy_of_the_kept_shot_before_is_rejected() -> None:
    limits = FilterSettings(copy=0.97)
    found = reject_late([shot(number, angle=angle) for number, angle in enumerate((0.0, 0.5, 0.55))], limits)
    assert [item.rejected for item in found[:2]] == [(), ()]
    assert found[2].rejected == ("nearly a copy of the shot before: 1.00, above 0.97",)
    gone = replace(shot(1, angle=0.5), rejected=("black",))
    found = reject_late([shot(0, angle=0.0), gone, shot(2, angle=0.1)], limits)
    assert found[2].rejected == ("nearly a copy of the shot before: 1.00, above 0.97",)


def test_keywords_reject_a_caption() -> None:
    (found,) = reject_late([shot(0, caption="A title card.")], FilterSettings())
    assert found.rejected == ('keyword: "title card"',)


def test_packed_vectors_keep_their_cosine() -> None:
    one, other = (np.random.default_rng(seed).normal(size=64).astype(np.float32) for seed in (0, 1))
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    assert similarity([pack(one)], [pack(other)]) == pytest.approx(float(one @ other), abs=1e-3)
    assert unpack(pack(one)).shape == (64,)


def test_labels_of_the_readout_have_the_scale_of_the_storyworld() -> None:
    one, other = pack(np.array([1, 0], np.float32)), pack(np.array([0.3, 0.9], np.float32))
    assert relevance_label(["readout"], [one], [other]) == pytest.approx(0.0, abs=1e-3)
    assert relevance_label(["readout"], [one], [one]) == 1.0
    assert relevance_label(["readout"], [one], [pack(np.array([-1, 0], np.float32))]) == -1.0
    assert relevance_label(["clip", "readout"], [one, one], [other, one]) == pytest.approx(0.65, abs=1e-3)
