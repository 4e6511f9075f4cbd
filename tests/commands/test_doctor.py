from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onestory_cli.commands import doctor
from onestory_cli.commands.doctor import Row
from onestory_cli.errors import ExitCode, OnestoryError
from tests.commands.conftest import Onestory, Result


def fine() -> Row:
    return Row(name="torch", found="2.13")


def broken() -> Row:
    raise RuntimeError("operator torchvision::nms does not exist\nand more")


def bare() -> Row:
    raise OnestoryError("M502", "no weights", help="install them")


def examine(onestory: Onestory, monkeypatch: pytest.MonkeyPatch, **checks: Callable[[], Row]) -> tuple[ExitCode, str]:
    monkeypatch.setattr(doctor, "CHECKS", checks)
    result = onestory("doctor")
    return result.exit, result.out


def test_a_fault_in_a_check_is_one_row_and_a_repair(onestory: Onestory, monkeypatch: pytest.MonkeyPatch) -> None:
    exit, out = examine(onestory, monkeypatch, torch=fine, torchvision=broken, weights=bare)
    assert exit is ExitCode.MACHINE
    assert out.splitlines()[1:4] == [
        "ok     torch         2.13",
        "FAIL   torchvision   RuntimeError: operator torchvision::nms does not exist",
        "FAIL   weights       no weights",
    ]
    assert "pip uninstall torchvision" in out
    assert out.endswith("weights: install them\n")


def test_little_disk_is_a_note(onestory: Onestory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 10**8))
    exit, out = examine(onestory, monkeypatch, disk=doctor.CHECKS["disk"])
    assert exit is ExitCode.DONE
    assert out.splitlines()[1].startswith("note   disk   0.5 GB free in ")


@pytest.mark.slow
def test_this_machine(onestory: Onestory) -> None:
    result = onestory("doctor", "--json")
    assert result.json["schema"] == "onestory.doctor.v1"
    rows = {row["name"]: row for row in result.json["checks"]}
    assert list(rows) == list(doctor.CHECKS)
    assert all(rows[name]["ok"] for name in ("torch", "diffusers", "transformers", "torchvision", "codecs")), rows
    assert result.exit == (ExitCode.DONE if result.json["ok"] else ExitCode.MACHINE)
    assert result.json["ok"] is all(row["ok"] or row["optional"] for row in rows.values())


STORY = """\
story: 1
title: Fits
model: base
shots:
  - {id: opening, caption: A red fox walks right.}
  - {id: city, caption: A city at night., frames: 17}
"""


@pytest.fixture
def film(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    base_folder: Callable[[str], Path],
) -> Path:
    """A story on a tiny base, and a doctor that looks at nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "CHECKS", {"torch": fine})
    Path("base").symlink_to(base_folder("vace"))
    path = Path("film.story.yaml")
    path.write_text(STORY)
    return path


def rows(result: Result) -> dict[str, Any]:
    return {row["name"]: row for row in result.json["checks"]}


def test_a_story_that_fits(onestory: Onestory, film: Path) -> None:
    result = onestory("doctor", film, "--device", "cpu", "--allow-outside", "--json")
    assert result.exit is ExitCode.DONE
    assert all(row["ok"] or row["name"] == "time" for row in rows(result).values())
    (outlook,) = result.json["fit"]["models"]
    assert outlook["work"]["frames"] == 17
    assert outlook["work"]["context"] > 0  # the second shot remembers the first
    assert (outlook["chosen"], outlook["fits"]) == ("none", True)
    assert result.json["fit"]["disk"]["needed"] <= result.json["fit"]["disk"]["free"]
    assert result.json["fit"]["seconds"] is None
    assert not Path("film.run").exists()


def test_a_card_that_is_too_small(onestory: Onestory, film: Path) -> None:
    arguments = ("doctor", film, "--allow-outside", "--vram", "1MB")
    result = onestory(*arguments, "--json")
    assert result.exit is ExitCode.MACHINE
    (outlook,) = result.json["fit"]["models"]
    assert outlook["chosen"] is None
    assert outlook["ways"][0]["fitting"] == "vae tiling"
    text = onestory(*arguments).out
    assert "FAIL   memory for base" in text
    assert "nothing that is known fits into 0.00092 GB of the GPU" in text
    assert "decoding 17 frames of 64x64" in text


def test_a_model_that_is_not_fetched(onestory: Onestory, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(film.parent / "none"))
    result = onestory("doctor", "wan2.1-t2v-1.3b", "--vram", "24GB", "--json")
    assert result.exit is ExitCode.MACHINE
    weights = rows(result)["weights of wan2.1-t2v-1.3b"]
    assert not weights["ok"]
    assert "about 14.7 GB" in weights["found"]
    assert "onestory models fetch" in weights["help"]
    (outlook,) = result.json["fit"]["models"]
    assert outlook["chosen"] == "none"
    assert result.json["fit"]["disk"] is None


def test_findings_come_first(onestory: Onestory, film: Path) -> None:
    film.write_text(STORY.replace("frames: 17", "frames: 15"))
    result = onestory("doctor", film, "--allow-outside")
    assert result.exit is ExitCode.FINDINGS
    assert "error[S210]" in result.err


def test_takes_tell_the_time(onestory: Onestory, film: Path) -> None:
    film.write_text(STORY.replace(", frames: 17", ""))
    assert onestory("render", film, "--device", "cpu", "--allow-outside").exit is ExitCode.DONE
    result = onestory("doctor", film, "--device", "cpu", "--allow-outside", "--json")
    seconds = result.json["fit"]["seconds"]
    assert 0 < seconds["shot"] < seconds["film"] < 2 * seconds["shot"]
    large = [path for path in Path("film.run").rglob("*") if path.suffix in (".mp4", ".safetensors")]
    assert sum(path.stat().st_size for path in large) < result.json["fit"]["disk"]["needed"]
