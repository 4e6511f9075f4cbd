"""import_story: bytes -> draft -> a story that validates; and the table of formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.importers.boards import from_llm, from_otio, from_storyboarder, from_vistorybench, has_shots
from onestory_cli.importers.draft import Draft, ImportReport
from onestory_cli.importers.fdx import from_fdx
from onestory_cli.importers.holocine import from_holocine, sign_of_holocine
from onestory_cli.importers.joyai import from_joyai, sign_of_joyai
from onestory_cli.importers.multishot import (
    from_echoshot,
    from_memento,
    from_memflow,
    from_shotstream,
    from_storymem,
    from_vimax,
)
from onestory_cli.importers.prompts import from_markdown, from_text
from onestory_cli.importers.screenplay import from_fountain
from onestory_cli.importers.source import SourceFile
from onestory_cli.importers.tables import from_table, from_workbook
from onestory_cli.importers.values import Node, list_of, maps_in
from onestory_cli.importers.write import write_story
from onestory_cli.story.text import MAX_BYTES
from onestory_cli.utils.plugins import PluginTable

if TYPE_CHECKING:
    from onestory_cli.models.catalog import ModelSpec

_BINARY = (".xlsx", ".xlsm", ".fdx")
MAX_SOURCE_BYTES = 2 * 1024 * 1024  # about ten screenplays


@dataclass(frozen=True, kw_only=True)
class ImportFormat:
    """A format: `read` makes the draft, `sign` says why a file is of this format ("" if it is not)."""

    read: Callable[[SourceFile], Draft]
    sign: Callable[[SourceFile], str]


@dataclass(frozen=True, kw_only=True)
class Imported:
    """An imported story as text, its source format, and warnings about what it does not contain.

    `reason` says how the format was recognized; "" if it was given. `notes` are for the user. `kept` and `dropped`
    count what became a note and what is not in the story.
    """

    text: str
    format: str
    reason: str
    draft: Draft
    remarks: tuple[Diagnostic, ...]
    notes: tuple[str, ...] = ()
    kept: int = 0
    dropped: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How much of each kind the story has, and how much of the source is not in it."""
        draft = self.draft
        described = [item for item in draft.characters if not item.why and item.look != item.again]
        return {
            "shots": len(draft.shots),
            "characters": len(draft.characters),
            "characters with a look": len(described),
            "settings": len(draft.settings),
            "shots without a cut": sum(shot.continues for shot in draft.shots),
            "shots with dialogue": sum(bool(shot.subtitle) for shot in draft.shots),
            "shots with a picture": sum(bool(shot.image) for shot in draft.shots),
            "kept as notes": self.kept,
            "dropped": self.dropped,
        }


def import_story(
    data: bytes,
    path: str,
    *,
    format: str | None = None,
    number: int | None = None,
    columns: Mapping[str, str] | None = None,
    model: ModelSpec | None = None,
    narration: bool = False,
    has_picture: Callable[[str], bool] = lambda path: False,
) -> Imported:
    """Import the story in a file of another tool.

    `number` (from 1) chooses one of several stories in the file. `columns` names columns of a table by field. `model`
    is that of the story, which decides its lengths. With `narration`, dialogue becomes slots for recordings.
    `has_picture` says whether the story can use a picture at a path of the source.

    Raises:
        Findings: not text (S102 to S113), not in its format (I702), or too much for a story (I703).
        OnestoryError: I701 unknown format, I704 the file has several stories and none is chosen.
    """
    report = ImportReport(path)
    if len(data) > MAX_SOURCE_BYTES:
        report.too_much(f"the file is larger than {MAX_SOURCE_BYTES // 1024**2} MiB", "the whole file")
        report.refuse()
    source = SourceFile(path=path, data=data, report=report, number=number, columns=columns or {})
    name, reason = _named(format) if format else _guess(source)
    draft = _with_pictures(FORMATS[name].read(source), report, has_picture)
    report.refuse()
    titled = replace(draft, title=" ".join(draft.title.split()) or _title_of(path))
    written = write_story(
        titled, source=PurePath(path).name, format=name, remarks=report.remarks, model=model, narration=narration
    )
    if len(written.encode()) > MAX_BYTES:
        report.too_much(f"the story would be larger than {MAX_BYTES // 1024**2} MiB", "the whole file")
        report.refuse()
    return Imported(
        text=written,
        format=name,
        reason=reason,
        draft=titled,
        remarks=report.remarks,
        notes=tuple(report.notes),
        kept=report.count("W702"),
        dropped=report.count("W701"),
    )


def _with_pictures(draft: Draft, report: ImportReport, has_picture: Callable[[str], bool]) -> Draft:
    """The draft without pictures that the story cannot use."""
    shots = []
    for shot in draft.shots:
        if shot.image and not has_picture(shot.image):
            help = "put the picture into the folder of the story, and add `image:` to the shot"
            report.left_out("a picture that is not next to the source", shot.image, help=help)
            shot = replace(shot, image="")
        shots.append(shot)
    return replace(draft, shots=tuple(shots))


