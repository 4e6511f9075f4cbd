"""Every user-facing error: code, message, place, next step; and the exit codes.

This module prints nothing and knows no file format. The long texts of the codes are rows of `onestory_cli.codes`,
which `lookup` reads only when somebody asks: `onestory explain CODE`.
"""

from __future__ import annotations

import copyreg
import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from onestory_cli.codes import Code

Severity = Literal["error", "warning"]


class ExitCode(IntEnum):
    """What the process tells its caller (128 + n is a signal's own convention)."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    MACHINE = 3
    PARTIAL = 4
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in a file a finding is. Lines and columns count from 1; `length` is the caret's width in characters."""

    path: str
    line: int = 1
    column: int = 1
    length: int = 1
    source_line: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One finding: what is wrong, where, and what to do next."""

    code: str
    message: str
    severity: Severity = "error"
    place: Place | None = None
    help: str = ""


class OnestoryError(Exception):
    """A fault that the user can mend. `str()` of it is the message; the console adds code, place and next step."""

    def __init__(
        self, code: str, message: str, *, help: str = "", place: Place | None = None, exit: ExitCode = ExitCode.FINDINGS
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.place, self.exit = code, message, help, place, exit

    def __reduce__(self) -> tuple[object, ...]:
        """Errors go from process to process: made again of what they hold, as `args` are not what `__init__` takes."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """This error as a list of findings, so that the console has one way to show any of them."""
        return (Diagnostic(code=self.code, message=self.message, place=self.place, help=self.help),)


class Findings(OnestoryError):
    """A story (or any other input) with findings, all of them at once; at least one is an error."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = next(item for item in diagnostics if item.severity == "error")
        super().__init__(first.code, first.message, help=first.help, place=first.place)
        self._diagnostics = diagnostics

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self._diagnostics


def lookup(code: str) -> Code:
    """The row of a code, in either case: "s104" is S104.

    Raises:
        OnestoryError: U601 for a code that does not exist.
    """
    from onestory_cli.codes import CODES

    row = CODES.get(code.strip().upper())
    if row is None:
        hint = did_you_mean(code.strip().upper(), CODES) or f"codes run from {min(CODES)} to {max(CODES)}"
        raise OnestoryError("U601", f'no such code "{shorten(code)}"', help=hint, exit=ExitCode.USAGE)
    return row


def format_concise(finding: Diagnostic) -> str:
    """One line: `film.story.yaml:31:12: error[S104] message (help)`."""
    place = finding.place
    where = f"{place.path}:{place.line}:{place.column}: " if place else ""
    hint = f" ({finding.help})" if finding.help else ""
    return f"{where}{finding.severity}[{finding.code}] {finding.message}{hint}"


def format_full(finding: Diagnostic) -> str:
    """Several lines: the message, the place, the source line with carets under it, and the next step."""
    lines = [f"{finding.severity}[{finding.code}]: {finding.message}"]
    place = finding.place
    gutter = " " * len(str(place.line)) if place else " "
    if place:
        lines.append(f"{gutter}--> {place.path}:{place.line}:{place.column}")
    if place and place.source_line:
        lines += [f"{gutter} |", f"{place.line} | {place.source_line}", f"{gutter} | {_carets(place)}"]
    if finding.help:
        lines.append(f"{gutter} = help: {finding.help}")
    return "\n".join(lines)


def _carets(place: Place) -> str:
    """Carets in the columns of a terminal, where a tab stays a tab and East Asian characters take two."""
    start = place.column - 1
    before, marked = place.source_line[:start], place.source_line[start : start + place.length]
    indent = "".join("\t" if char == "\t" else " " * _columns(char) for char in before)
    return indent + "^" * max(1, sum(_columns(char) for char in marked))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name that `word` was likely meant to be. Looks at 500 names at most, in bounded time."""
    start = word[:_READ]
    names = list(islice(known, 500))
    if len(names) > _COMPARED:  # comparing takes a millisecond for long names, and there may be hundreds of findings
        pairs = _pairs(start)
        names.sort(key=lambda name: -len(pairs & _pairs(name[:_READ])))
    near = difflib.get_close_matches(start, names[:_COMPARED], n=1, cutoff=0.55)  # foks is a fox
    return near[0] if near else None


_READ, _COMPARED = 64, 20  # characters of a name, names that are compared in full


@lru_cache(maxsize=2048)
def _pairs(word: str) -> frozenset[str]:
    """The letters of a word, two by two."""
    return frozenset(map("".join, pairwise(word)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint `did you mean "fox"?`, or "" when nothing known is near."""
    near = closest(word, known)
    return f'did you mean "{shorten(near)}"?' if near else ""


def shorten(text: object, width: int = 60) -> str:
    """A value of the user's for a message: on one line, never long, and nothing that a terminal would obey."""
    line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(str(text).split()))
    return line if len(line) <= width else line[: width - 1] + "…"
