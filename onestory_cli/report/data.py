"""What a run directory knows about its film, joined into one value: shots, captions, and who remembered what.

Nothing is decoded and no model is loaded here. A *gap* is how many shots back a source is; a take that remembered a
shot under an older name is shown with the name that the shot has now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.planning.jobs import REFERENCE_MARK
from onestory_cli.store.inputs import story_of
from onestory_cli.store.layout import SHOTS
from onestory_cli.store.run import Run
from onestory_cli.store.state import RunState
from onestory_cli.store.take_query import PartialFilm, accepted_takes
from onestory_cli.store.takes import Take, read_shot_takes
from onestory_cli.story.captions import mentions_in
from onestory_cli.story.types import Mention, Shot, Story


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A visible latent frame. `place` counts the selection from 1 and is None, with level "", for one not taken.

    `score` is None where the policy asked for none and the source came after the take was made.
    """

    source: str
    index: int
    score: float | None
    place: int | None = None
    level: str = ""
    tokens: int = 0

    def __str__(self) -> str:
        return f"{self.source}[{self.index}]"


@dataclass(frozen=True, kw_only=True)
class MemorySource:
    """All frames of one visible source, in their order. `gap` is None for what is no shot of the film.

    `file` is what shows it: the take's clip or the picture; None when neither is in the run any more. `size` is that of
    a clip: frames, width and height.
    """

    name: str
    digest: str
    gap: int | None
    frames: tuple[Frame, ...]
    file: Path | None
    size: tuple[int, int, int] | None = None

    @property
    def taken(self) -> tuple[Frame, ...]:
        return tuple(frame for frame in self.frames if frame.place)

    @property
    def tokens(self) -> int:
        return sum(frame.tokens for frame in self.frames)


@dataclass(frozen=True, kw_only=True)
class ShotMemory:
    """What a shot could see and what it took. `frames` and `budget` are the most it might take; tokens are counted.

    `per_frame` is the number of tokens of one latent frame, the unit of the budget. `shown` has the characters and
    settings that the caption names and some visible source shows, with those sources.
    """

    policy: str
    frames: int
    budget: float
    per_frame: int
    sources: tuple[MemorySource, ...]
    shown: Mapping[str, tuple[str, ...]]

    @property
    def budget_tokens(self) -> int:
        return int(self.budget * self.per_frame)

    @property
    def tokens(self) -> int:
        return sum(source.tokens for source in self.sources)

    @property
    def by_name(self) -> dict[str, MemorySource]:
        return {source.name: source for source in self.sources}

    @property
    def visible(self) -> tuple[Frame, ...]:
        """Every visible frame, in film order."""
        return tuple(frame for source in self.sources for frame in source.frames)

    @property
    def taken(self) -> tuple[Frame, ...]:
        """The selection, in its order."""
        return tuple(sorted((frame for frame in self.visible if frame.place), key=lambda frame: frame.place or 0))

    @property
    def ranked(self) -> tuple[Frame, ...]:
        """The selection, then the other frames from the most relevant to the least."""
        others = [frame for frame in self.visible if not frame.place]
        others.sort(key=lambda frame: -(float("-inf") if frame.score is None else frame.score))
        return (*self.taken, *others)


@dataclass(frozen=True, kw_only=True)
class ShotReport:
    """One shot and the take that counts. `number` counts from 1; mentions are spans of `caption`, the resolved one."""

    id: str
    number: int
    caption: str
    mentions: tuple[Mention, ...]
    take: Take
    memory: ShotMemory

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return self.take.record.clip_size[0] / float(self.take.record.clip["fps"] or 1)


@dataclass(frozen=True, kw_only=True)
class FilmReport(PartialFilm):
    """A film as its run directory tells it. `left_out` are shots of the story without a whole take."""

    title: str
    state: RunState
    story: Story
    shots: tuple[ShotReport, ...]

    def shot(self, id: str) -> ShotReport:
        """A shot that was rendered.

        Raises:
            OnestoryError: S230 for any other.
        """
        found = {shot.id: shot for shot in self.shots}
        if id not in found:
            help = did_you_mean(id, found) or f"rendered are: {', '.join(found) or 'none yet'}"
            raise OnestoryError("S230", f'no shot "{shorten(id)}" in the run', help=help, exit=ExitCode.USAGE)
        return found[id]


def read_film(run: Run) -> FilmReport:
    """Read the run's state and every accepted take, checked byte by byte. A damaged take is as good as absent.

    Raises:
        OnestoryError: R402 for a run that was given no story yet, R404 for one whose run.json is damaged.
    """
    state = run.state()
    if state is None:
        help = "give `onestory render` a story first"
        raise OnestoryError("R402", f'"{run.path}" is no run directory', help=help, exit=ExitCode.USAGE)
    story = story_of(run, state)
    found = accepted_takes(run.path, state, [shot.id for shot in story.shots])
    shelf = _TakeIndex(run, state, found.takes, story)
    return FilmReport(
        run=run.path,
        title=story.title or run.path.name,
        state=state,
        story=story,
        shots=tuple(_shot(shot, found.takes[shot.id], shelf) for shot in story.shots if shot.id in found.takes),
        left_out=found.left_out,
    )


