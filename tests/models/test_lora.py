"""LoRA files in all naming styles on the tiny bases, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from onestory_cli.errors import ExitCode
from tests.bases import base_folder
from tests.commands.conftest import Onestory, Result, change, onestory

__all__ = ["base_folder", "onestory"]

WIDTH, BLOCKS = 24, 2  # of the tiny transformers
STORY = """\
story: 1
title: Ink
model: base
lora: [{path: ink.safetensors, weight: 0.8}]
profiles:
  fast: {steps: 4, guidance: 1, scheduler: euler}
shots:
  - id: opening
    caption: A red fox walks right.
"""


def weights(style: str, width: int = WIDTH, blocks: int = BLOCKS, seed: int = 0) -> dict[str, Tensor]:
    """A LoRA of rank 2 on the queries and keys of every self-attention."""
    generator = torch.Generator().manual_seed(seed)
    names = {"diffusers": "transformer.blocks.{}.attn1.to_{}", "bare": "blocks.{}.attn1.to_{}"}
    pattern = names.get(style, "diffusion_model.blocks.{}.self_attn.{}")
    down, up = ("lora_down", "lora_up") if style == "down-up" else ("lora_A", "lora_B")
    found = {}
    for block in range(blocks):
        for part in ("q", "k"):
            place = pattern.format(block, part)
            found[f"{place}.{down}.weight"] = torch.randn(2, width, generator=generator)
            found[f"{place}.{up}.weight"] = torch.randn(width, 2, generator=generator)
    return found


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base_folder: Callable[[str], Path]) -> Path:
    """A story with a LoRA on the tiny text-to-video base, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("base").symlink_to(base_folder("t2v"))
    save_file(weights("diffusers"), "ink.safetensors")
    path = Path("film.story.yaml")
    path.write_text(STORY)
    return path


def latents(onestory: Onestory, film: Path, *flags: str) -> str:
    """The digest of the film's only shot, rendered."""
    result = onestory("render", film, "--allow-outside", "--json", *flags)
    assert result.exit is ExitCode.DONE, result.out + result.err
    return accepted()["files"]["latents.safetensors"]["sha256"]


def accepted() -> Any:
    state = json.loads(Path("film.run/run.json").read_text())
    state = state.get("document", state)
    return json.loads((Path("film.run/shots") / state["shots"]["opening"]["folder"] / "record.json").read_text())


def made(result: Result) -> list[str]:
    events = [json.loads(line) for line in result.out.splitlines()]
    return [event["shot"] for event in events if event.get("event") == "TakeCommitted"]


@pytest.mark.parametrize("style", ["diffusers", "bare", "original", "down-up"])
def test_a_lora_of_either_style_changes_the_shot(onestory: Onestory, film: Path, style: str) -> None:
    save_file(weights(style), "ink.safetensors")
    with_lora, key = latents(onestory, film), accepted()["key"]
    change(film, "weight: 0.8", "weight: 0")
    without, plain = latents(onestory, film), accepted()["key"]
    assert with_lora != without
    assert key != plain
    change(film, "lora: [{path: ink.safetensors, weight: 0}]\n", "")
    assert latents(onestory, film) == without
    assert accepted()["key"] == plain


def test_the_key_contains_bytes_and_weight_of_a_lora(onestory: Onestory, film: Path) -> None:
    latents(onestory, film)
    first = accepted()["key"]
    save_file(weights("diffusers", seed=1), "ink.safetensors")
    latents(onestory, film)
    second = accepted()["key"]
    change(film, "weight: 0.8", "weight: 0.5")
    latents(onestory, film)
    assert len({first, second, accepted()["key"]}) == 3


def test_resume_finds_the_lora(onestory: Onestory, film: Path) -> None:
    before = latents(onestory, film)
    kept = onestory("resume", "film.run", "--json")
    assert made(kept) == []
    Path("film.run/shots/opening").rename("gone")
    again = onestory("resume", "film.run", "--json")
    assert made(again) == ["opening"]
    assert accepted()["files"]["latents.safetensors"]["sha256"] == before
    Path("ink.safetensors").unlink()
    assert "error[S157]" in onestory("resume", "film.run").err


def test_four_steps_without_guidance(onestory: Onestory, film: Path) -> None:
    latents(onestory, film, "--profile", "fast")
    spec = accepted()["spec"]
    assert (spec["steps"], spec["guidance"], spec["scheduler"]) == (4, 1.0, "euler")


@pytest.mark.parametrize(
    ("width", "blocks", "why"), [(32, 2, "is 24 x 24"), (24, 5, 'does not have: "transformer.blocks.2')]
)
def test_a_lora_of_another_model_is_refused(onestory: Onestory, film: Path, width: int, blocks: int, why: str) -> None:
    save_file(weights("diffusers", width, blocks), "ink.safetensors")
    result = onestory("render", film, "--allow-outside")
    assert result.exit is ExitCode.MACHINE
    assert "error[M521]" in result.err
    assert why in result.err


def test_other_files_are_refused(onestory: Onestory, film: Path) -> None:
    Path("ink.safetensors").write_bytes(b"no weights")
    assert "error[M521]" in onestory("render", film, "--allow-outside").err
    save_file({"weight": torch.zeros(2)}, "ink.safetensors")
    assert "error[M521]" in onestory("render", film, "--allow-outside").err


def test_a_missing_expert_is_refused(onestory: Onestory, film: Path) -> None:
    change(film, "weight: 0.8", "expert: high")
    assert "error[S158]" in onestory("validate", film, "--allow-outside").out


def test_each_expert_can_have_its_own_lora(onestory: Onestory, film: Path, base_folder: Callable[[str], Path]) -> None:
    Path("base").unlink()
    Path("base").symlink_to(base_folder("t2v-a14b"))
    change(film, "weight: 0.8", "expert: low")
    low = latents(onestory, film, "--profile", "fast")
    change(film, "expert: low", "expert: high")
    assert latents(onestory, film, "--profile", "fast") != low
