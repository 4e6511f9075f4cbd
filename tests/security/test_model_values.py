"""Hostile numbers in cards and configs, and files that refer to themselves, are refused in bounded time and memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onestory_cli.curation import videos
from onestory_cli.curation.videos import find_videos
from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import find
from tests.security.model_values import ALL_FIELDS, FILES, HostileModel, attack, plan_with

STOCK = {name: document for name, document in FILES.items() if name != "onestory.json"}


def card(**changed: object) -> HostileModel:
    return HostileModel(files={"onestory.json": ALL_FIELDS | changed}, changed="onestory.json")


def test_no_number_breaks_a_plan(tmp_path: Path) -> None:
    assert [(str(model), fault) for model, fault in attack(40, 1, tmp_path)] == []


@pytest.mark.hostile
def test_many_numbers_break_no_plan(tmp_path: Path) -> None:
    assert [(str(model), fault) for model, fault in attack(600, 2, tmp_path)] == []


def test_good_models_are_accepted(tmp_path: Path) -> None:
    assert plan_with(card(), tmp_path) == ""
    stock = HostileModel(files=STOCK, changed="vae/config.json")
    assert plan_with(stock, tmp_path / "stock") == ""


@pytest.mark.parametrize(
    "changed",
    [
        {"height": 1},
        {"frames": 2**24 - 3, "max_frames": 2**24},
        {"memory_frames": 2**24, "budget": 2.0**24},
        {"levels": [{"name": f"l{number}", "patch": 2} for number in range(17)]},
        {"levels": [{"name": "fine", "patch": 2**20}]},
    ],
)
def test_a_card_with_extreme_numbers_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    assert plan_with(card(**changed), tmp_path) == "M502"


@pytest.mark.parametrize("base", ["./", "", "../other"])
def test_a_card_cannot_be_its_own_base(tmp_path: Path, base: str) -> None:
    for folder, named in (("model", base), ("other", "../model")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "onestory.json").write_text(json.dumps({"base": named}))
    with pytest.raises(OnestoryError, match="refers back") as caught:
        find(str(tmp_path / "model"))
    assert caught.value.code == "M502"


def test_a_list_of_videos_cannot_name_lists_or_huge_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "MAX_LISTED_ENTRIES", 3)
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.mp4").touch()
    (tmp_path / "self.txt").write_text("self.txt\n")
    (tmp_path / "huge.txt").write_text("folder\n")
    assert len(find_videos([str(folder)])) == 4
    for name in ("self.txt", "huge.txt"):
        with pytest.raises(OnestoryError, match="a list names") as caught:
            find_videos([str(tmp_path / name)])
        assert caught.value.code == "T652"
