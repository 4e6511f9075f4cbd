"""default_again: the phrase by which captions refer to a look again, if the author does not write `again`."""

from __future__ import annotations

import re


def word_set(words: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(words.split())


_TOKEN = re.compile(r"[^\W_]+(?:['’.·-][^\W_]+)*\.?|[^\w\s]")
_ARTICLES = word_set("a an the one two three four five six some several")
# Words that end the noun phrase at the start of a look: "a red fox | with a blue scarf".
_BOUNDARIES = word_set(
    "about above against among around as at behind below beneath beside between beyond by carrying covered down "
    "dressed during for from has have having holding in inside into is just like made near of off on onto outside over "
    "sitting standing surrounded that to under underneath up wearing where which while who whose with without"
)
_NAMING = word_set("named called")
_TITLES = word_set("dr. mr. mrs. ms. st. prof. capt. sgt. lt. jr. sr.")
_ADJECTIVES = word_set(
    "aged ageing aging ancient bald big black blond blonde blue bright brown calm clean cold cute dark deep dense "
    "dim elderly empty fat fierce fluffy frail gold golden gray green grey huge large lean lone lonely long loud low "
    "mean middle-aged modern narrow neat new noisy old orange pale pink plump poor purple quiet red rich rough round "
    "rusty sad short silver slender slim small smart soft stern stout strong sunny tall teenage thick thin tiny ugly "
    "vast warm weary wet white wide wild wise yellow young"
)
_ADJECTIVE_ENDINGS = ("ed", "ful", "ish", "less", "ous", "some", "-haired", "-eyed")
# Nouns that may start a look with a capital letter without being a name: "Woman in a red coat".
_COMMON_NOUNS = word_set(
    "adult alley apartment baby bar barn bat beach bear bedroom bird boat bookshop boy bridge building cabin cafe café "
    "camp captain car castle cat cave child church city classroom cliff coast couple courtyard cow crowd desert doctor "
    "dog dragon duck elephant factory farm farmer father field figure fish fisherman forest fox frog garden ghost girl "
    "goat guard guy hall harbour harbor hill horse hospital hotel house hut island jungle king kitchen knight lady "
    "lake library lighthouse lion man market meadow men monkey moon mother mountain mouse museum nurse ocean office "
    "officer owl park people person pier pig pirate plane policeman pond port princess queen rabbit river road robot "
    "rocket roof room ruin ruins sailor school sea sheep ship shop soldier space stage station street student studio "
    "subway teacher temple theatre theater tiger tower town train tree truck tunnel valley village warehouse "
    "wizard wolf woman women wood woods worker yard"
)


def default_again(id: str, look: str) -> str:
    """The phrase for later mentions of a look.

    A proper name is repeated ("Maya" for "Maya, a tall girl"), else the noun gets "the same" ("the same fox" for
    "a red fox with a scarf"). A look that starts in another way, for example in another language, gives
    "the same <id>".
    """
    tokens = _TOKEN.findall(look)
    if name := _proper_name(tokens):
        return name
    words = id.replace("-", " ")
    phrase = [word.casefold() for word in _noun_phrase(tokens)]
    starts_with_article = bool(tokens) and tokens[0].casefold() in _ARTICLES
    if starts_with_article and phrase and phrase[-len(words.split()) :] != words.split():
        return f"the same {phrase[-1]}"
    return f"the same {words}"


def _proper_name(tokens: list[str]) -> str:
    """The name that a look starts with or introduces by "named" or "called", or ""."""
    for index, token in enumerate(tokens):
        if token.casefold() in _NAMING:
            return _capitalised(tokens[index + 1 :])
        if not _is_word(token):
            break
    name = _capitalised(tokens)
    count = len(name.split())
    follower = tokens[count].casefold() if count < len(tokens) else ""
    first = tokens[0].casefold() if tokens else ""
    ends = not follower or not _is_word(follower) or follower in _BOUNDARIES or follower in _ARTICLES
    common = first in _ARTICLES or tokens[count - 1].casefold() in _COMMON_NOUNS | _ADJECTIVES if count else True
    return name if ends and not common else ""


def _capitalised(tokens: list[str]) -> str:
    """The run of capitalised words at the start, without a full stop at its end unless it is an abbreviation."""
    run: list[str] = []
    for token in tokens:
        if not _is_word(token) or not (token[0].isupper() or (token[0].isdigit() and run)):
            break
        run.append(token)
        if token.endswith(".") and token.casefold() not in _TITLES and len(token) > 2:
            run[-1] = token[:-1]
            break
    return " ".join(run)


def _noun_phrase(tokens: list[str]) -> list[str]:
    """The words up to the end of the first noun phrase, without its article; [] if it is not clear."""
    phrase: list[str] = []
    for token in tokens[1:] if tokens and tokens[0].casefold() in _ARTICLES else tokens:
        folded = token.casefold()
        if folded in _ARTICLES:
            return []  # "a fox and a hare": two nouns
        if token == "," and phrase and _is_adjective(phrase[-1]):
            continue
        if not _is_word(token) or folded in _BOUNDARIES | _NAMING:
            break
        phrase.append(token.rstrip("."))
    return phrase


def _is_word(token: str) -> bool:
    return token[0].isalnum()


def _is_adjective(word: str) -> bool:
    folded = word.casefold()
    return folded in _ADJECTIVES or folded.endswith(_ADJECTIVE_ENDINGS)
