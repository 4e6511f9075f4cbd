"""Characters and settings of a script by their names: declare them, and put `$id` in place of the names in prompts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from onestory_cli.importers.draft import DraftDeclared, ImportReport, ends_reference, escape
from onestory_cli.importers.names import Names
from onestory_cli.utils.text import with_article

_TOKEN = re.compile(r"\w+")
MAX_ENTITIES = 2000  # of a script
_PERSON_FIRST = re.compile(
    r"(?:adult|boy|child|elderly|female|girl|lady|male|man|middle-aged|older|person|teenage|teenager|woman|young|younger)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class ScriptEntity:
    """`look` is the whole look, which starts with the name; `written` is how a prompt writes it out, or "".

    `aliases` are other names of the same person, such as the full name.
    """

    name: str
    kind: str  # "character" | "setting"
    look: str
    written: str = ""
    again: str = ""
    aliases: tuple[str, ...] = ()


def described(name: str, kind: str, description: str) -> ScriptEntity:
    """An entity with a description such as "Man with short hair.": "Min-jun, a man with short hair"."""
    words = " ".join(description.split()).rstrip(". ")
    if words and words[:1].isupper() and not words[1:2].isupper():
        words = words[0].lower() + words[1:]
    if _PERSON_FIRST.match(words):
        words = with_article(words)
    return ScriptEntity(name=name, kind=kind, look=f"{name}, {words}" if words else name)


class Registry:
    """Declares entities and refers to them in prompts."""

    def __init__(self, entities: Iterable[ScriptEntity], names: Names) -> None:
        self._entities: dict[str, ScriptEntity] = {}
        for entity in islice(entities, MAX_ENTITIES):
            self._entities.setdefault(entity.name, entity)
        self._ids = {
            name: names.new(name.removeprefix("the "), otherwise=item.kind) for name, item in self._entities.items()
        }
        for entity in [*self._entities.values()]:
            for alias in entity.aliases:
                self._ids.setdefault(alias, self._ids[entity.name])
                self._entities.setdefault(alias, entity)
        self._used: set[str] = set()
        self._most_tokens = max((len(_TOKEN.findall(name)) for name in self._entities), default=0)

    def __contains__(self, name: str) -> bool:
        return name in self._entities

    def refer(self, prompt: str) -> str:
        """A prompt as a caption: `$id` in place of names, and of the written-out look at the first mention."""
        tokens = list(_TOKEN.finditer(prompt))
        parts: list[str] = []
        position = 0
        for index, token in enumerate(tokens):
            name = self._name_at(prompt, tokens, index) if token.start() >= position else ""
            if not name:
                continue
            entity = self._entities[name]
            written = entity.written if entity.name not in self._used else ""
            whole = written and prompt.startswith(written, token.start())
            replaced = written if whole and ends_reference(prompt, token.start() + len(written)) else name
            self._used.add(entity.name)
            parts += escape(prompt[position : token.start()]), f"${self._ids[name]}"
            position = token.start() + len(replaced)
        return "".join(parts) + escape(prompt[position:])

    def _name_at(self, prompt: str, tokens: Sequence[re.Match[str]], index: int) -> str:
        """The longest name that starts at a token, or ""."""
        start = tokens[index].start()
        if prompt[start - 1 : start] in ("-", "$", "_"):
            return ""
        for last in range(min(index + self._most_tokens, len(tokens)) - 1, index - 1, -1):
            name = prompt[start : tokens[last].end()]
            if name in self._entities and ends_reference(prompt, tokens[last].end()):
                return name
        return ""

    def missing(self, names: Iterable[str], caption: str) -> Iterator[str]:
        """A sentence `$id.` for each name that a caption from `refer` does not refer to."""
        for name in names:
            if name in self._ids and not re.search(rf"\${self._ids[name]}(?![\w-]*\w)", caption):
                self._used.add(self._entities[name].name)
                yield f"${self._ids[name]}."

    def declare(self, kind: str, report: ImportReport) -> Iterator[DraftDeclared]:
        """The entities of a kind that a prompt names."""
        for name, entity in self._entities.items():
            if entity.kind != kind or name != entity.name or name not in self._used:
                continue
            report.limit("look", entity.look, name)
            undescribed = entity.kind == "setting" and entity.look == name
            again = entity.again or ("" if undescribed else name[:500])
            why = ""
            if kind == "character" and entity.look in (entity.name, *entity.aliases):
                why = "no look in the source: describe the character here"
                report.no_look(entity.look)
            yield DraftDeclared(id=self._ids[name], look=entity.look, again=again, why=why)
