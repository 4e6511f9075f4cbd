"""Latents of reference images are encoded once per run, reused, and never used when damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli import events
from onestory_cli.errors import OnestoryError
from onestory_cli.events import Event
from onestory_cli.planning.jobs import Plan
from onestory_cli.store.disk import Disk
from onestory_cli.store.references import read_reference, reference_file, save_reference
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from onestory_cli.story.types import Character
from tests.films import NamingGenerator, change, latents_of, plan_of, render_with, shot
from tests.store.test_damage import HARMS, bytes_of

FACTS = {"sha256": "a" * 64, "model": "b" * 16, "width": 32, "height": 32}


class Counting(NamingGenerator):
    """Counts how often a picture is encoded: what needs a VAE."""

    encoded = 0

    def encode_reference(self, pixels_HWC: np.ndarray) -> np.ndarray:
        self.encoded += 1
        return super().encode_reference(pixels_HWC)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    Image.new("RGB", (32, 32), (200, 10, 10)).save(tmp_path / "fox.png")
    fox = Character(id="fox", look="a red fox", again="the same fox", image="fox.png")
    return plan_of(
        shot("opening"), shot("city"), shot("return", "return as in opening"), folder=tmp_path, characters=(fox,)
    )


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> Path:
    render_counting(plan, tmp_path / "film.run")
    return tmp_path / "film.run"


def render_counting(plan: Plan, folder: Path, heard: list[Event] | None = None) -> Counting:
    generator = Counting(plan.model)
    render_with(plan, folder, (heard if heard is not None else []).append, generator=generator)
    return generator


def test_selection_after_an_edit_encodes_no_picture(plan: Plan, folder: Path) -> None:
    assert len(list(folder.glob("references/*"))) == 1
    generator = render_counting(change(plan, "city", resolved_caption="a city by day"), folder)
    assert (generator.encoded, generator.made[:1], generator.recalled) == (0, ["city"], ["return"])
    assert render_counting(plan, folder).encoded == 0


def test_another_picture_model_or_size_is_another_file(tmp_path: Path) -> None:
    others = [{"sha256": "c" * 64}, {"model": "d" * 16}, {"width": 64}, {"height": 64}]
    paths = {reference_file(tmp_path, **{**FACTS, **other}) for other in ({}, *others)}  # type: ignore[arg-type]
    assert len(paths) == 5


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    path = reference_file(tmp_path, **FACTS)  # type: ignore[arg-type]
    assert read_reference(path) is None
    latents_C1HW = np.random.default_rng(1).normal(size=(4, 1, 4, 4)).astype(np.float32)
    save_reference(path, latents_C1HW, Disk())
    found = read_reference(path)
    assert found is not None
    assert np.array_equal(found, latents_C1HW)
    path.rename(path.with_stem("0" * 64))
    assert read_reference(path.with_stem("0" * 64)) is None


@pytest.mark.parametrize("harm", HARMS)
def test_damage_is_named_and_made_again_without_making_a_shot(
    plan: Plan, folder: Path, harm: Callable[[Path], None]
) -> None:
    whole, latents = bytes_of(folder), latents_of(folder)
    (victim,) = folder.glob("references/*")
    harm(victim)
    assert read_reference(victim) is None
    assert [damage.path for damage in find_damage(Run(folder))] == [victim]
    heard: list[Event] = []
    generator = render_counting(plan, folder, heard)
    assert (generator.encoded, generator.made) == (1, [])
    warned = [event.message for event in heard if isinstance(event, events.Warned)]
    assert len(warned) == 1
    assert warned[0].startswith(f'"{victim.relative_to(folder)}" is damaged: ')
    assert (bytes_of(folder), latents_of(folder), find_damage(Run(folder))) == (whole, latents, ())


def test_damage_never_reaches_a_shot(plan: Plan, folder: Path, tmp_path: Path) -> None:
    edited = change(plan, "return", resolved_caption="other as in @fox")
    render_counting(edited, tmp_path / "whole.run")
    (victim,) = folder.glob("references/*")
    victim.write_bytes(victim.read_bytes()[:-4] + b"\0\0\0\1")
    render_counting(edited, folder)
    assert latents_of(folder) == latents_of(tmp_path / "whole.run")


def test_a_full_disk_while_a_picture_is_kept_is_told_and_gone_on_from(plan: Plan, tmp_path: Path) -> None:
    class Full(Disk):
        def step(self, operation: str, path: Path) -> None:
            if path.parent.name == "references":
                raise OSError(28, "No space left on device")

    with pytest.raises(OnestoryError) as caught:
        render_with(plan, tmp_path / "full.run", disk=Full())
    assert caught.value.code == "R405"
    render_with(plan, tmp_path / "full.run")
    assert find_damage(Run(tmp_path / "full.run")) == ()
