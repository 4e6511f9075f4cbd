"""Find the characters of prompts that come without a list: names, labels such as "Person A", and roles.

A name is a character if three or more prompts have it and a text describes it, or if it acts in sentences. A role such
as "the baker" is one if three or more prompts have it and a text describes who has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from onestory_cli.importers.entities import ScriptEntity
from onestory_cli.story.referential_phrase import word_set
from onestory_cli.utils.text import with_article

MIN_PROMPTS = 3  # in which a name or role must occur
MIN_ACTS = 2  # sentences in which a name without a description must act
MAX_NAMES = 40  # that are searched for a description
# A name inside a sentence, where capitals mean something.
_NAME = re.compile(r"(?:\b[a-z][\w'’-]*|[,;]) ([A-Z][a-z][\w'’-]*(?: [A-Z][\w'’-]*){0,2})")
# A word in capitals before a name: part of it, or a title, but not the first word of a sentence.
_TITLE = (
    r"(?!(?:The|An?|In|On|At|As|By|For|From|With|Near|Next|Beside|Behind|Before|After|Above|Below|Under|Inside|Outside|"
    r"Over|Then|When|While|Now|Later|Meanwhile|Suddenly|And|But|His|Her|Their|To|Toward|Towards)\b)[A-Z][\w'’-]+"
)
_FULL_NAME = re.compile(r"(?:^|[.!?] )([A-Z][a-z]+ [A-Z][a-z]{2,})\b")
_LABEL = re.compile(r"[A-Z][a-z]+ [A-Z]")
_ACTS = r"(?:\w+ly )?(?!is\b|was\b|has\b)[a-z]{2,}s\b(?! of\b)"  # "walks", "slowly turns"
_ROLE = re.compile(r"\b[Tt]he ([a-z]{3,})\b")
_PERSON = r"(?:woman|man|girl|boy|lady|person|male|female)"
# What ends a description: a sentence, an action ("quietly walks", "gazing"), or the person's place.
_END = (
    r"(?=[.;:!?)]|,? (?:[a-z]+ly )?(?:who|is|are|sits|stands|floats|walks|looks|steps|holds|runs|moves|kneels|leans)\b"
    r"|, (?:[a-z]+ly )?(?:[a-z]+s|and)\b|, (?!wearing|holding|carrying|dressed|sporting)[a-z]+ing\b)"
)
_CLAUSE = rf"(?:\([^()]{{1,60}}\)|[^.;:!?()]){{3,300}}?{_END}"
# The start of a description that refers to an earlier one.
_BACK = re.compile(r"(?:the |an? )?(?:exact(?:ly)? )?(?:same|identical|unchanged|still)\b")
_FEATURES = re.compile(
    r"\b(?:woman|man|girl|boy|lady|hair\w*|skin|beard\w*|eyes?|fur|feathers?|wearing|dressed|robes?|gown|suit|attire|"
    r"uniform|armou?r|jacket|coat|shirt|\d\d-year-old)\b"
)
_PLACES = re.compile(
    r"\b(?:Hall|Castle|Palace|Street|City|Village|Forest|River|Island|Mountains?|Temple|Park|University|School|Station|"
    r"manor|castle|palace|street|city|town|village|forest|island|building|house|planet|kingdom)\b"
)
_STOPS = word_set("the this that these those his her its their and but when while then from")
# Nouns that often follow "the" in captions and are not people.
_THINGS = word_set(
    "camera scene shot frame light room sun table window door street city same other first second background"
)


def people_in(prompts: Sequence[str], others: Iterable[str] = ()) -> list[ScriptEntity]:
    """The characters of prompts. `others` are texts that may describe them too, such as those of first frames."""
    texts = (*prompts, *others)
    found = [*_named(prompts, texts)]
    known = {name.split()[-1] for entity in found for name in (entity.name, *entity.aliases)}
    return [*found, *(role for role in _roles(prompts, texts) if role.name.split()[-1] not in known)]


def _named(prompts: Sequence[str], texts: Sequence[str]) -> Iterator[ScriptEntity]:
    counts: Counter[str] = Counter()
    for prompt in prompts:
        counts.update({name for match in _NAME.findall(prompt) for name in (match, match.split()[0])})
        counts.update(set(_LABEL.findall(prompt)) | set(_FULL_NAME.findall(prompt)))
    taken: set[str] = set()
    for name, _ in counts.most_common(MAX_NAMES):
        if taken & set(name.split()) or name.split()[0].lower() in _STOPS:
            continue
        used = sum(bool(re.search(rf"\b{re.escape(name)}\b", prompt)) for prompt in prompts)
        entity = _entity(name, prompts, texts) if used >= MIN_PROMPTS else None
        if entity:
            taken |= set(name.split()) if not _LABEL.fullmatch(name) else set()
            yield entity


def _entity(name: str, prompts: Sequence[str], texts: Sequence[str]) -> ScriptEntity | None:
    """The character of a name: described by a text, or acting in several sentences; None if it is neither."""
    if _LABEL.fullmatch(name):
        return _labelled(name, texts)
    full, written = _description(name, texts)
    aliases = (full,) if full != name else ()
    kind = "setting" if _PLACES.search(written or full) and not _FEATURES.search(written) else "character"
    if written:
        return ScriptEntity(name=name, kind=kind, look=written.rstrip(","), written=written, aliases=aliases)
    acts = sum(len(re.findall(rf"(?:^|[.!?] ){re.escape(name)} {_ACTS}", prompt)) for prompt in prompts)
    if acts < MIN_ACTS or kind == "setting":
        return None
    return ScriptEntity(name=name, kind="character", look=full, aliases=aliases)


def _description(name: str, texts: Sequence[str]) -> tuple[str, str]:
    """The longest form of a name that a text describes, or has, and that form with its description or "".

    "Mia, a tall girl with red hair", "Mia Berg (12, curls)".
    """
    full = rf"(?:{_TITLE} ){{0,2}}\b{re.escape(name)}\b(?: [A-Z][\w'’-]+){{0,2}}"
    patterns = (
        rf"({full}) \([^()]{{3,300}}\)",
        rf"({full}), (?:an? |the |\d|adult\b|wearing |dressed |with )[^.;:!?]{{3,200}}?{_END}",
    )
    for pattern in patterns:
        for text in texts:
            match = re.search(pattern, text)
            if match and _is_look(match[0][len(match[1]) :]):
                return match[1], match[0]
    for text in texts:
        if match := re.search(rf"({full}) (?:is|wears) (an? {_CLAUSE})", text):
            worn = "wearing " if " wears " in match[0] else ""
            return match[1], f"{match[1]}, {worn}{match[2]}"
    forms = Counter(match for text in texts for match in re.findall(rf"(?<=[\w,;] ){full}", text))
    return max(forms, key=lambda form: (len(form.split()), forms[form]), default=name), ""


def _is_look(words: str) -> bool:
    """Whether the words after a name describe it: not ", a cat" in a list, and not "(same face)"."""
    plain = words.lstrip(" ,(")
    return (words.endswith(")") or len(plain.split()) > 2) and not _BACK.match(plain)


def _labelled(label: str, texts: Sequence[str]) -> ScriptEntity | None:
    """The character "Person A", whose look replaces the label: a label means nothing to a model."""
    bracket = rf"{label} \(((?:[^()]|\([^()]*\)){{3,400}})\)"
    for pattern in (bracket, rf"{label}(?: \([^()]*\))?(?:,|:| is) ((?:an? |the )?{_CLAUSE})"):
        for text in texts:
            match = re.search(pattern, text)
            if match and re.search(rf"\b{_PERSON}\b", match[1]):
                look = _as_look(match[1])
                role = re.search(rf"{label} \(([a-z]+)\)", text)
                aliases = (f"the {role[1]}", f"The {role[1]}") if role else ()
                noun = re.search(rf"\b{_PERSON}\b", look)
                again = f"the same {noun[0] if noun else 'person'}"
                return ScriptEntity(name=label, kind="character", look=look, again=again, aliases=aliases)
    return None


def _as_look(words: str) -> str:
    """A description as a noun phrase: "woman, 32, tall" becomes "a woman, 32, tall"."""
    words = words.strip(" ,")
    words = words[0].lower() + words[1:]
    return words if re.match(r"(?:an?|the)\b", words) else with_article(words)


def _roles(prompts: Sequence[str], texts: Sequence[str]) -> Iterator[ScriptEntity]:
    """People whom prompts call "the baker", with the look of a text such as "a 40-year-old baker with grey hair"."""
    counts: Counter[str] = Counter()
    for prompt in prompts:
        counts.update(set(_ROLE.findall(prompt)) - _THINGS)
    for role, count in counts.most_common(MAX_NAMES):
        if count >= MIN_PROMPTS and (look := _look_of_role(role, texts)):
            names = (f"the {role}", f"The {role}", f"the same {role}", f"The same {role}")
            yield ScriptEntity(name=names[0], kind="character", look=look, again=names[0], aliases=names[1:])


def _look_of_role(role: str, texts: Sequence[str]) -> str:
    """How a text describes who has a role, or ""."""
    patterns = (
        rf"[A-Z][a-z]+ [A-Z] \({role}\)(?:,|:| is) ((?:an? )?{_CLAUSE})",
        rf"\b{role}(?::| is) (an? {_CLAUSE})",
        rf"\b([Aa]n? (?:[\w-]+ ){{0,4}}{role}(?: \(adult\))?,? (?:with|wearing|in) {_CLAUSE})",
        rf"\b{role} \(((?:adult )?{_PERSON}, [^()]{{3,300}})\)",
    )
    for pattern in patterns:
        for text in texts:
            match = re.search(pattern, text)
            if match and _FEATURES.search(match[1]) and not _BACK.match(match[1]):
                return _as_look(match[1])
    return ""
