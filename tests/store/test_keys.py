"""Keys: expected values, and which changes must and must not change them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.planning.jobs import CharacterCrop, ImageInput, ShotJob
from onestory_cli.store.keys import KEY_VERSION, KINDS, clip_fields, spec_fields, spec_key, take_key
from onestory_cli.story.types import MemoryRequest, Output
from tests.films import FINGERPRINT, SPEC, plan_of, shot

# A key that moves makes every film again. When it is meant: raise KEY_VERSION, put the new keys here, and add a
# *Keys* line to the changelog.
GOLDEN = {
    "version": 1,
    "blind": "820967d5613b598ef0acda570afdb2224be32b7513ebacb06454361734f53120",
    "seeing": "2356055d186e62f25c01e20398ac43bcb67cbd0ee0053adca906ab56795a2613",
    "take": "73bf10d4db9409f62164e41a72158bc99d7542545d63154884251580c892a256",
}


CROP = CharacterCrop(detector="grounding-dino-tiny", weights="abc", looks=("a red fox",), sources=("opening",))


def job(**changes: object) -> ShotJob:
    seeing = plan_of(shot("opening"), shot("return", "The same fox, café. Close-up.", seed=11)).jobs[1]
    return replace(seeing, **changes)  # type: ignore[arg-type]


def key(job: ShotJob, model: str = FINGERPRINT) -> str:
    return spec_key(spec_fields(job, model))


def test_keys_are_the_golden_ones() -> None:
    blind = plan_of(shot("opening", "A red fox."), spec=SPEC).jobs[0]
    assert {
        "version": KEY_VERSION,
        "blind": key(blind),
        "seeing": key(job()),
        "take": take_key(key(job()), {"opening": "a" * 64, "city": "b" * 64}, {}),
    } == GOLDEN


@pytest.mark.parametrize(
    "changes",
    [
        {"caption": "another"},
        {"negative": "blur"},
        {"frames": 9},
        {"width": 48},
        {"height": 48},
        {"seed": 12},
        {"steps": 4},
        {"guidance": 4.5},
        {"scheduler": "unipc"},
        {"shift": 5.0},
        {"image": ImageInput(path="a.png", sha256="c" * 64, file=Path("a.png"))},
        {"memory": replace(job().memory, frames=3)},
        {"memory": replace(job().memory, budget=2.0)},
        {"memory": replace(job().memory, policy="recent")},
        {"memory": replace(job().memory, guidance=2.0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_take_depends_on_moves_its_key(changes: dict[str, object]) -> None:
    assert key(job(**changes)) != key(job())


def test_another_model_moves_the_key() -> None:
    assert key(job(), "f" * 16) != key(job())


@pytest.mark.parametrize(
    "changes",
    [{"shot": "renamed"}, {"index": 5}, {"fps": 12}, {"take": 3}, {"guidance": 4}, {"tokens": None}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_take_does_not_depend_on_leaves_its_key(changes: dict[str, object]) -> None:
    assert key(job(**changes)) == key(job())


def test_the_path_of_an_image_is_not_its_bytes() -> None:
    images = [ImageInput(path=path, sha256="c" * 64, file=Path(path)) for path in ("a.png", "b.png")]
    assert key(job(image=images[0])) == key(job(image=images[1]))


def test_a_shot_without_memory_has_no_memory_settings() -> None:
    requests = [MemoryRequest(frames=1, budget=1.0), MemoryRequest(frames=2, budget=1.0, guidance=2.0)]
    plans = [plan_of(shot("a", memory=request)) for request in requests]
    assert key(plans[0].jobs[0]) == key(plans[1].jobs[0])


def test_a_take_key_knows_order_and_bounds_of_its_memory() -> None:
    keys = [take_key("s", dict(enumerate(digests)), {}) for digests in ([], ["ab"], ["a", "b"], ["b", "a"], ["a"])]
    assert len(set(keys)) == len(keys)


def test_a_take_key_knows_who_is_shown_where_but_not_by_which_name() -> None:
    visible = {"opening": "a", "city": "b"}
    plain = take_key("s", visible, {})
    fox = take_key("s", visible, {"fox": ("opening",)})
    both = take_key("s", visible, {"fox": ("opening",), "owl": ("city",)})
    assert len({plain, fox, both, take_key("s", visible, {"fox": ("opening", "city")})}) == 4
    renamed = {"opening": "a", "town": "b"}
    assert take_key("s", renamed, {"bird": ("town",), "vixen": ("opening",)}) == both


@pytest.mark.parametrize("changes", [{"detector": "dfine-small"}, {"weights": "f00"}, {"looks": ("a blue fox",)}])
def test_the_detector_and_what_it_looks_for_move_the_key(changes: dict[str, Any]) -> None:
    memory = job().memory
    keys = {key(job(memory=replace(memory, crop=crop))) for crop in (None, CROP, replace(CROP, **changes))}
    assert len(keys) == 3


def test_a_take_key_knows_which_sources_are_cropped_but_not_their_names() -> None:
    keys = {take_key("s", {"opening": "a", "city": "b"}, {}, cropped) for cropped in ((), ("opening",), ("city",))}
    assert len(keys) == 3
    assert take_key("s", {"opening": "a", "town": "b"}, {}, ("town",)) in keys


def test_every_field_of_a_spec_has_a_kind_of_reason() -> None:
    most = replace(job(), guidance_2=3.0, memory=replace(job().memory, guidance=2.0, continues=True, crop=CROP))
    assert set(KINDS) == set(spec_fields(most, FINGERPRINT))
    # only where there is a second expert, where the memory has a guidance of its own or is cropped, and without a cut
    optional = {"guidance_2", "memory_guidance", "memory_continues", "memory_crop"}
    assert set(KINDS) - set(spec_fields(job(), FINGERPRINT)) == optional


def test_how_a_clip_is_encoded_is_told_apart_from_the_spec() -> None:
    fields = clip_fields(job(), Output(scale=8, filter="lanczos", crf=20))
    assert fields == {"fps": 8, "scale": 8, "filter": "lanczos", "crf": 20}
    assert not set(fields) & set(spec_fields(job(), FINGERPRINT))
