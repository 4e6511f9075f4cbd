"""Execution options: on the command line, in keys and records, and stored in the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory, Result

STORY = """\
story: 1
title: Eight Bits
model: base
shots:
  - id: opening
    caption: A red fox walks right.
"""


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_folder: Callable[[str], Path]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("base").symlink_to(base_folder("t2v"))
    path = Path("film.story.yaml")
    path.write_text(STORY)
    return path


def messages(result: Result) -> list[str]:
    assert result.exit is ExitCode.DONE, result.out + result.err
    events = [json.loads(line) for line in result.out.splitlines()]
    return [event["event"] for event in events if event.get("event") in ("TakeCommitted", "ShotKept")]


def records() -> dict[str, Any]:
    """The record of every take, by its execution config."""
    found = [json.loads(path.read_text()) for path in Path("film.run/shots/opening").glob("*/record.json")]
    return {record["environment"]["fitting"]: record for record in found}


def test_quantization_gives_another_take_and_is_stored_in_the_run(onestory: Onestory, film: Path) -> None:
    flags = ("--allow-outside", "--json")
    messages(onestory("render", film, *flags))
    fitted = onestory("render", film, *flags, "--quantise", "fp8")
    assert messages(fitted) == ["TakeCommitted"]
    assert "base on this machine: storage fp8" in fitted.err
    plain, small = records()["none"], records()["storage fp8"]
    assert plain["spec"]["model"] != small["spec"]["model"]
    assert plain["files"]["latents.safetensors"]["sha256"] != small["files"]["latents.safetensors"]["sha256"]
    assert messages(onestory("resume", "film.run", "--json")) == ["ShotKept"]
    assert messages(onestory("render", film, *flags)) == ["ShotKept"]


@pytest.mark.slow
def test_batch_applies_options_to_all_films_and_reports_them_once(onestory: Onestory, film: Path) -> None:
    flags = ("--out", "out", "--seeds", "1,2", "--allow-outside")
    result = onestory("batch", film, *flags, "--quantise", "fp8")
    assert result.exit is ExitCode.DONE, result.err
    assert result.err.count("base on this machine: storage fp8") == 1
    found = [json.loads(path.read_text()) for path in Path("out").glob("*/shots/opening/*/record.json")]
    assert [record["environment"]["fitting"] for record in found] == 2 * ["storage fp8"]
    refused = onestory("batch", film, *flags, "--quantise", "fp16")
    assert (refused.exit, "U606" in refused.err) == (ExitCode.USAGE, True)


def test_block_cache_gives_another_take_and_is_stored_in_the_run(onestory: Onestory, film: Path) -> None:
    flags = ("--allow-outside", "--json")
    messages(onestory("render", film, *flags))
    cached = onestory("render", film, *flags, "--cache", "first-block:0.9")
    assert messages(cached) == ["TakeCommitted"]
    plain, other = records()["none"], records()["first-block cache 0.9"]
    assert plain["spec"]["model"] != other["spec"]["model"]
    assert json.loads(Path("film.run/run.json").read_text())["model"]["fitting"]["cache"] == 0.9
    assert messages(onestory("resume", "film.run", "--json")) == ["ShotKept"]


def test_incompatible_cache_is_rejected_before_any_work(
    onestory: Onestory, film: Path, base_folder: Callable[[str], Path]
) -> None:
    Path("base").unlink()
    Path("base").symlink_to(base_folder("vace"))
    result = onestory("render", film, "--allow-outside", "--cache", "first-block")
    assert result.exit is ExitCode.USAGE
    assert "VACE adds its control between the blocks" in result.err
    assert not Path("film.run").exists()


def test_cpu_needs_no_offload(onestory: Onestory, film: Path) -> None:
    flags = ("--allow-outside", "--json")
    messages(onestory("render", film, *flags))
    auto = onestory("render", film, *flags, "--vram", "auto")
    assert messages(auto) == ["ShotKept"]
    assert "base on this machine: no offload, no quantization" in auto.err
    assert "this machine has no GPU; --vram has no effect" in auto.err


@pytest.mark.parametrize(
    "flags",
    [("--device", "gpu"), ("--quantise", "fp16"), ("--offload", "disk"), ("--vram", "much"), ("--cache", "all")],
    ids=lambda flags: flags[0],
)
def test_unknown_value_is_a_usage_error(onestory: Onestory, film: Path, flags: tuple[str, str]) -> None:
    result = onestory("render", film, "--allow-outside", *flags)
    assert result.exit is ExitCode.USAGE
    assert "error[U606]" in result.err