def _title_of(path: str) -> str:
    """A title made from a file name, which may contain anything."""
    stem = PurePath(path).name.split(".")[0]
    words = re.split(r"[\s_-]+", "".join(char if char.isprintable() else " " for char in stem))
    return " ".join(words).strip()[:200] or "Untitled"


def _named(format: str) -> tuple[str, str]:
    if format not in FORMATS:
        help = did_you_mean(format, FORMATS) or f"use one of {', '.join(FORMATS)}"
        raise OnestoryError("I701", f'unknown format "{shorten(format)}"', help=help, exit=ExitCode.USAGE)
    return format, ""


def _guess(source: SourceFile) -> tuple[str, str]:
    """The first format whose sign the source has, and the sign."""
    if source.suffix not in _BINARY:
        _ = source.text  # what is not text is reported as that
    for name, format in FORMATS.items():
        if sign := format.sign(source):
            return name, sign
    message = "unknown format"
    if not source.looks_like_json:
        message = "unknown format: the file is not JSON and has no known suffix"
    raise OnestoryError("I701", message, help=f"name it with `--from {'|'.join(FORMATS)}`", exit=ExitCode.USAGE)


def by_suffix(*suffixes: str) -> Callable[[SourceFile], str]:
    """A sign: the file has one of these suffixes."""
    return lambda source: f"the suffix {source.suffix}" if source.suffix in suffixes else ""


def _json(read: Callable[[Node, ImportReport], Draft], sign: Callable[[Node], str]) -> ImportFormat:
    """A JSON format, recognized by its keys."""
    return ImportFormat(
        read=lambda source: read(source.node, source.report),
        sign=lambda source: sign(source.node) if source.looks_like_json else "",
    )


def _key(*keys: str) -> Callable[[Node], str]:
    return lambda node: next((f'the key "{key}"' for key in keys if key in node), "")


def _in_scenes(key: str) -> Callable[[Node], str]:
    return lambda node: f'the key "scenes[].{key}"' if any(key in scene for scene in _scenes(node)) else ""


def _memento(node: Node) -> str:
    prompts = [item for scene in _scenes(node) for item in list_of(scene.get("video_prompts"))]
    found = any(isinstance(item, str) and "shot caption:" in item for item in prompts)
    return 'prompts with "global caption:" and "shot caption:"' if found else ""


def _vimax(node: Node) -> str:
    shots = [shot for scene in _scenes(node) for shot in maps_in(scene.get("shots"))]
    return 'the key "scenes[].shots[].video_prompt"' if any("video_prompt" in shot for shot in shots) else ""


def _scenes(node: Node) -> list[dict[str, Any]]:
    return maps_in(node.peek("scenes"))


def _echoshot(node: Node) -> str:
    if "cap_list" in node:
        return 'the key "cap_list"'
    captions = list_of(node.peek("shots"))
    plain = captions and not any(isinstance(item, dict) for item in captions)
    return "a list of captions" if plain and "scenes" not in node else ""


def _llm(node: Node) -> str:
    keys = ("scenes", "shots", "storyboard", "shot_list", "panels", "clips", "acts", "sequences")
    return next((f'the key "{key}"' for key in keys if has_shots(node.peek(key))), "")


def _fountain(source: SourceFile) -> Draft:
    source.require_one()
    return from_fountain(source.text, source.report)


# The order is that of guessing: special signs come before general ones.
FORMATS: PluginTable[ImportFormat] = PluginTable(
    "onestory.importers",
    {
        "fountain": ImportFormat(read=_fountain, sign=by_suffix(".fountain", ".spmd")),
        "fdx": ImportFormat(read=from_fdx, sign=by_suffix(".fdx")),
        "table": ImportFormat(read=from_table, sign=by_suffix(".csv", ".tsv")),
        "xlsx": ImportFormat(read=from_workbook, sign=by_suffix(".xlsx", ".xlsm")),
        "markdown": ImportFormat(read=from_markdown, sign=by_suffix(".md", ".markdown")),
        "storyboarder": _json(from_storyboarder, _key("boards")),
        "otio": _json(from_otio, _key("OTIO_SCHEMA")),
        "joyai": _json(from_joyai, sign_of_joyai),
        "memflow": _json(from_memflow, _key("prompts")),
        "holocine": ImportFormat(read=from_holocine, sign=sign_of_holocine),
        "shotstream": _json(from_shotstream, _key("shot1", "global_caption")),
        "vistorybench": _json(from_vistorybench, _key("Shots")),
        "memento": _json(from_memento, _memento),
        "storymem": _json(from_storymem, _in_scenes("video_prompts")),
        "vimax": _json(from_vimax, _vimax),
        "echoshot": _json(from_echoshot, _echoshot),
        "json": _json(from_llm, _llm),
        "text": ImportFormat(
            read=from_text,
            sign=lambda source: "" if source.looks_like_json else by_suffix(".txt", ".text", ".prompts")(source),
        ),
    },
)
