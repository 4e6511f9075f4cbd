"""import_story: bytes -> text -> draft -> a story that validates; and the table of formats."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError
from onestory_cli.importers.draft import Draft, ImportReport
from onestory_cli.importers.multishot import (
    from_echoshot,
    from_holocine,
    from_memflow,
    from_shotstream,
    from_storymem,
    from_vimax,
)
from onestory_cli.importers.screenplay import from_fountain
from onestory_cli.importers.values import Node, read_json
from onestory_cli.importers.write import write_story
from onestory_cli.story.text import MAX_BYTES, Text, decode

MAX_SOURCE_BYTES = 2 * 1024 * 1024  # about ten screenplays
_SCREENPLAYS = (".fountain", ".spmd")
_NAME_IT = "name the format with `--from storymem|vimax|shotstream|holocine|memflow|echoshot|fountain`"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """An imported story as text, its source format, and warnings about what it does not contain.

    `reason` says how the format was recognized; "" if it was given.
    """

    text: str
    format: str
    reason: str
    draft: Draft
    remarks: tuple[Diagnostic, ...]


def import_story(data: bytes, path: str, *, format: str | None = None, number: int | None = None) -> Imported:
    """Import the story in a file of another tool. `number` (from 1) chooses one of several stories in the file.

    Raises:
        Findings: not text (S102 to S113), not in its format (I702), or too much for a story (I703).
        OnestoryError: I701 unknown format, I704 the file has several stories and none is chosen.
    """
    report = ImportReport(path)
    if len(data) > MAX_SOURCE_BYTES:
        report.too_much(f"the file is larger than {MAX_SOURCE_BYTES // 1024**2} MiB", "the whole file")
        report.refuse()
    text = decode(data.removeprefix(codecs.BOM_UTF8), path, indents=False)
    draft, name, reason = _read(text, report, format, number)
    report.refuse()
    titled = replace(draft, title=draft.title or _title_of(path))
    written = write_story(titled, source=PurePath(path).name, format=name, remarks=report.remarks)
    if len(written.encode()) > MAX_BYTES:
        report.too_much(f"the story would be larger than {MAX_BYTES // 1024**2} MiB", "the whole file")
        report.refuse()
    return Imported(text=written, format=name, reason=reason, draft=titled, remarks=report.remarks)


def _title_of(path: str) -> str:
    """A title made from a file name, which may contain anything."""
    stem = PurePath(path).name.split(".")[0]
    words = re.split(r"[\s_-]+", "".join(char if char.isprintable() else " " for char in stem))
    return " ".join(words).strip()[:200] or "Untitled"


def _read(text: Text, report: ImportReport, format: str | None, number: int | None) -> tuple[Draft, str, str]:
    """The draft of a source, its format, and how the format was recognized."""
    suffix = PurePath(text.path).suffix.lower()
    if suffix == ".csv":
        help = "import one of the .json files that its lines name"
        raise OnestoryError("I704", "a .csv table is not a story", help=help, exit=ExitCode.USAGE)
    if format == "fountain" or (format is None and suffix in _SCREENPLAYS):
        _check_number(1, number)
        return from_fountain(text, report), "fountain", "" if format else f"the suffix {suffix}"
    node = _choose(text, report, number)
    name, reason = (format, "") if format else _guess_by_keys(node)
    return _JSON[name](node, report), name, reason


def _guess_by_keys(node: Node) -> tuple[str, str]:
    """The format of a JSON file, and the key that shows it."""
    scenes = node.peek("scenes")
    signs = (
        ("memflow", "prompts", "prompts" in node),
        ("holocine", "shot_captions", "shot_captions" in node),
        ("shotstream", "shot1", "shot1" in node or "global_caption" in node),
        ("storymem", "scenes[].video_prompts", any("video_prompts" in scene for scene in scenes)),
        ("vimax", "scenes[].shots", any("shots" in scene for scene in scenes)),
        ("echoshot", "a list of captions", "shots" in node and not scenes),
    )
    for name, sign, found in signs:
        if found:
            return name, sign if " " in sign else f'the key "{sign}"'
    raise OnestoryError("I701", "unknown format", help=_NAME_IT, exit=ExitCode.USAGE)


def _choose(text: Text, report: ImportReport, number: int | None) -> Node:
    """The map in a JSON file, or in the chosen line of a .jsonl file."""
    content = text.content
    if not content.lstrip().startswith(("{", "[")):
        message = "unknown format: the file is not JSON and has no known suffix"
        raise OnestoryError("I701", message, help=_NAME_IT, exit=ExitCode.USAGE)
    if PurePath(text.path).suffix.lower() not in (".jsonl", ".ndjson"):
        _check_number(1, number)
        return read_json(content, text, report)
    ends = (*text.starts[1:], len(content))
    lines = [(start, end) for start, end in zip(text.starts, ends, strict=True) if content[start:end].strip()]
    _check_number(len(lines), number)
    start, end = lines[(number or 1) - 1]
    return read_json(content[start:end], text, report, start=start)


def _check_number(count: int, number: int | None) -> None:
    """Check the choice of `number` among `count` stories.

    Raises:
        OnestoryError: I704 if none is chosen of several, or the number is out of range.
    """
    if (number is None and count > 1) or (number is not None and not 1 <= number <= count):
        help = f"choose one with `--number`, from 1 to {count}" if count > 1 else "remove `--number`"
        message = f"the file has {count} {'story' if count == 1 else 'stories'}"
        raise OnestoryError("I704", message, help=help, exit=ExitCode.USAGE)


_JSON: dict[str, Callable[[Node, ImportReport], Draft]] = {
    "storymem": from_storymem,
    "vimax": from_vimax,
    "shotstream": from_shotstream,
    "holocine": from_holocine,
    "memflow": from_memflow,
    "echoshot": from_echoshot,
}
FORMATS = (*_JSON, "fountain")
