"""Check captions against the vocabulary of a model: unknown words, and known words in unknown combinations."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from operator import itemgetter

from onestory_cli.errors import Diagnostic, Place, shorten
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.planning.validation import place_of
from onestory_cli.story.captions import REFERENCE
from onestory_cli.story.include import source_of
from onestory_cli.story.source import KeyPath, StorySource
from onestory_cli.story.types import Story

MAX_LISTED_WORDS = 8  # in a message
MAX_UNDERLINED_WORDS = 100  # finding their places takes time
MAX_COMBINATIONS = 20  # findings of a story
MAX_COMPARED_WORDS = 50  # finding similar words takes time
MIN_COMPARED_LETTERS = 4  # "man" is not a misspelt "an"
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def unknown_words(story: Story, jobs: tuple[ShotJob, ...], spec: ModelSpec) -> tuple[Diagnostic, ...]:
    """W310 if captions have words outside the model's closed vocabulary: one finding for the whole story."""
    if spec.words is None:
        return ()
    known = {word.casefold() for word in spec.words}
    users: dict[str, ShotJob] = {}
    for job in jobs:
        for word in WORD.findall(REFERENCE.sub(" ", job.caption.casefold())):
            users.setdefault(word, job)
    unknown = [word for word in users if not _knows(known, word)]
    if not unknown:
        return ()
    listed = ", ".join(shorten(word, 24) for word in unknown[:MAX_LISTED_WORDS])
    more = f" and {len(unknown) - MAX_LISTED_WORDS} more" if len(unknown) > MAX_LISTED_WORDS else ""
    source = source_of(story)
    places = [_place_of_word(story, source, users[word], word) for word in unknown[:MAX_UNDERLINED_WORDS]]
    first, *further = sorted(dict.fromkeys(places), key=lambda place: (place.path, place.line, place.column))
    finding = Diagnostic(
        code="W310",
        message=f'"{spec.name}" does not know {len(unknown)} of {len(users)} words: {listed}{more}',
        severity="warning",
        place=first,
        help=f"the picture will not show them; {_similar(unknown, known)}`onestory models --words` lists known words",
        further=tuple(further),
    )
    return (finding,)


def _place_of_word(story: Story, source: StorySource, job: ShotJob, word: str) -> Place:
    """The place of a word in the caption of a job, or in the look or style that brought it there."""
    ids = [mention.id for mention in story.shots[job.index].mentions]
    looks: list[KeyPath] = [
        (kind, id, key) for id in ids for kind in ("characters", "settings") for key in ("look", "again")
    ]
    pattern = re.compile(rf"(?<![\w$]){re.escape(word)}(?!\w)", re.IGNORECASE)
    for path in (("shots", job.index, "caption"), *looks, ("style",)):
        if place := source.find(path, pattern):
            return place
    return place_of(story, story.shots[job.index], "caption")


def unknown_combinations(story: Story, jobs: tuple[ShotJob, ...], spec: ModelSpec) -> tuple[Diagnostic, ...]:
    """One W313 for each run of words that captions use outside the phrases of the model, where it is used first."""
    phrases = [tuple(WORD.findall(phrase.casefold())) for phrase in spec.phrases]
    bound = {word for phrase in phrases for word in phrase if (word,) not in phrases}
    by_first: dict[str, list[tuple[str, ...]]] = {}
    for phrase in phrases:
        by_first.setdefault(phrase[0], []).append(phrase)
    users: dict[str, ShotJob] = {}
    for job in jobs if bound else ():
        for run in _outside(WORD.findall(job.caption.casefold()), bound, by_first):
            users.setdefault(run, job)
    if not users:
        return ()
    source = source_of(story)
    return tuple(
        Diagnostic(
            code="W313",
            message=f'"{spec.name}" does not know "{run}" in this combination',
            severity="warning",
            place=_place_of_word(story, source, job, run),
            help=f"it knows: {', '.join(' '.join(phrase) for phrase in phrases if {*run.split()} & {*phrase})}",
        )
        for run, job in islice(users.items(), MAX_COMBINATIONS)
    )


def _outside(words: list[str], bound: set[str], by_first: Mapping[str, list[tuple[str, ...]]]) -> Iterator[str]:
    """The runs of `bound` words, which belong to phrases, that are not within one of them here."""
    inside: set[int] = set()
    for start, word in enumerate(words):
        phrases = by_first.get(word, ())
        lengths = [len(phrase) for phrase in phrases if tuple(words[start : start + len(phrase)]) == phrase]
        inside.update(range(start, start + max(lengths, default=0)))
    free = [word in bound and place not in inside for place, word in enumerate(words)]
    runs = groupby(zip(words, free, strict=True), key=itemgetter(1))
    return (" ".join(word for word, _ in run) for outside, run in runs if outside)


def _knows(known: set[str], word: str) -> bool:
    """A word is known as written, without a possessive s, or if all parts around its hyphens are known."""
    stem = re.sub(r"['’]s$", "", word)
    return word in known or stem in known or all(part in known for part in stem.split("-"))


def _similar(unknown: list[str], known: set[str]) -> str:
    """Suggestions for words that are almost known: `"fix" may mean "fox"; `."""
    hints = []
    for word in (item for item in unknown[:MAX_COMPARED_WORDS] if len(item) >= MIN_COMPARED_LETTERS):
        near = difflib.get_close_matches(word[:64], known, n=1, cutoff=0.8)
        hints += [f'"{shorten(word, 24)}" may mean "{near[0]}"; '] if near else []
    return "".join(hints[:3])
