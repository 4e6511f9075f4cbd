"""`curate --as story`: a curated film as a .story.yaml with characters, settings, pictures and referential captions.

A character's look is the noun phrase by which the caption of its first shot describes it; a setting's look is the place
that the caption names. In captions both become `$id`, which the story resolves to the look at the first mention and to
"the same ..." later. Other text of a caption stays as it is.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from onestory_cli.curation.filters import CuratedShot
from onestory_cli.curation.shot_frames import shot_frames
from onestory_cli.curation.video_stages import CuratedVideo
from onestory_cli.errors import OnestoryError
from onestory_cli.export.mark import with_software
from onestory_cli.importers.draft import escape
from onestory_cli.importers.names import Names
from onestory_cli.utils.atomic import write_atomic
from onestory_cli.utils.text import printable, with_article
from onestory_cli.utils.untrusted import read_limited, read_text

MODEL = "storyworld"
MARK = b"onestory curate"  # in the pictures of characters
MAX_PICTURE_BYTES = 64 * 2**20
STEP = 0.5  # seconds: a whole number of latent frames at 8, 16 and 24 frames per second
PEOPLE = ("person", "man", "woman", "boy", "girl", "child", "lady", "guy")
_WORDS = r"(?:(?!(?:an?|the|and|or|with|in|on) )[\w'’-]+ )"
_VERBS = "stand|walk|stroll|jump|hop|wave|fly|run|sit|look|talk|sleep"  # plural: two characters do the same
_END = rf"(?=[.,;]| (?:and|in|on|at|under|by) | [a-z]+s\b| (?:{_VERBS})\b|$)"
_WEARS = rf"(?: (?:with|wearing|dressed in) (?:an? )?{_WORDS}{{0,4}}?[\w'’-]+?{_END})?"
_PLACE = re.compile(
    r"\b(in|on|at|under|inside|outside|by|near|over) "
    r"((?:an?|the) (?!(?:same|other)\b)[\w'’-]+(?: [\w'’-]+){0,5})(?=[.,;]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A character or a setting of the story. `shot` is the first one that describes it."""

    id: str
    look: str
    shot: CuratedShot


def write_film_story(video: CuratedVideo, folder: Path, *, longest: float) -> Path:
    """Write `folder/NAME.story.yaml` and the pictures of its characters; return the path of the story.

    Shots are as long as in the film, rounded to half seconds, and at most `longest` seconds.

    Raises:
        OnestoryError: U605 if a story of this name was edited, or is not from here.
    """
    path = folder / f"{video.path.stem}.story.yaml"
    _require_unchanged(path)
    shots = [shot for run in video.sequences for shot in run]
    names = Names()
    characters = _characters(shots, names)
    settings = _settings(shots, names)
    pictures = {id: f"{video.path.stem}.{item.id}.png" for id, item in characters.items()}
    for id, item in characters.items():
        _save_picture(video, item.shot, folder / pictures[id])
    tree = story_tree(video.path.stem, shots, characters, settings, pictures, longest)
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)
    write_atomic(path, (_head(video.path.name, text) + text).encode())
    return path


def _head(name: str, text: str) -> str:
    """The first line of a story. Its checksum shows later whether the text was edited."""
    return f"# Made from {printable(name)} by `onestory curate --as story`, {_checksum(text)}.\n"


def _checksum(text: str) -> str:
    return f"checksum {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _require_unchanged(path: Path) -> None:
    """Refuse to replace a story that was edited, or that this command did not write.

    Raises:
        OnestoryError: U605.
    """
    if not os.path.lexists(path):
        return
    with suppress(OSError, ValueError):
        head, _, text = read_text(path).partition("\n")
        if head.endswith(f"by `onestory curate --as story`, {_checksum(text)}."):
            return
    help = "rename it, or choose another folder with --out; this command replaces only its own stories, unedited"
    raise OnestoryError("U605", f'"{path}" already exists', help=help)


