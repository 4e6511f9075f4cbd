"""compile_story: every finding of a story and its plan at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import Findings
from onestory_cli.planning.compile import compile_story


def codes(folder: Path, text: str) -> list[str]:
    """The codes of all findings of a story, in order."""
    file = folder / "film.story.yaml"
    file.write_text("story: 1\ntitle: T\n" + text)
    with pytest.raises(Findings) as caught:
        compile_story(file, fingerprint=False)
    return [item.code for item in caught.value.diagnostics]


def test_a_wrong_type_does_not_hide_what_the_model_cannot_do(tmp_path: Path) -> None:
    text = """shots:
  - {id: a, caption: A fox waves., steps: many, frames: 16}
  - {id: b, caption: A zebra waves., frames: 0, size: 60x64}
"""
    assert codes(tmp_path, text) == ["S122", "S210", "W310", "S125", "S213"]


def test_an_unknown_reference_does_not_hide_what_the_model_cannot_do(tmp_path: Path) -> None:
    text = """characters: {fox: {look: a red fox}}
shots:
  - {id: a, caption: $foks waves., duration: 0.3s}
  - {id: a, caption: A fox waves., image: no.png}
"""
    assert codes(tmp_path, text) == ["S104", "S211", "S130", "W312", "S152"]


def test_an_unknown_model_is_reported_with_the_errors_of_the_story(tmp_path: Path) -> None:
    assert codes(tmp_path, "model: stroyworld\nshots: [{id: a, caption: '$5'}]\n") == ["M501", "S140"]


@pytest.mark.parametrize(
    "shot",
    [
        "memory: {budget: -1, frames: -2}",
        "memory: {policy: x}, seed: -1",
        "size: 0x0",
        "duration: 99999s",
        "frames: -3",
    ],
)
def test_invalid_values_never_reach_the_planner(tmp_path: Path, shot: str) -> None:
    found = codes(tmp_path, f"shots: [{{id: a, caption: A fox., {shot}}}, {{caption: x}}, {{id: B, caption: A fox.}}]")
    assert found[-1] == "S127"
