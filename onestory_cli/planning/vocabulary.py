"""Which words of the captions a model has never seen: only for models with a closed vocabulary."""

from __future__ import annotations

import difflib
import re
from itertools import islice

from onestory_cli.errors import Diagnostic, shorten
from onestory_cli.models.catalog import ModelSpec
from onestory_cli.planning.jobs import ShotJob
from onestory_cli.planning.limits import place_of
from onestory_cli.story.types import Story

MOST_WORDS = 200  # a story of so many is not for this model, and a hint for each takes its time
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def unknown_words(story: Story, jobs: tuple[ShotJob, ...], spec: ModelSpec) -> tuple[Diagnostic, ...]:
    """One W310 for each word that the model does not know, at the first shot that says it; the first 200 words."""
    if spec.words is None:
        return ()
    known = {word.casefold() for word in spec.words}
    shots = {shot.id: shot for shot in story.shots}
    said: dict[str, list[str]] = {}
    for job in jobs:
        for word in dict.fromkeys(WORD.findall(job.caption.casefold())):
            said.setdefault(word, []).append(job.shot)
    found = dict(islice(((word, where) for word, where in said.items() if not _knows(known, word)), MOST_WORDS))
    return tuple(
        Diagnostic(
            code="W310",
            message=f'"{spec.name}" does not know the word "{shorten(word)}" ({_shots(where)})',
            severity="warning",
            place=place_of(story, shots[where[0]], "caption"),
            help=_near(word, known),
        )
        for word, where in found.items()
    )


def _knows(known: set[str], word: str) -> bool:
    """A word is known as it stands, without a possessive s, or when all parts around its hyphens are."""
    stem = re.sub(r"['’]s$", "", word)
    return word in known or stem in known or all(part in known for part in stem.split("-"))


def _near(word: str, known: set[str]) -> str:
    near = difflib.get_close_matches(word[:64], sorted(known), n=3, cutoff=0.6)
    return (f"near words: {', '.join(near)}; " if near else "") + "`onestory models --words` lists all"


def _shots(ids: list[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"shot{'s' if len(ids) > 1 else ''} {', '.join(ids[:3])}{more}"