def _shot(shot: Shot, take: Take, shelf: _TakeIndex) -> ShotReport:
    caption = str(take.record.spec["caption"])
    return ShotReport(
        id=shot.id,
        number=shelf.numbers[shot.id],
        caption=caption,
        mentions=mentions_in(caption, shot, shelf.story.declared, shelf.story.style),
        take=take,
        memory=_memory(shot, take, shelf),
    )


def _memory(shot: Shot, take: Take, shelf: _TakeIndex) -> ShotMemory:
    spec, memory = take.record.spec, take.record.memory
    sources = tuple(_source(shelf.numbers[shot.id], take, name, shelf) for name in memory.visible)
    return ShotMemory(
        policy=str(spec["memory_policy"]),
        frames=int(spec["memory_frames"] or 0),
        budget=float(spec["memory_budget"] or 0),
        per_frame=memory.noise_tokens // take.shape[1],
        sources=sources,
        shown=dict(_shown(shot, [source.name for source in sources], shelf)),
    )


def _shown(shot: Shot, visible: Sequence[str], shelf: _TakeIndex) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the caption names, where a source shows it: a shot that names it too, or its own reference."""
    for id in dict.fromkeys(mention.id for mention in shot.mentions):
        shows = [name for name in visible if name == REFERENCE_MARK + id or id in shelf.named.get(name, ())]
        if shows:
            yield id, tuple(shows)


def _source(number: int, take: Take, recorded: str, shelf: _TakeIndex) -> MemorySource:
    memory = take.record.memory
    digest = memory.visible[recorded]
    name = shelf.name_of(recorded, digest)
    taken = {frame.index: (place, frame) for place, frame in enumerate(memory.selected, 1) if frame.source == recorded}
    count = max([shelf.frames_of(recorded, digest), *(index + 1 for index in taken)])
    scores: Sequence[float | None] = memory.scores.get(recorded) or [None] * count
    frames = [Frame(source=name, index=index, score=score) for index, score in enumerate(scores)]
    for index, (place, frame) in taken.items():
        frames[index] = Frame(
            source=name, index=index, score=frame.score, place=place, level=frame.level, tokens=frame.tokens
        )
    return MemorySource(
        name=name,
        digest=digest,
        gap=number - shelf.numbers[name] if name in shelf.numbers else None,
        frames=tuple(frames),
        file=shelf.file_of(recorded, digest),
        size=shelf.size_of(recorded, digest),
    )


class _TakeIndex:
    """Finds what a digest stands for: an accepted take, another take that is still there, or a picture."""

    def __init__(self, run: Run, state: RunState, takes: Mapping[str, Take], story: Story) -> None:
        self._run, self._state, self._takes, self.story = run, state, takes, story
        self.numbers = {shot.id: number for number, shot in enumerate(story.shots, start=1)}
        self.named = {shot.id: {mention.id for mention in shot.mentions} for shot in story.shots}
        self._names = {take.digest: shot for shot, take in takes.items()}

    def has(self, name: str, digest: str) -> bool:
        """Whether the accepted take of `name` is the one of this digest."""
        return name in self._takes and self._takes[name].digest == digest

    def name_of(self, recorded: str, digest: str) -> str:
        return recorded if self.has(recorded, digest) else self._names.get(digest, recorded)

    def file_of(self, recorded: str, digest: str) -> Path | None:
        if recorded.startswith(REFERENCE_MARK):
            pictures = (self._run.input_file(path, sha) for path, sha in self._state.inputs.items() if sha == digest)
            return next((path for path in pictures if path.exists()), None)
        take = self._take(recorded, digest)
        return take.clip if take else None

    def size_of(self, recorded: str, digest: str) -> tuple[int, int, int] | None:
        take = None if recorded.startswith(REFERENCE_MARK) else self._take(recorded, digest)
        return take.record.clip_size if take else None

    def frames_of(self, recorded: str, digest: str) -> int:
        if recorded.startswith(REFERENCE_MARK):
            return 1
        take = self._take(recorded, digest)
        return take.shape[1] if take else 0

    def _take(self, recorded: str, digest: str) -> Take | None:
        name = self.name_of(recorded, digest)
        if self.has(name, digest):
            return self._takes[name]
        others = read_shot_takes(self._run.path / SHOTS / recorded).takes
        return next((take for take in others if take.digest == digest), None)
