"""Which names and folders are models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.levels import LEVELS, Level
from onestory_cli.models.catalog import CARD, find
from onestory_cli.models.fingerprint import fingerprint_of
from tests.films import SPEC


@pytest.fixture
def card() -> dict[str, object]:
    return {key: value for key, value in SPEC.facts.items() if key != "name"}


def write(folder: Path, card: object) -> Path:
    folder.mkdir()
    (folder / CARD).write_text(json.dumps(card))
    return folder


def test_a_folder_with_a_card_is_a_model(tmp_path: Path, card: dict[str, object]) -> None:
    folder = write(tmp_path / "mine", {**card, "words": ["fox", "beach"]})
    spec = find("mine", relative_to=tmp_path)
    assert (spec.name, spec.files.base, spec.files.adapter) == ("mine", str(folder), str(folder / "adapter"))
    assert spec.words == ("fox", "beach")
    assert spec.levels == LEVELS
    assert (spec.width, spec.budget, spec.steps) == (SPEC.width, SPEC.budget, SPEC.steps)


def test_a_card_can_define_levels(tmp_path: Path, card: dict[str, object]) -> None:
    write(tmp_path / "mine", {**card, "levels": [{"name": "only", "patch": 4}]})
    assert find("mine", relative_to=tmp_path).levels == (Level(name="only", patch=4),)


def test_sizes_follow_from_the_strides() -> None:
    assert SPEC.latent_size(64, 32) == (4, 8)
    assert [SPEC.latent_frames(frames) for frames in (1, 5, 17)] == [1, 2, 5]
    assert SPEC.tokens_per_frame(64, 32) == 8


def test_the_teacher_shares_all_parts_but_the_transformer() -> None:
    student, teacher = find("storyworld"), find("storyworld-quality")
    assert teacher.words == student.words
    assert (student.distilled, student.guidance, student.memory_guidance) == (True, 1.0, 0.0)
    assert (teacher.distilled, teacher.guidance, teacher.memory_guidance) == (False, 3.0, 3.0)
    assert teacher.files.base == student.files.base
    assert teacher.files.adapter == student.files.adapter
    assert Path(teacher.files.transformer_file).is_file()
    assert fingerprint_of(teacher) != fingerprint_of(student)


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError) as caught:
        find("storyword", relative_to=tmp_path)
    assert caught.value.code == "M501"
    assert caught.value.help.startswith('did you mean "storyworld"? `onestory models` lists the names')


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"width": 3}', '{"colour": "red"}'])
def test_an_invalid_card_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / CARD).write_text(text)
    with pytest.raises(OnestoryError) as caught:
        find("mine", relative_to=tmp_path)
    assert (caught.value.code, caught.value.exit) == ("M502", ExitCode.MACHINE)


def test_a_card_cannot_make_a_model_external(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / CARD).write_text('{"base": "storyworld", "external": {"command": ["program"]}}')
    spec = find("mine", relative_to=tmp_path)
    assert (spec.external, spec.remembers) == (None, "context")


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(OnestoryError, match="is missing") as caught:
        find("mine", relative_to=tmp_path)
    assert caught.value.code == "M502"