def story_tree(
    title: str,
    shots: Sequence[CuratedShot],
    characters: Mapping[str, Declared],
    settings: Mapping[str, Declared],
    pictures: Mapping[str, str],
    longest: float,
) -> dict[str, Any]:
    """Return the story as a tree of YAML values. The maps have cast ids (c1, s1) as keys."""
    tree: dict[str, Any] = {"story": 1, "title": title, "model": MODEL}
    if characters:
        tree["characters"] = {
            item.id: {"look": item.look, **({"image": pictures[id]} if id in pictures else {})}
            for id, item in characters.items()
        }
    if settings:
        tree["settings"] = {item.id: {"look": item.look} for item in settings.values()}
    tree["shots"] = [
        {
            "id": f"shot-{number}",
            "caption": caption_of(shot, characters, settings),
            "duration": f"{_seconds(shot.seconds, longest):g}s",
        }
        for number, shot in enumerate(shots, start=1)
    ]
    return tree


def caption_of(shot: CuratedShot, characters: Mapping[str, Declared], settings: Mapping[str, Declared]) -> str:
    """Return the shot's own caption with `$id` in place of the phrases for its characters and its setting.

    A corrected caption is kept as it is.
    """
    if shot.corrected or not shot.caption:
        return escape(shot.rewritten)
    text, labels = escape(shot.caption), [item.label for item in shot.cast]
    for id, label in zip(shot.ids.characters, labels, strict=False):
        if id in characters and labels.count(label) == 1:  # a phrase does not say which of two foxes it means
            text = look_pattern(label).sub(f"${characters[id].id}", text, count=1)
    if (setting := settings.get(shot.ids.setting)) and (found := _last_place(text)):
        text = f"{text[: found.start(2)]}${setting.id}{text[found.end(2) :]}"
    return text


def look_pattern(label: str) -> re.Pattern[str]:
    """Return a pattern for a noun phrase about a detector's label, such as "a red fox with a blue scarf"."""
    nouns = "|".join(map(re.escape, PEOPLE if label == "person" else (label,)))
    return re.compile(rf"\b(?:an?|the) {_WORDS}{{0,4}}?(?:{nouns})\b{_WEARS}", re.IGNORECASE)


def _characters(shots: Sequence[CuratedShot], names: Names) -> dict[str, Declared]:
    """Cast id -> character, of those that a caption describes."""
    found: dict[str, Declared] = {}
    for shot in shots:
        for id, item in zip(shot.ids.characters, shot.cast, strict=False):
            match = look_pattern(item.label).search(shot.caption)
            alone = [other.label for other in shot.cast].count(item.label) == 1
            if id not in found and match and alone:
                look = _lower(_indefinite(match.group()))
                found[id] = Declared(id=names.new(item.label, otherwise="character"), look=look, shot=shot)
    return found


def _settings(shots: Sequence[CuratedShot], names: Names) -> dict[str, Declared]:
    """Cluster of places -> setting, of those that a caption names."""
    found: dict[str, Declared] = {}
    for shot in shots:
        match = _last_place(shot.caption)
        if shot.ids.setting and shot.ids.setting not in found and match:
            look = _indefinite(match.group(2))
            name = re.sub(r"^an? ", "", look, flags=re.IGNORECASE)
            found[shot.ids.setting] = Declared(id=names.new(name, otherwise="setting"), look=look, shot=shot)
    return found


def _last_place(text: str) -> re.Match[str] | None:
    """The last place that a caption names."""
    matches = [*_PLACE.finditer(text)]
    return matches[-1] if matches else None


def _indefinite(phrase: str) -> str:
    """A phrase with "a" or "an" in place of "the"."""
    noun = re.sub(r"^the ", "", phrase, flags=re.IGNORECASE)
    return phrase if noun == phrase else with_article(noun)


def _lower(look: str) -> str:
    return look[:1].lower() + look[1:]


def _seconds(seconds: float, longest: float) -> float:
    return max(STEP, min(longest, round(seconds / STEP) * STEP))


def _save_picture(video: CuratedVideo, shot: CuratedShot, path: Path) -> None:
    """The middle frame of the first shot that shows a character. A picture that curation did not write is kept."""
    if os.path.lexists(path) and not _is_own_picture(path):
        return
    found = video.found
    assert found.facts is not None
    frames = shot_frames(video.path, found.facts, found.pts(shot.start), found.pts(shot.end), 1)
    png = io.BytesIO()
    Image.fromarray(frames[0]).save(png, "png")
    write_atomic(path, with_software(png.getvalue(), MARK))


def _is_own_picture(path: Path) -> bool:
    with suppress(OSError, ValueError):
        return MARK in read_limited(path, MAX_PICTURE_BYTES)
    return False
