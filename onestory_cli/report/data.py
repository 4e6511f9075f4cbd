"""Read a run directory into one value: shots, captions and memories. Decodes no video and loads no model.

A *gap* is the number of shots back to a source. Sources recorded under an old shot name get the current name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

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
from onestory_cli.utils.plugins import name_of


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A visible latent frame. `place` is its rank in the selection from 1, None (and level "") if not selected.

    `score` is None if the policy needs no scores.
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
    """The frames of a visible source, in order. `gap` is None if it is not a shot of the film.

    `file` is its clip or picture, None if no longer in the run. `size` of a clip is (frames, width, height).
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
    """What a shot could see and what it selected, at most `frames` frames and `budget` x `per_frame` tokens.

    `shown` maps characters and settings of the caption to the visible sources that show them.
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
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score of the visible frames; (0, 0) without scores."""
        scores = [frame.score for frame in self.visible if frame.score is not None]
        return (min(scores), max(scores)) if scores else (0.0, 0.0)

    @property
    def taken(self) -> tuple[Frame, ...]:
        """The selected frames, by rank."""
        return tuple(sorted((frame for frame in self.visible if frame.place), key=lambda frame: frame.place or 0))

    @property
    def ranked(self) -> tuple[Frame, ...]:
        """The selected frames, then the others by descending score."""
        others = [frame for frame in self.visible if not frame.place]
        others.sort(key=lambda frame: -(float("-inf") if frame.score is None else frame.score))
        return (*self.taken, *others)


@dataclass(frozen=True, kw_only=True)
class ShotReport:
    """A shot and its accepted take. `number` counts from 1; `mentions` are spans of the resolved `caption`.

    `takes` are all valid takes of the shot by number. `accepted` is false if none is accepted; then `take` is the
    newest. `subtitle` is "" for none.
    """

    id: str
    number: int
    caption: str
    mentions: tuple[Mention, ...]
    take: Take
    memory: ShotMemory
    takes: tuple[Take, ...] = ()
    accepted: bool = True
    subtitle: str = ""

    @property
    def seconds(self) -> float:
        """Length of the clip in seconds."""
        return self.take.record.clip_size[0] / float(self.take.record.clip["fps"] or 1)


@dataclass(frozen=True, kw_only=True)
class FilmReport(PartialFilm):
    """A film as read from its run directory. `left_out` are shots without an intact take.

    `joined` is film.mp4 if it consists of the accepted takes, otherwise None.
    """

    title: str
    state: RunState
    story: Story
    shots: tuple[ShotReport, ...]
    joined: Path | None = None

    def shot(self, id: str) -> ShotReport:
        """Return a rendered shot.

        Raises:
            OnestoryError: S230 for another id.
        """
        found = {shot.id: shot for shot in self.shots}
        if id not in found:
            help = did_you_mean(id, found) or f"rendered shots: {', '.join(found) or 'none'}"
            raise OnestoryError("S230", f'no shot "{shorten(id)}" in the run', help=help, exit=ExitCode.USAGE)
        return found[id]


def read_film(
    run: Run,
    *,
    known: Mapping[Path, Take] = MappingProxyType({}),
    unaccepted: bool = False,
    story: Story | None = None,
) -> FilmReport:
    """Read the state and the takes of a run and verify checksums. Damaged takes count as missing.

    Takes that are `known` by their folder were verified before and are not read again. With `unaccepted`, a shot
    without an accepted take is shown by its newest take. `story` is that of the run, if it is known.

    Raises:
        OnestoryError: R402 for a run without a story, R404 for a damaged run.json.
    """
    state = run.state()
    if state is None:
        help = "run `onestory render STORY` first"
        raise OnestoryError("R402", f'"{run.path}" is not a run directory', help=help, exit=ExitCode.USAGE)
    story = story or story_of(run, state)
    found = accepted_takes(run.path, state, [shot.id for shot in story.shots], known=known)
    newest = _newest_takes(run, [item.shot for item in found.left_out], known) if unaccepted else {}
    takes = {**found.takes, **newest}
    lookup = _TakeIndex(run, state, takes, story, known)
    return FilmReport(
        run=run.path,
        title=story.title or run.path.name,
        state=state,
        story=story,
        shots=tuple(
            _shot(shot, takes[shot.id], lookup, accepted=shot.id in found.takes)
            for shot in story.shots
            if shot.id in takes
        ),
        left_out=tuple(item for item in found.left_out if item.shot not in newest),
        joined=_joined(run, state),
    )


def _joined(run: Run, state: RunState) -> Path | None:
    """film.mp4, if it is the one that run.json describes."""
    return run.film if state.film and run.has_film(state.film.sha256) else None


