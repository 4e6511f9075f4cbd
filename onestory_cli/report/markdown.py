"""Summarize a film as Markdown for a CI job or comment: takes, reasons and memories.

Text from the story is escaped, so it cannot add links, pictures or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from onestory_cli.errors import shorten
from onestory_cli.quality import faults
from onestory_cli.report.data import FilmReport, ShotReport
from onestory_cli.store.changes import frames_text

_CAPTION = 200  # characters
_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")  # ASCII punctuation, all of which may be escaped
_HEAD = "| | shot | caption | take | remembers | tokens | faults |\n|---:|---|---|---|---|---:|---|"


def markdown(film: FilmReport, *, picture: str = "") -> str:
    """The summary of a film. `picture` is the URL of its contact sheet or ""."""
    return "\n".join(_lines(film, picture)) + "\n"


def _lines(film: FilmReport, picture: str) -> Iterator[str]:
    seconds = sum(shot.seconds for shot in film.shots)
    yield f"## {_escaped(film.title)}\n"
    yield f"{len(film.shots)} shots, {seconds:.1f} s, model {_escaped(film.state.model.name)}"
    if film.left_out:
        names = (item.shot + (f" ({item.why})" if item.damage else "") for item in film.left_out)
        yield f"\n**Not rendered:** {', '.join(names)}"
    if picture:
        yield f"\n![contact sheet](<{picture}>)"
    yield f"\n{_HEAD}"
    yield from (_row(shot) for shot in film.shots)


def _row(shot: ShotReport) -> str:
    record = shot.take.record
    bad = ", ".join(f"{check.name} {check.value:g} (limit {check.limit:g})" for check in faults(record.checks))
    memory = f"{shot.memory.tokens} of {shot.memory.budget_tokens}" if shot.memory.sources else ""
    cells = (
        str(shot.number),
        shot.id,
        _escaped(shorten(shot.caption, _CAPTION)),
        _escaped(f"{record.take} {shot.take.id[:6]}: {record.reason}"),
        _escaped(frames_text(record.memory.selected)) if shot.memory.sources else "",
        memory,
        _escaped(bad),
    )
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
