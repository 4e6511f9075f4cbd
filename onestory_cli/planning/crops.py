"""Which remembered frames are reduced to their characters, so that their setting does not enter another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import cache

from onestory_cli.models.catalog import ModelSpec
from onestory_cli.models.fingerprint import fingerprint
from onestory_cli.models.networks import DEFAULTS, NONE, downloaded
from onestory_cli.planning.jobs import CharacterCrop
from onestory_cli.story.types import Shot, Story

AUTO = "auto"


class CropPlanner:
    """Decides for each shot of a story on a model."""

    def __init__(self, story: Story, spec: ModelSpec) -> None:
        self._looks = {item.id: item.look for item in story.characters}
        self._settings = {item.id for item in story.settings}
        self._reads_pictures = spec.remembers == "references"
        self._detector = cache(_detector)

    def crop(
        self, shot: Shot, mentions: Sequence[str], sources: Sequence[str], showing: Mapping[str, Set[str]]
    ) -> CharacterCrop | None:
        """The crop of a shot whose caption has these `mentions`; None if it reads whole frames.

        A frame is cut if its shot shows a character of the caption and none of its settings. Without a setting in the
        caption, nothing says that the setting changes. `showing` has the earlier shots that mention an id.
        """
        characters = [id for id in mentions if id in self._looks]
        settings = [id for id in mentions if id in self._settings]
        if not (self._reads_pictures and sources and characters and settings):
            return None
        found = self._detector(shot.memory.crop or AUTO)
        if found is None:
            return None
        shows_character, shows_setting = (
            set().union(*(showing.get(id, ()) for id in ids)) for ids in (characters, settings)
        )
        cut = tuple(source for source in sources if source in shows_character and source not in shows_setting)
        return replace(found, looks=tuple(self._looks[id] for id in characters), sources=cut)


def _detector(name: str) -> CharacterCrop | None:
    """The detector that `memory.crop` names; None for "none", and for "auto" before the default is downloaded."""
    if name == NONE:
        return None
    detector = DEFAULTS["detector"] if name == AUTO else name
    folder = downloaded(detector)
    if name == AUTO and folder is None:
        return None
    return CharacterCrop(detector=detector, weights=fingerprint(str(folder)) if folder else "", looks=(), sources=())
