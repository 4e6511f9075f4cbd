"""Draft: the parts of an imported story before it is written. ImportReport: what did not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from onestory_cli.errors import Diagnostic, Findings, Place, shorten

MAX_SHOTS = 5000  # as in the schema of stories
MAX_FAULTS = 50
_LIMITS = {"title": 200, "style": 2000, "look": 2000, "again": 500, "caption": 8000}  # characters, as in the schema


@dataclass(frozen=True, kw_only=True)
class DraftDeclared:
    """A character or setting. `why` is a comment for the file about a look that the source does not give."""

    id: str
    look: str
    again: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class DraftShot:
    """A shot. `caption` refers to declarations by `$id`; dollar signs of the source are doubled.

    `continues`: the source has no cut before it. `notes` maps `x-` keys to texts that the story format has no key for.
    `estimated`: the seconds follow from the length of the text.
    """

    id: str
    caption: str
    continues: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    subtitle: str = ""
    seconds: float | None = None
    estimated: bool = False
    image: str = ""


@dataclass(frozen=True, kw_only=True)
class Draft:
    title: str
    shots: tuple[DraftShot, ...]
    note: str = ""
    style: str = ""
    characters: tuple[DraftDeclared, ...] = ()
    settings: tuple[DraftDeclared, ...] = ()


@dataclass
class _Remark:
    """A remark or an error, how often it occurs, and the first place."""

    code: str
    text: str
    where: str
    line: int | None
    help: str
    times: int = 1


class ImportReport:
    """Collects what an import cannot represent and errors in the source, with one entry per kind."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.notes: list[str] = []
        self._with_lines = True
        self._remarks: dict[tuple[str, str], _Remark] = {}

    def note(self, text: str) -> None:
        """Add information for the user that is neither a loss nor an error."""
        self.notes.append(text)

    def forget_lines(self) -> None:
        """Report no line numbers from now on: the text that is read is not the source."""
        self._with_lines = False

    def left_out(self, what: str, where: str, *, help: str = "", line: int | None = None) -> None:
        """W701: `what` is not in the story."""
        self._add("W701", f"{what} is dropped", where, help or "a story has no key for it", line)

    def kept(self, what: str, key: str, where: str, *, help: str = "", line: int | None = None) -> None:
        """W702: `what` is in the story, under a key that does not change the film."""
        self._add("W702", f"{what} is kept as `{key}`", where, help or "onestory ignores that key", line)

    def no_look(self, name: str, *, line: int | None = None) -> None:
        """W703: a character whose look is not in the source."""
        help = "describe the character under `characters:`, so that it looks the same in all shots"
        self._add("W703", "the source does not describe a character; its name is used as the look", name, help, line)

    def fault(self, message: str, where: str, *, help: str = "fix the source", line: int | None = None) -> None:
        """I702: the source does not follow its format."""
        self._add("I702", message, where, help, line)

    def too_much(self, message: str, where: str, *, line: int | None = None) -> None:
        """I703: too much for a story."""
        self._add("I703", message, where, "shorten the source, or split it into several stories", line)

    def limit(self, key: str, text: str, where: str, *, line: int | None = None) -> None:
        """I703 for a text that exceeds the limit of `key` in a story."""
        if len(text) > _LIMITS[key]:
            message = f"`{key}` has {len(text)} characters; the maximum is {_LIMITS[key]}"
            self.too_much(message, where, line=line)

    def require_shots(self, count: int) -> None:
        """I702 if the source has no shots.

        Raises:
            Findings: I703 for more shots than a story can have; the rest of the source is not read.
        """
        if not count:
            self.fault("the source has no shots", "the whole file")
        if count > MAX_SHOTS:
            self.too_much(f"{count} shots; the maximum is {MAX_SHOTS}", "the whole file")
            self.refuse()

    def _add(self, code: str, text: str, where: str, help: str, line: int | None) -> None:
        line = line if self._with_lines else None
        known = self._remarks.get((code, text))
        if known is None:
            self._remarks[code, text] = _Remark(code=code, text=text, where=shorten(where), line=line, help=help)
        else:
            known.times += 1

    @property
    def remarks(self) -> tuple[Diagnostic, ...]:
        """All warnings: W701, W702 and W703."""
        return tuple(self._diagnostic(item) for item in self._remarks.values() if item.code.startswith("W"))

    def count(self, code: str) -> int:
        """How many times a remark of this code was reported."""
        return sum(item.times for item in self._remarks.values() if item.code == code)

    def refuse(self) -> None:
        """Raise the errors found so far, if any.

        Raises:
            Findings: the source has errors; all of them, and the warnings.
        """
        faults = [self._diagnostic(item) for item in self._remarks.values() if not item.code.startswith("W")]
        if faults:
            raise Findings((*faults[:MAX_FAULTS], *self.remarks))

    def _diagnostic(self, remark: _Remark) -> Diagnostic:
        where = f" ({remark.where})" if remark.where else ""
        if remark.times > 1:
            where = f" ({remark.times} times, first at {remark.where})" if remark.where else f" ({remark.times} times)"
        return Diagnostic(
            code=remark.code,
            message=remark.text + where,
            severity="warning" if remark.code.startswith("W") else "error",
            place=Place(path=self.path, line=remark.line) if remark.line else None,
            help=remark.help,
        )


def escape(text: str) -> str:
    """Text of the source as a caption: dollar signs are doubled, so that they are not references."""
    return text.replace("$", "$$")


def ends_reference(text: str, end: int) -> bool:
    """Whether a `$id` in place of the text before `end` would end there: not before a letter, `!`, `_` or `-x`."""
    return not re.match(r"[\w!]|-\w", text[end : end + 2])
