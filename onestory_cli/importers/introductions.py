"""Find people that the action of a screenplay introduces: a name in capitals and the description that follows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from onestory_cli.story.referential_phrase import word_set
from onestory_cli.utils.text import with_article

WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
ARTICLES = word_set("a an the")
_DETERMINERS = ARTICLES | word_set(
    "another any each every her his its my no one other our same several some that their these this those two three "
    "which whose your"
)
_ADJECTIVES = word_set(
    "angry another beautiful big blonde certain dark dead dear drunk exhausted fat former frightened good happy late "
    "little lone lonely mysterious naked nervous new old only other poor pregnant real sad second short silent "
    "sleeping small so-called tall thin third tired wounded young"
)
_ADJECTIVE_ENDING = re.compile(r"(?:er|est|ed|ing|ful|ous|ish|less|ly)$")
# What a description of a person contains; other words in capitals are things: "a KITE (red, torn)".
_PERSON = re.compile(
    r"\b(?:\d{1,3}|(?:early |mid |late )?(?:teens?|twenties|thirties|forties|fifties|sixties|seventies)|aged?|elderly|"
    r"middle-aged|young|old|older|man|men|woman|women|boys?|girls?|kids?|child|children|teen(?:ager)?|lady|guy|person|"
    r"male|female|father|mother|son|daughter|brother|sister|wife|husband|friend|cop|officer|doctor|nurse|soldier|worker|"
    r"teacher|student|hair(?:ed)?|beard(?:ed)?|eyes|eyed|bald|blond(?:e)?|brunette|handsome|pretty|muscular|coat|jacket|"
    r"suit|dress|shirt|uniform|glasses|hat|scarf|skinned)\b|\b\d0s\b",
    re.IGNORECASE,
)
_EXTENSION = re.compile(r"(?:v\.?\s?o|o\.?\s?[sc]|cont['’]?d|continued|more|off|beat)\.?", re.IGNORECASE)
_BRACKET = re.compile(r" ?\(([^()]{1,300})\)")
_APPOSITION = re.compile(
    r", (?:(?i:early |mid |late |in (?:his|her|their) |about |around |aged? |also |now |still )*\d[^,.;:!?()]{0,40}|"
    r"(?:an?|the|his|her|their) [^,.;:!?()]{1,200}|[^,.;:!?()]{0,20}-year-old[^,.;:!?()]{0,100}|"
    r"[a-z][a-z -]{3,60}(?=, (?:is|are|was|[a-z]+s)\b))"
)
_IS_AGED = re.compile(r" is (?:now |about |only )?(\d{1,3})\b")  # "MAYA is 12"
_NAMED = re.compile(r"\b(an? [^,.;:!?()]{1,100}?) (?:named|called) $", re.IGNORECASE)  # "a tall woman named MAYA"
_HEADED = re.compile(r"\b([\w]+-?(?:headed|haired|eyed|bearded)) $", re.IGNORECASE)  # "red-headed MAYA"
# "his 7 year-old son, MATTHEW", "an even larger man, MIKE", "his gorgeous bride JOSEPHINE": a noun with an adjective.
_KIN = re.compile(
    r"\b(?:an?|his|her|their) ((?:[a-z0-9-]{1,30} ){1,4}"
    r"(?:man|woman|boy|girl|kid|lady|guy|son|daughter|wife|husband|bride|groom|brother|sister|twin|mother|father)),? $"
)
_FILLER = re.compile(r"^, (?:also|now|still) (?=\d)", re.IGNORECASE)
_BEFORE = 120  # characters before a name that may describe it
_MORE = re.compile(r", (?:in an?|with|wearing|dressed|tall|short|slim|thin|an? )[^,.;:!?()]{1,200}")
_SENTENCE = re.compile(r"[^.!?]{0,300}")  # bounded, so that the time stays linear


@dataclass(frozen=True, kw_only=True)
class Introduction:
    """A name in capitals at `start` of an action; `look` is the text after it, up to `end`, that describes it.

    `article`: an article is before the name ("a COP"). `is_person`: the description is that of a person. `bracket` is
    the span of a description that comes later in the sentence.
    """

    name: str
    start: int
    end: int
    look: str
    article: bool
    is_person: bool
    bracket: tuple[int, int] | None = None


def introductions(action: str) -> Iterator[Introduction]:
    """The names in capitals of an action, in order, with their descriptions if they have one."""
    words = list(WORD.finditer(action))
    index = 0
    while index < len(words):
        last = index
        while last < len(words) and _is_capitals(words[last][0]) and (last == index or _joined(action, words, last)):
            last += 1
        if last == index:
            index += 1
            continue
        yield _introduction(action, words, index, last)
        index = last


def _introduction(action: str, words: list[re.Match[str]], first: int, last: int) -> Introduction:
    start, end = words[first].start(), words[last - 1].end()
    look, stop, bracket = _description(action, end)
    if not look or bracket:
        look, stop, bracket = _description_around(action, start, end) or (look, stop, bracket)
    return Introduction(
        name=action[start:end],
        start=start,
        end=stop,
        look=look,
        article=has_article(action, words, first),
        is_person=bool(_PERSON.search(look)),
        bracket=bracket,
    )


def _description(action: str, end: int) -> tuple[str, int, tuple[int, int] | None]:
    """The description after a name that ends at `end`: its text, its end, and its span if it is not adjacent."""
    bracket = _BRACKET.match(action, end)
    if bracket and not _EXTENSION.fullmatch(bracket[1].strip()):
        return f" ({bracket[1].strip(' .')})", bracket.end(), None
    if apposition := _APPOSITION.match(action, end):
        stop = apposition.end()
        while more := _MORE.match(action, stop):
            stop = more.end()
        return _FILLER.sub(", ", action[end:stop]).replace(", AGE ", ", age "), stop, None
    sentence = _SENTENCE.match(action, end)
    later = _BRACKET.search(action, end, sentence.end() if sentence else end)
    if later and _PERSON.search(later[1]) and not any(map(_is_capitals, WORD.findall(action[end : later.start()]))):
        return f" ({later[1].strip(' .')})", end, later.span()
    return "", end, None


def _description_around(action: str, start: int, end: int) -> tuple[str, int, None] | None:
    """A description in the sentence around a name, which stays in the text: "red-headed MAYA is 12"."""
    before = action[max(0, start - _BEFORE) : start]
    aged, named, headed = _IS_AGED.match(action, end), _NAMED.search(before), _HEADED.search(before)
    parts = [match[1].lower() for match in (named, aged, headed) if match]
    if not parts and (kin := _KIN.search(before)):
        parts = [with_article(kin[1])]
    return (f", {', '.join(parts)}", end, None) if parts else None


def _is_capitals(word: str) -> bool:
    return len(word) > 1 and word.isupper()


def _joined(action: str, words: list[re.Match[str]], index: int) -> bool:
    return action[words[index - 1].end() : words[index].start()] == " "


def previous_word(action: str, words: list[re.Match[str]], index: int) -> str:
    """The word before word `index` if only white space is between them, else ""."""
    if index == 0 or action[words[index - 1].end() : words[index].start()].strip():
        return ""
    return words[index - 1][0]


def has_article(action: str, words: list[re.Match[str]], index: int) -> bool:
    """Whether an article is before word `index`, directly or before one adjective."""
    before = previous_word(action, words, index).casefold()
    further = previous_word(action, words, index - 1).casefold() if before else ""
    return before in ARTICLES or (further in ARTICLES and not _is_capitals(words[index - 1][0]))


def is_qualified(action: str, words: list[re.Match[str]], index: int) -> bool:
    """Whether a determiner or an adjective is before a name, so that it must stay: "this Anna", "a younger Anna"."""
    before = previous_word(action, words, index).casefold()
    further = previous_word(action, words, index - 1).casefold() if before else ""
    if before in _DETERMINERS or before in _ADJECTIVES:
        return True
    return further in _DETERMINERS and bool(_ADJECTIVE_ENDING.search(before))
