"""`onestory doctor STORY` on a tiny base."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.commands import _doctor_checks
from onestory_cli.commands._doctor_checks import MachineCheck
from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory, Result

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
    """A story on a tiny base, and a doctor that runs no other checks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_doctor_checks, "CHECKS", {"torch": lambda: MachineCheck(name="torch", found="2.13")})
    Path("base").symlink_to(base_folder("vace"))
    path = Path("film.story.yaml")
    path.write_text(STORY)
    return path


def rows(result: Result) -> dict[str, Any]:
    return {row["name"]: row for row in result.json["checks"]}


def test_story_that_fits(onestory: Onestory, film: Path) -> None:
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


def test_gpu_that_is_too_small(onestory: Onestory, film: Path) -> None:
    arguments = ("doctor", film, "--allow-outside", "--vram", "1MB")
    result = onestory(*arguments, "--json")
    assert result.exit is ExitCode.MACHINE
    (outlook,) = result.json["fit"]["models"]
    assert outlook["chosen"] is None
    assert outlook["ways"][0]["fitting"] == "vae tiling"
    text = onestory(*arguments).out
    assert "FAIL   VRAM for base" in text
    assert "ok     RAM for base" in text
    assert "no offload or quantization fits into 0.00092 GB" in text
    assert "decoding 17 frames of 64x64" in text


def test_model_that_is_not_downloaded(onestory: Onestory, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_ram_option_replaces_the_measured_value(onestory: Onestory, film: Path) -> None:
    result = onestory("doctor", film, "--allow-outside", "--vram", "24GB", "--ram", "1MB", "--json")
    assert result.exit is ExitCode.MACHINE
    found = rows(result)
    assert (found["VRAM for base"]["ok"], found["RAM for base"]["ok"]) == (True, False)
    (outlook,) = result.json["fit"]["models"]
    assert (outlook["chosen"], outlook["ram_fits"], outlook["host"]) == ("none", False, 10**6)


def test_plan_reports_incomplete_folder_like_render(onestory: Onestory, film: Path, tmp_path: Path) -> None:
    shutil.copytree(Path("base").resolve(), tmp_path / "cut")
    next((tmp_path / "cut" / "vae").glob("*.safetensors")).unlink()
    film.write_text(STORY.replace("model: base", "model: cut"))
    for command in ("plan", "render"):
        result = onestory(command, film)
        assert result.exit is ExitCode.MACHINE
        assert "error[M503]" in result.err
        assert "vae/*.safetensors" in result.err
        assert "film.story.yaml:3:8" in result.err
    assert onestory("validate", film).exit is ExitCode.DONE
    assert not rows(onestory("doctor", film, "--json"))["weights of cut"]["ok"]


def test_findings_of_the_story_come_first(onestory: Onestory, film: Path) -> None:
    film.write_text(STORY.replace("frames: 17", "frames: 15"))
    result = onestory("doctor", film, "--allow-outside")
    assert result.exit is ExitCode.FINDINGS
    assert "error[S210]" in result.err


def test_takes_give_a_time_estimate(onestory: Onestory, film: Path) -> None:
    film.write_text(STORY.replace(", frames: 17", ""))
    assert onestory("render", film, "--device", "cpu", "--allow-outside").exit is ExitCode.DONE
    result = onestory("doctor", film, "--device", "cpu", "--allow-outside", "--json")
    seconds = result.json["fit"]["seconds"]
    assert 0 < seconds["shot"] < seconds["film"] < 2 * seconds["shot"]
    large = [path for path in Path("film.run").rglob("*") if path.suffix in (".mp4", ".safetensors")]
    assert sum(path.stat().st_size for path in large) < result.json["fit"]["disk"]["needed"]
