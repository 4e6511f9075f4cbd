"""Does a rewritten caption refer to earlier shots, and to nothing else? Text alone; no model.

A rewrite that fails is replaced by the shot's own caption, and the reason is kept for the report.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_CHARACTERS = 4000  # of a caption in a manifest
MAX_INVENTED = 0.34  # share of content words that neither the shot's own caption nor an earlier one has
MAX_GROWTH = 2.0  # times the length of the shot's own caption
MIN_TRAITS = 4  # content words: fewer are no list of traits
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_REFERENCE = re.compile(
    r"\b(the same|again|back (?:at|in|on|to)|still|now|no longer|he|she|they|him|her|them|his|their|its|it|both)\b",
    re.IGNORECASE,
)
_REFERRED = re.compile(r"\bthe same (?:[\w'\u2019-]+ )?[\w'\u2019-]+", re.IGNORECASE)
_COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "same",
        "and",
        "or",
        "but",
        "of",
        "in",
        "on",
        "at",
        "to",
        "into",
        "onto",
        "from",
        "with",
        "without",
        "by",
        "for",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "has",
        "have",
        "had",
        "it",
        "its",
        "he",
        "she",
        "they",
        "him",
        "her",
        "them",
        "his",
        "hers",
        "their",
        "theirs",
        "who",
        "which",
        "while",
        "now",
        "again",
        "still",
        "back",
        "no",
        "longer",
        "there",
        "here",
        "up",
        "down",
        "over",
        "under",
        "out",
        "off",
        "near",
        "next",
        "behind",
        "front",
        "one",
        "two",
        "both",
        "other",
        "another",
        "more",
        "very",
        "shot",
        "close",
        "close-up",
        "wide",
        "medium",
        "camera",
        "view",
        "scene",
    ]
)


def rewrite_fault(rewritten: str, own: str, earlier: Sequence[str], own_before: str = "") -> str:
    """Return why a rewrite is rejected, or "" for one that is good.

    `earlier` ends with the caption before. `own_before` is what that caption was before it was rewritten: two shots
    that show the same may have the same caption.
    """
    if not rewritten.strip():
        return "empty answer"
    if len(rewritten) > min(MAX_CHARACTERS, MAX_GROWTH * max(len(own), 80)):
        return "much longer than the caption"
    if rewritten == own:
        return ""
    words = content_words(rewritten)
    if words == content_words(earlier[-1]) and content_words(own) != content_words(own_before):
        return "copies the caption before"
    if not _REFERENCE.search(rewritten) and not _definite(rewritten, earlier):
        return "refers to no earlier shot"
    known = content_words(" ".join([own, *earlier]))
    if words and len(words - known) / len(words) > MAX_INVENTED:
        return "describes what no caption has"
    traits = content_words(own) & content_words(" ".join(earlier))
    repeated = traits & content_words(_REFERRED.sub("", rewritten))
    if len(repeated) >= MIN_TRAITS and traits <= words and len(rewritten) >= len(own):
        return "repeats traits that did not change"
    return ""


def _definite(text: str, earlier: Sequence[str]) -> bool:
    """Whether a text has "the X" for a word of an earlier caption."""
    known = content_words(" ".join(earlier))
    return any(match.casefold() in known for match in re.findall(r"\bthe ([^\W\d_]+)", text, re.IGNORECASE))


def content_words(text: str) -> set[str]:
    """Return the words of a text that carry meaning, in lower case and without a plural s."""
    words = (match.group().casefold() for match in _WORD.finditer(text))
    return {word.removesuffix("s") if len(word) > 3 else word for word in words if word not in _COMMON}
