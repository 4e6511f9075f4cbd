"""User-facing errors (code, message, place, next step) and the exit codes.

This module prints nothing and reads no files. The long texts are in `onestory_cli.codes`, which `lookup` imports when
`onestory explain CODE` needs it.
"""

from __future__ import annotations

import copyreg
import difflib
import errno
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from itertools import groupby, islice, pairwise
from typing import TYPE_CHECKING, Literal

from onestory_cli.version import __version__

if TYPE_CHECKING:
    from onestory_cli.codes import Code

Severity = Literal["error", "warning"]

_DISK_FULL_OR_FORBIDDEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
# A disk, a network or a limit of this machine, never a mistake of the program such as ENOENT or EBADF.
_MACHINE_ERRNOS = {
    errno.EIO,
    errno.ESTALE,
    errno.EMFILE,
    errno.ENFILE,
    errno.EINTR,
    errno.ENODEV,
    errno.ENXIO,
    errno.ETIMEDOUT,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EFBIG,
    errno.EBUSY,
    errno.ETXTBSY,
    errno.ENOLCK,
    errno.EMLINK,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
_LIBRARIES = ("torch", "diffusers", "transformers", "av", "safetensors", "numpy", "typer", "rich")  # in a bug report
_SHOWN_LINES = 8  # of a finding in many places
_COMPARED_CHARACTERS, _COMPARED_NAMES = 64, 20  # limits of `closest`, whose cost grows with the square of the length


class ExitCode(IntEnum):
    """Exit codes of the program. From 130 on, 128 plus the number of a signal."""

    DONE = 0
    FINDINGS = 1
    USAGE = 2
    MACHINE = 3
    PARTIAL = 4
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in a file. Lines and columns count from 1; `length` is the number of marked characters."""

    path: str
    line: int = 1
    column: int = 1
    length: int = 1
    source_line: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnostic:
    """One error or warning: what is wrong, where, and what to do next.

    `further` are other places with the same fault, after `place` and in the order of the file.
    """

    code: str
    message: str
    severity: Severity = "error"
    place: Place | None = None
    help: str = ""
    further: tuple[Place, ...] = ()


def unplaced(code: str, message: str, help: str = "") -> Diagnostic:
    """An error whose place in the story the caller adds."""
    return Diagnostic(code=code, message=message, help=help)


class OnestoryError(Exception):
    """An error that the user can fix. `str()` gives the message; the console adds code, place and next step."""

    def __init__(
        self, code: str, message: str, *, help: str = "", place: Place | None = None, exit: ExitCode = ExitCode.FINDINGS
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.place, self.exit = code, message, help, place, exit

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by attributes, because `args` are not the parameters of `__init__`. Workers send errors this way."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All findings of this error; one for a plain `OnestoryError`."""
        return (Diagnostic(code=self.code, message=self.message, place=self.place, help=self.help),)


class Findings(OnestoryError):
    """All findings of an input, of which at least one is an error."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        first = next(item for item in diagnostics if item.severity == "error")
        super().__init__(first.code, first.message, help=first.help, place=first.place)
        self._diagnostics = diagnostics

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self._diagnostics


def lookup(code: str) -> Code:
    """Return the row of a code. Case does not matter.

    Raises:
        OnestoryError: U601 for an unknown code.
    """
    from onestory_cli.codes import CODES

    row = CODES.get(code.strip().upper())
    if row is None:
        hint = did_you_mean(code.strip().upper(), CODES) or f"codes run from {min(CODES)} to {max(CODES)}"
        raise OnestoryError("U601", f'no such code "{shorten(code)}"', help=hint, exit=ExitCode.USAGE)
    return row


def format_concise(finding: Diagnostic) -> str:
    """Format a finding as one line: `film.story.yaml:31:12: error[S104] message (help)`."""
    place = finding.place
    where = f"{_position(place)}: " if place else ""
    hint = f" ({finding.help})" if finding.help else ""
    return f"{where}{finding.severity}[{finding.code}] {finding.message}{hint}"


def format_full(finding: Diagnostic) -> str:
    """Format a finding as several lines: message, place, source lines with carets, and next step."""
    lines = [f"{finding.severity}[{finding.code}]: {finding.message}"]
    places = [place for place in (finding.place, *finding.further) if place]
    width = max((len(str(place.line)) for place in places), default=1)
    if places:
        lines += [f"{' ' * width}--> {_position(places[0])}", *_excerpt(places, width)]
    if finding.help:
        lines.append(f"{' ' * width} = help: {finding.help}")
    return "\n".join(lines)


def _excerpt(places: Sequence[Place], width: int) -> Iterator[str]:
    """The source lines of places, with carets; `width` is that of the line numbers."""
    gutter = " " * width
    shown = [place for place in places if place.source_line]
    lines = [[*group] for _, group in groupby(shown, key=lambda place: (place.path, place.line))]
    if lines:
        yield f"{gutter} |"
    for marked in lines[:_SHOWN_LINES]:
        first = marked[0]
        if first.path != places[0].path:  # an included file
            yield f"{gutter}::: {_position(first)}"
        yield f"{first.line:>{width}} | {first.source_line}"
        yield f"{gutter} | {_carets(marked)}"
    if len(lines) > _SHOWN_LINES:
        yield f"{gutter} | ... and {len(lines) - _SHOWN_LINES} more lines"


def _position(place: Place) -> str:
    return f"{place.path}:{place.line}:{place.column}"


def _carets(places: Sequence[Place]) -> str:
    """Carets under places of one line: tabs stay tabs, and wide East Asian characters take two columns."""
    line, shown, end = places[0].source_line, "", 0
    for place in sorted(places, key=lambda place: place.column):
        start = max(end, place.column - 1)
        before, end = line[end:start], max(start, place.column - 1 + place.length)
        shown += "".join("\t" if char == "\t" else " " * _columns(char) for char in before)
        shown += "^" * max(1, sum(_columns(char) for char in line[start:end]))
    return shown


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to `word`, or None. Compares at most 500 names."""
    start = word[:_COMPARED_CHARACTERS]
    names = list(islice(known, 500))
    if len(names) > _COMPARED_NAMES:  # a comparison takes a millisecond for long names; there may be many findings
        pairs = _pairs(start)
        names.sort(key=lambda name: -len(pairs & _pairs(name[:_COMPARED_CHARACTERS])))
    near = difflib.get_close_matches(start, names[:_COMPARED_NAMES], n=1, cutoff=0.55)  # low enough for foks -> fox
    return near[0] if near else None


@lru_cache(maxsize=2048)
def _pairs(word: str) -> frozenset[str]:
    """All pairs of adjacent characters."""
    return frozenset(map("".join, pairwise(word)))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint `did you mean "fox"?`, or "" if no known name is similar."""
    near = closest(word, known)
    return f'did you mean "{shorten(near)}"?' if near else ""


def shorten(text: object, width: int = 60) -> str:
    """Shorten user input for a message: one line, at most `width` characters, control characters replaced."""
    line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(str(text).split()))
    return line if len(line) <= width else line[: width - 1] + "…"


def from_exception(fault: Exception, arguments: Sequence[str]) -> OnestoryError:
    """Convert any exception: U607 or U608 for a limit of this machine, otherwise U609 with a report file."""
    return machine_error(fault) or _bug(fault, arguments)


@contextmanager
def convert_machine_errors() -> Iterator[None]:
    """Raise U607 or U608 for errors of this machine. A server needs it; a command line converts them in `cli.run`."""
    try:
        yield
    except (OSError, MemoryError) as fault:
        if error := machine_error(fault):
            raise error from fault
        raise


def machine_error(fault: Exception) -> OnestoryError | None:
    """The error for a disk that fails, missing permissions or too little memory; None for anything else."""
    if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":  # of torch, not imported here
        help = "close other programs, or use a smaller size, fewer frames or a smaller memory budget"
        return OnestoryError("U607", "not enough memory", help=help, exit=ExitCode.MACHINE)
    if not isinstance(fault, OSError):
        return None
    if fault.errno in _DISK_FULL_OR_FORBIDDEN:
        help = "free disk space or choose another path, then rerun the command; finished shots are kept"
    elif fault.errno in _MACHINE_ERRNOS:
        help = "check the disk, then rerun the command; finished shots are kept"
    else:
        return None
    message = f"{fault.strerror}: {fault.filename}" if fault.filename else str(fault.strerror)
    return OnestoryError("U608", message, help=help, exit=ExitCode.MACHINE)


def _bug(fault: Exception, arguments: Sequence[str]) -> OnestoryError:
    """The error for a bug of ours. The traceback goes to a report file."""
    import platform
    import tempfile
    import traceback

    system = f"onestory {__version__}, Python {sys.version}, {platform.platform()}"
    versions = [f"{name} {_installed(name)}" for name in _LIBRARIES]
    facts = "\n".join([system, *versions, f"arguments: {arguments}"])
    text = facts + "\n\n" + "".join(traceback.format_exception(fault))
    with tempfile.NamedTemporaryFile("w", prefix="onestory-report-", suffix=".txt", delete=False) as file:
        file.write(text)
    message = f"this is a bug in onestory ({type(fault).__name__})"
    return OnestoryError("U609", message, help=f"please report it and attach {file.name}", exit=ExitCode.BUG)


def _installed(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
