"""Workflows: titles, problems, identity and prompts. No server."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.external.job import ExternalJob
from onestory_cli.external.prompt import build_prompt
from onestory_cli.models.external import external_spec, is_loopback
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.models.workflow import read_workflow
from tests.external.conftest import write_workflow
from tests.external.server import WORKFLOW

OPTIONAL = {"Sampler": ("reference", "first"), "Batch": ("image1", "image2")}


def changed(node: str, **fields: Any) -> dict[str, Any]:
    nodes = copy.deepcopy(WORKFLOW)
    nodes[node]["inputs"] |= fields
    return nodes


def titled(node: str, title: str) -> dict[str, Any]:
    nodes = copy.deepcopy(WORKFLOW)
    nodes[node]["_meta"] = {"title": title}
    return nodes


def test_titles_bind_inputs(tmp_path: Path) -> None:
    workflow = read_workflow(write_workflow(tmp_path / "a.json"))
    assert {name: (item.node, item.input) for name, item in workflow.bindings.items()} == {
        "caption": ("1", "text"),
        "seed": ("2", "seed"),
        "steps": ("2", "steps"),
        "width": ("2", "width"),
        "height": ("2", "height"),
        "frames": ("2", "frames"),
        "reference_1": ("3", "image"),
        "reference_2": ("4", "image"),
        "first_frame": ("6", "image"),
        "output": ("7", ""),
    }
    assert (workflow.references, workflow.value("frames")) == (2, 5)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (titled("1", "onestory:captoin"), 'unknown name "captoin"'),
        (titled("1", "A title"), 'no node has the title "onestory:caption"'),
        (titled("7", "A title"), 'no node has the title "onestory:output"'),
        (titled("5", "onestory:caption"), 'two nodes are bound to "caption"'),
        (titled("7", "onestory:output, fps"), 'has no input for "fps"'),
        (titled("2", "onestory:seed=text"), "connected to another node"),
        ({"nodes": [], "links": []}, "format of the editor"),
        ({"1": {"inputs": {}}}, "not in API format"),
        ({}, "has 0 nodes"),
    ],
)
def test_problems_are_reported_with_the_next_step(tmp_path: Path, nodes: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(nodes))
    with pytest.raises(OnestoryError, match=message) as caught:
        read_workflow(path)
    assert caught.value.code == "M551"
    assert caught.value.diagnostics[0].help


def test_a_prompt_has_the_values_and_leaves_out_missing_pictures(tmp_path: Path) -> None:
    workflow = read_workflow(write_workflow(tmp_path / "a.json"))
    full = workflow.prompt({"caption": "a", "seed": 7, "reference_1": "x.png"}, optional=OPTIONAL)
    assert (full["1"]["inputs"]["text"], full["2"]["inputs"]["seed"]) == ("a", 7)
    assert full["5"]["inputs"] == {"image1": ["3", 0]}
    assert "first" not in full["2"]["inputs"]
    assert {"4", "6"}.isdisjoint(full)
    strict = workflow.prompt({"caption": "a"}, optional={})
    assert "2" not in strict  # it needs a picture
    assert "7" not in strict


def test_a_workflow_cannot_choose_where_its_result_is_written(tmp_path: Path) -> None:
    nodes = changed("7", filename_prefix="../../elsewhere/film")
    workflow = read_workflow(write_workflow(tmp_path / "a.json", nodes))
    values = {"caption": "a", "seed": 7, "width": 64, "height": 64}
    job = ExternalJob(shot="opening", values=values, pictures={})
    prompt = build_prompt(workflow, job, optional=OPTIONAL, place=lambda png: "picture.png")
    assert prompt["7"]["inputs"]["filename_prefix"] == "onestory/opening"


def test_the_identity_ignores_titles_and_bound_values(tmp_path: Path) -> None:
    def identity(nodes: dict[str, Any]) -> str:
        return read_workflow(write_workflow(tmp_path / "a.json", nodes)).identity

    own = identity(WORKFLOW)
    assert identity(changed("2", seed=99, frames=9)) == own
    assert identity(titled("5", "Another title")) == own
    assert identity(changed("7", filename_prefix="other")) != own
    assert identity(titled("6", "No first frame")) != own


def test_the_card_completes_what_the_workflow_says(tmp_path: Path) -> None:
    write_workflow(tmp_path / "a.json")
    spec = external_spec({"workflow": "a.json"}, name="a", folder=tmp_path)
    assert (spec.width, spec.frames, spec.max_frames, spec.fps, spec.steps) == (64, 5, 9, 8, 2)
    assert (spec.remembers, spec.memory_frames, spec.policy) == ("references", 2, "recent")
    assert (spec.latent_channels, spec.latent_size(64, 64), spec.latent_frames(9)) == (3, (64, 64), 3)
    with pytest.raises(OnestoryError, match='unknown key "lenght"'):
        external_spec({"workflow": "a.json", "card": {"lenght": 3}}, name="a", folder=tmp_path)
    with pytest.raises(OnestoryError, match="does not say fps"):
        external_spec({"workflow": "a.json", "card": {"max_frames": 9}}, name="a", folder=tmp_path)


def test_a_card_in_the_workflow_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({**WORKFLOW, "onestory": {"fps": 8, "lenght": 3}}))
    with pytest.raises(OnestoryError, match='unknown key "lenght"'):
        external_spec({"workflow": "a.json"}, name="a", folder=tmp_path)


@pytest.mark.parametrize("command", ["program", 5, []])
def test_a_command_is_a_list(tmp_path: Path, command: object) -> None:
    with pytest.raises(OnestoryError, match="is not a list") as caught:
        external_spec({"command": command}, name="a", folder=tmp_path)
    assert caught.value.code == "M551"


def test_the_fingerprint_covers_the_card_but_not_its_texts(tmp_path: Path) -> None:
    def fingerprint(**card: Any) -> str:
        write_workflow(tmp_path / "a.json", card=card)
        return fingerprint_of(external_spec({"workflow": "a.json"}, name="a", folder=tmp_path))

    own = fingerprint()
    assert fingerprint(about="another text") == own
    assert fingerprint(temporal_stride=2) != own


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:8188", True),
        ("http://localhost:8188", True),
        ("http://[::1]:8188", True),
        ("http://127.0.0.1.example:8188", False),
        ("http://192.168.0.4:8188", False),
        ("https://127.0.0.1:8188", False),
        ("http://user:secret@127.0.0.1:8188", False),
        ("file:///etc/passwd", False),
        ("http://127.0.0.1:99999", False),
        ("http://[::1", False),
    ],
)
def test_only_this_machine_is_loopback(address: str, local: bool) -> None:
    assert is_loopback(address) is local