def _newest_takes(run: Run, shots: Sequence[str], known: Mapping[Path, Take]) -> dict[str, Take]:
    found = {shot: read_shot_takes(run.path / SHOTS / shot, known=known).takes for shot in shots}
    return {shot: takes[0] for shot, takes in found.items() if takes}


def _shot(shot: Shot, take: Take, lookup: _TakeIndex, *, accepted: bool) -> ShotReport:
    caption = str(take.record.spec["caption"])
    return ShotReport(
        id=shot.id,
        number=lookup.numbers[shot.id],
        caption=caption,
        mentions=mentions_in(caption, shot, lookup.story.declared, lookup.story.style),
        take=take,
        memory=_memory(shot, take, lookup),
        takes=lookup.takes_of(shot.id, take),
        accepted=accepted,
        subtitle=shot.subtitle or "",
    )


def _memory(shot: Shot, take: Take, lookup: _TakeIndex) -> ShotMemory:
    spec, memory = take.record.spec, take.record.memory
    sources = tuple(_source(lookup.numbers[shot.id], take, name, lookup) for name in memory.visible)
    return ShotMemory(
        policy=name_of(str(spec["memory_policy"])),
        frames=int(spec["memory_frames"] or 0),
        budget=float(spec["memory_budget"] or 0),
        per_frame=memory.noise_tokens // take.shape[1],
        sources=sources,
        shown=dict(_shown(shot, [source.name for source in sources], lookup)),
    )


def _shown(shot: Shot, visible: Sequence[str], lookup: _TakeIndex) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Mentions of the caption with the visible sources that show them: shots that name them, or their reference."""
    for id in dict.fromkeys(mention.id for mention in shot.mentions):
        shows = [name for name in visible if name == REFERENCE_MARK + id or id in lookup.named.get(name, ())]
        if shows:
            yield id, tuple(shows)


def _source(number: int, take: Take, recorded: str, lookup: _TakeIndex) -> MemorySource:
    memory = take.record.memory
    digest = memory.visible[recorded]
    name = lookup.name_of(recorded, digest)
    taken = {frame.index: (place, frame) for place, frame in enumerate(memory.selected, 1) if frame.source == recorded}
    count = max([lookup.frames_of(recorded, digest), *(index + 1 for index in taken)])
    scores: Sequence[float | None] = memory.scores.get(recorded) or [None] * count
    frames = [Frame(source=name, index=index, score=score) for index, score in enumerate(scores)]
    for index, (place, frame) in taken.items():
        frames[index] = Frame(
            source=name, index=index, score=frame.score, place=place, level=frame.level, tokens=frame.tokens
        )
    return MemorySource(
        name=name,
        digest=digest,
        gap=number - lookup.numbers[name] if name in lookup.numbers else None,
        frames=tuple(frames),
        file=lookup.file_of(recorded, digest),
        size=lookup.size_of(recorded, digest),
    )


class _TakeIndex:
    """Finds the take or picture of a digest: accepted takes, other takes, reference pictures."""

    def __init__(
        self, run: Run, state: RunState, takes: Mapping[str, Take], story: Story, known: Mapping[Path, Take]
    ) -> None:
        self._run, self._state, self._takes, self.story = run, state, takes, story
        self.numbers = {shot.id: number for number, shot in enumerate(story.shots, start=1)}
        self.named = {shot.id: {mention.id for mention in shot.mentions} for shot in story.shots}
        self._names = {take.digest: shot for shot, take in takes.items()}
        self._known = {**known, **{take.folder: take for take in takes.values()}}
        self._read: dict[str, tuple[Take, ...]] = {}
        self._frames: dict[str, int] = {}  # latent frames by digest; each needs the header of a file

    def takes_of(self, shot: str, accepted: Take) -> tuple[Take, ...]:
        """All valid takes of a shot by number, the newest of a number first; `accepted` may be of a former id."""
        others = [take for take in self._all_takes(shot) if take.path != accepted.path]
        return tuple(sorted((accepted, *others), key=lambda take: (take.record.take, -take.record.created)))

    def _all_takes(self, shot: str) -> tuple[Take, ...]:
        if shot not in self._read:
            self._read[shot] = read_shot_takes(self._run.path / SHOTS / shot, known=self._known).takes
        return self._read[shot]

    def has(self, name: str, digest: str) -> bool:
        """Whether the accepted take of `name` has this digest."""
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
        if digest not in self._frames:
            take = self._take(recorded, digest)
            self._frames[digest] = take.shape[1] if take else 0
        return self._frames[digest]

    def _take(self, recorded: str, digest: str) -> Take | None:
        name = self.name_of(recorded, digest)
        if self.has(name, digest):
            return self._takes[name]
        return next((take for take in self._all_takes(recorded) if take.digest == digest), None)
