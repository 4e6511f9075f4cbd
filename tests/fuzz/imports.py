"""What must hold for any bytes that claim to be a story of another tool: they become a good story, or a coded error."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.importers import import_story
from onestory_cli.story.load import read_story
from tests.fuzz.target import NOWHERE, check_finding

# The first byte of an input, from "0" on, chooses what the rest is taken for.
CHOICES = (
    ("storymem", "a.json"),
    ("vimax", "a.json"),
    ("shotstream", "a.json"),
    ("memflow", "a.json"),
    ("holocine", "a.json"),
    ("joyai", "a.json"),
    ("fountain", "a.fountain"),
    (None, "a.json"),
    (None, "a.jsonl"),
    ("fdx", "a.fdx"),
    ("table", "a.csv"),
    ("markdown", "a.md"),
    ("text", "a.txt"),
    ("json", "a.json"),
    ("storyboarder", "a.storyboarder"),
    ("otio", "a.otio"),
    ("vistorybench", "a.json"),
    ("memento", "a.json"),
)


def check(data: bytes) -> None:
    """Import a story, and read what came out.

    Raises:
        AssertionError: a finding that breaks a promise of `target.check`, or a story that is not the one imported.
        OnestoryError: the story that came out has errors.
    """
    format, name = CHOICES[(data[0] - ord("0")) % len(CHOICES)] if data else CHOICES[0]
    source = data[1:]
    try:
        imported = import_story(source, name, format=format, number=1 if name == "a.jsonl" else None)
    except OnestoryError as fault:
        for item in fault.diagnostics:
            check_finding(item, source)
        return
    for item in imported.remarks:
        check_finding(item, source)
    story, _ = read_story(imported.text.encode(), NOWHERE)
    assert [shot.id for shot in story.shots] == [shot.id for shot in imported.draft.shots]
    assert story.title == imported.draft.title


def corpus() -> list[Path]:
    """The inputs that are kept, as in `target.corpus`."""
    return sorted((Path(__file__).parent / "imports").iterdir())
