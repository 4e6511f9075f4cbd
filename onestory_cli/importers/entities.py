"""Characters and settings of a script by their names: declare them, and put `$id` in place of the names in prompts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from onestory_cli.importers.draft import DraftDeclared, ImportReport, escape
from onestory_cli.importers.names import Names
from onestory_cli.utils.text import with_article

MIN_PROMPTS = 3  # in which a name must occur to be a character, if the script has no list of characters
_TOKEN = re.compile(r"\w+")
MAX_ENTITIES = 2000  # of a script
MAX_NAMES = 20  # that are searched for a description
_NAME = re.compile(r"(?<=[\w,;] )[A-Z][a-z][\w'’-]*(?: [A-Z][\w'’-]+){0,2}")  # not at the start of a sentence
_PERSON_FIRST = re.compile(
    r"(?:adult|boy|child|elderly|female|girl|lady|male|man|middle-aged|older|person|teenage|teenager|woman|young|younger)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class ScriptEntity:
    """`look` is the whole look, which starts with the name; `written` is how a prompt writes it out, or ""."""

    name: str
    kind: str  # "character" | "setting"
    look: str
    written: str = ""
    again: str = ""


def described(name: str, kind: str, description: str) -> ScriptEntity:
    """An entity with a description such as "Man with short hair.": "Min-jun, a man with short hair"."""
    words = " ".join(description.split()).rstrip(". ")
    if words and words[:1].isupper() and not words[1:2].isupper():
        words = words[0].lower() + words[1:]
    if _PERSON_FIRST.match(words):
        words = with_article(words)
    return ScriptEntity(name=name, kind=kind, look=f"{name}, {words}" if words else name)


def named_in(prompts: Sequence[str], others: Iterable[str] = ()) -> list[ScriptEntity]:
    """Characters of prompts without a list: names in three or more prompts that some text describes.

    `others` are texts that may describe them too, such as those of first frames.
    """
    counts: Counter[str] = Counter()
    for prompt in prompts:
        counts.update(set(_NAME.findall(prompt)))
    names = [name for name, _ in counts.most_common(MAX_NAMES)]
    found = []
    for name in names:
        used = sum(bool(re.search(rf"\b{re.escape(name)}\b", prompt)) for prompt in prompts)
        written = _description(name, (*prompts, *others)) if used >= MIN_PROMPTS else ""
        if written:
            found.append(ScriptEntity(name=name, kind="character", look=written.rstrip(","), written=written))
    return found


def _description(name: str, texts: Iterable[str]) -> str:
    """The name with the description that follows it in a text: "Mia, a tall girl with red hair", "Mia (12, curls)"."""
    word = re.escape(name)
    patterns = (
        rf"\b{word} \([^()]{{3,300}}\)",
        rf"\b{word}, (?:an? |the |\d|wearing |dressed |with )[^.;:!?]{{3,200}}?(?=[.;:!?]|, (?:[a-z]+s|who|is|and)\b)",
    )
    texts = tuple(texts)
    for pattern in patterns:
        for text in texts:
            if match := re.search(pattern, text):
                return match[0]
    for text in texts:
        if match := re.search(rf"\b{word} (?:is|wears) ((?:an? )?[^.;:!?]{{3,200}})", text):
            worn = "wearing " if " wears " in match[0] else ""
            return f"{name}, {worn}{match[1]}"
    return ""


class Registry:
    """Declares entities and refers to them in prompts."""

    def __init__(self, entities: Iterable[ScriptEntity], names: Names) -> None:
        self._entities: dict[str, ScriptEntity] = {}
        for entity in islice(entities, MAX_ENTITIES):
            self._entities.setdefault(entity.name, entity)
        self._ids = {name: names.new(name, otherwise=item.kind) for name, item in self._entities.items()}
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
            written = self._entities[name].written
            first = name not in self._used and written and prompt.startswith(written, token.start())
            self._used.add(name)
            parts += escape(prompt[position : token.start()]), f"${self._ids[name]}"
            position = token.start() + len(written if first else name)
        return "".join(parts) + escape(prompt[position:])

    def _name_at(self, prompt: str, tokens: Sequence[re.Match[str]], index: int) -> str:
        """The longest name that starts at a token, or "". `$id` before `!` or `-x` would mean something else."""
        start = tokens[index].start()
        if prompt[start - 1 : start] in ("-", "$", "_"):
            return ""
        for last in range(min(index + self._most_tokens, len(tokens)) - 1, index - 1, -1):
            name, after = prompt[start : tokens[last].end()], prompt[tokens[last].end() : tokens[last].end() + 2]
            if name in self._entities and not re.match(r"[\w!]|-\w", after):
                return name
        return ""

    def missing(self, places: Iterable[str], prompt: str) -> Iterator[str]:
        """A sentence `$id.` for each place that a prompt does not name."""
        for name in places:
            if name in self._ids and not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompt):
                self._used.add(name)
                yield f"${self._ids[name]}."

    def declare(self, kind: str, report: ImportReport) -> Iterator[DraftDeclared]:
        """The entities of a kind that a prompt names."""
        for name, entity in self._entities.items():
            if entity.kind != kind or name not in self._used:
                continue
            report.limit("look", entity.look, name)
            undescribed = entity.kind == "setting" and entity.look == name
            again = entity.again or ("" if undescribed else name[:500])
            yield DraftDeclared(id=self._ids[name], look=entity.look, again=again)
