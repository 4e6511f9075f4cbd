"""What every importer makes: a story in pieces, before it is written; and the report of what did not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onestory_cli.errors import Diagnostic, Findings, Place, shorten

MAX_SHOTS = 5000  # as in the schema of stories
MAX_FAULTS = 50
_LIMITS = {"title": 200, "style": 2000, "look": 2000, "again": 500, "caption": 8000}  # characters, as in the schema


@dataclass(frozen=True, kw_only=True)
class DraftDeclared:
    """A character or a setting. `why` says in the file where an invented look comes from."""

    id: str
    look: str
    again: str = ""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class DraftShot:
    """A shot; `caption` refers by `$id` and has its own dollars doubled.

    `continues`: the source makes no cut before it. `from_last`: the source starts it from the last frame of the shot
    before. `notes` are texts that the format has no key for, by their `x-` key.
    """

    id: str
    caption: str
    continues: bool = False
    from_last: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)


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
    """One remark or fault, how often it holds, and where first."""

    code: str
    text: str
    where: str
    line: int | None
    help: str
    times: int = 1


class ImportReport:
    """Gathers what an import cannot take over, and what is wrong with the source; one entry for what repeats."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._said: dict[tuple[str, str], _Remark] = {}

    def left_out(self, what: str, where: str, *, help: str = "", line: int | None = None) -> None:
        """W701: `what` is not in the story."""
        self._say("W701", f"{what} is left out", where, help or "the story says nothing of it", line)

    def kept(self, what: str, key: str, where: str, *, help: str = "", line: int | None = None) -> None:
        """W702: `what` is in the story, under a key that changes no film."""
        self._say("W702", f"{what} is kept as `{key}`", where, help or "onestory ignores that key", line)

    def no_look(self, name: str, *, line: int | None = None) -> None:
        """W703: a character whose look the source does not tell."""
        help = "describe it under `characters:`, so that it looks alike in all shots"
        self._say("W703", "a look is not in the source, and the name stands for it", name, help, line)

    def fault(self, message: str, where: str, *, help: str = "mend it in the source", line: int | None = None) -> None:
        """I702: the source is not what its format says."""
        self._say("I702", message, where, help, line)

    def too_much(self, message: str, where: str, *, line: int | None = None) -> None:
        """I703: a story cannot hold it."""
        self._say("I703", message, where, "shorten it in the source, or tell it in several stories", line)

    def limit(self, key: str, text: str, where: str, *, line: int | None = None) -> None:
        """I703 for a text that is longer than a story's `key` may be."""
        if len(text) > _LIMITS[key]:
            message = f"{len(text)} characters are too long for `{key}`, which has {_LIMITS[key]} at most"
            self.too_much(message, where, line=line)

    def _say(self, code: str, text: str, where: str, help: str, line: int | None) -> None:
        known = self._said.get((code, text))
        if known is None:
            self._said[code, text] = _Remark(code=code, text=text, where=shorten(where), line=line, help=help)
        else:
            known.times += 1

    @property
    def remarks(self) -> tuple[Diagnostic, ...]:
        """All W701 and W702."""
        return tuple(self._diagnostic(item) for item in self._said.values() if item.code.startswith("W"))

    def refuse(self) -> None:
        """
        Raises:
            Findings: there are faults; all of them, and the remarks.
        """
        faults = [self._diagnostic(item) for item in self._said.values() if not item.code.startswith("W")]
        if faults:
            raise Findings((*faults[:MAX_FAULTS], *self.remarks))

    def _diagnostic(self, said: _Remark) -> Diagnostic:
        where = f" ({said.where})" if said.where else ""
        if said.times > 1:
            where = f" ({said.times} times, first at {said.where})" if said.where else f" ({said.times} times)"
        return Diagnostic(
            code=said.code,
            message=said.text + where,
            severity="warning" if said.code.startswith("W") else "error",
            place=Place(path=self.path, line=said.line) if said.line else None,
            help=said.help,
        )


def escape(text: str) -> str:
    """Text of others as a caption: a dollar sign is one, and refers to nothing."""
    return text.replace("$", "$$")
