"""`plan --why` after every kind of edit, for a film that a tiny real model rendered."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from onestory_cli import cli
from onestory_cli.commands._plan_view import contrast
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory
from tests.tiny import tiny_folder

__all__ = ["tiny_folder"]

HEAD = """\
story: 1
title: The Lost Kite
model: model
defaults: {seed: 7, memory: {frames: 6}}
shots:
"""
SHOTS = {
    "opening": "  - {id: opening, caption: A beach.}\n",
    "gone": "  - {id: gone, caption: A forest.}\n",
    "return": "  - {id: return, caption: A fox waves.}\n",
}
NIGHT = "  - {id: night, caption: A city at night.}\n"
STORY = HEAD + "".join(SHOTS.values())


@pytest.fixture(scope="module")
def rendered(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a story, its model and its run: `gone` has two takes, and every shot remembers all earlier ones."""
    folder = tmp_path_factory.mktemp("why")
    shutil.copytree(tiny_folder, folder / "model")
    (folder / "film.story.yaml").write_text(STORY)
    screen = Console(stdout=io.StringIO(), stderr=io.StringIO(), color=False)
    command = ["render", str(folder / "film.story.yaml"), "--takes", "2", "--shot", "gone"]
    assert cli.run(command, screen) is ExitCode.DONE
    return folder


Why = Callable[[Path, str], str]


@pytest.fixture
def why(onestory: Onestory, monkeypatch: pytest.MonkeyPatch) -> Why:
    """Return the explanation of a shot, without frame numbers, take ids and fingerprints."""

    def explain(folder: Path, shot: str) -> str:
        monkeypatch.chdir(folder)
        result = onestory("plan", "film.story.yaml", "--why", shot)
        assert result.exit is ExitCode.DONE, result.err
        text = re.sub(r"\[[\d,]+\]", "[..]", result.out)
        return re.sub(r"\b[0-9a-f]{16}\b", "FINGERPRINT", re.sub(r"(?<=take \d, )\w{6}", "ID", text))

    return explain


EDITS = {
    "insert": (
        STORY.replace(SHOTS["return"], NIGHT + SHOTS["return"]),
        "return",
        "return: undecided: waits for night\n  its take remembers MEMORY\n  night: render: new\n",
    ),
    "insert before the first": (
        STORY.replace("shots:\n", "shots:\n" + NIGHT),
        "opening",
        "opening: render: memory changed: sees night now, nothing before\n"
        "  visible memory: nothing -> night\n"
        "  night: render: new\n",
    ),
    "remove": (
        STORY.replace(SHOTS["gone"], ""),
        "return",
        "return: render: memory changed: no longer sees gone[..]\n  its take remembers MEMORY\n",
    ),
    "remove the first": (
        STORY.replace(SHOTS["opening"], ""),
        "gone",
        "gone: render: memory changed: sees nothing now, opening before\n"
        "  visible memory: opening -> nothing\n"
        "  its take remembers opening[..]\n",
    ),
    "reorder": (
        HEAD + SHOTS["opening"] + SHOTS["return"] + SHOTS["gone"],
        "gone",
        "gone: undecided: waits for return\n"
        "  its take remembers opening[..]\n"
        "  return: render: memory changed: no longer sees gone[..]\n"
        "    its take remembers MEMORY\n",
    ),
    "rename": (
        STORY.replace("id: gone", "id: lost"),
        "lost",
        "lost: kept: rendered as gone (take 0, ID)\n  its take remembers opening[..]\n",
    ),
    "seed": (
        STORY.replace("seed: 7", "seed: 8"),
        "opening",
        "opening: render: seed changed\n  seed: the story's 7 -> the story's 8\n",
    ),
    "seed of a shot": (
        STORY.replace("A beach.", "A beach., seed: 3"),
        "opening",
        "opening: render: seed changed\n  seed: the story's 7 -> 3\n",
    ),
    "style": (
        STORY.replace("model: model", "model: model\nstyle: at night"),
        "opening",
        "opening: render: caption changed\n  resolved caption: A beach. -> A beach. at night\n",
    ),
    "memory off": (
        STORY.replace("A fox waves.", "A fox waves., memory: {frames: 0}"),
        "return",
        "return: render: settings changed: memory frames 6 -> 0\n"
        "  memory frames: 6 -> 0\n"
        "  its take remembers MEMORY\n",
    ),
    "caption of an earlier shot": (
        STORY.replace("A forest.", "A cave."),
        "return",
        "return: undecided: waits for gone[..]\n"
        "  its take remembers MEMORY\n"
        "  gone: render: caption changed\n"
        "    resolved caption: A forest. -> A cave.\n"
        "    its take remembers opening[..]\n",
    ),
}


@pytest.mark.parametrize("kind", EDITS)
def test_each_edit_is_explained(rendered: Path, why: Why, kind: str) -> None:
    story, shot, expected = EDITS[kind]
    (rendered / "film.story.yaml").write_text(story)
    text = re.sub(r"(?:opening|gone)\[..\], (?:opening|gone)\[..\]", "MEMORY", why(rendered, shot))
    assert text == expected


def test_another_model_is_named(rendered: Path, why: Why, tmp_path: Path) -> None:
    folder = shutil.copytree(rendered, tmp_path / "copy")
    (folder / "model").rename(folder / "other")
    (folder / "other" / "README.txt").write_text("other bytes")
    (folder / "film.story.yaml").write_text(STORY.replace("model: model", "model: other"))
    assert why(folder, "opening") == (
        "opening: render: model changed\n  model: model FINGERPRINT -> other FINGERPRINT\n"
    )


def test_a_newly_accepted_take_explains_the_shots_that_remember_it(
    rendered: Path, why: Why, onestory: Onestory, tmp_path: Path
) -> None:
    folder = shutil.copytree(rendered, tmp_path / "copy")
    (folder / "film.story.yaml").write_text(STORY)
    assert onestory("take", "accept", folder / "film.run", "gone", "1").exit is ExitCode.DONE
    head, _, *rest = why(folder, "return").splitlines()
    assert head == "return: render: memory changed: gone[..] differs"
    assert rest == ["  gone: kept (take 1, ID)", "    its take remembers opening[..]"]


def test_contrast_shows_the_words_that_differ() -> None:
    style = "Wide shot of a fox, a bear and a dog who walk on a beach at sunset, slowly"
    assert contrast(style, f"{style}, 35 mm") == ("… at sunset, slowly", "… at sunset, slowly, 35 mm")
    assert contrast(f"{style} and far", style.replace("bear", "cat") + " and far") == (
        "… fox, a bear and a …",
        "… fox, a cat and a …",
    )
    assert contrast("a b", "a c") == ("a b", "a c")
    assert contrast("x" * 200, "y")[0].endswith("…")
