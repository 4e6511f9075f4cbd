"""What a render says while it works: small frozen dataclasses, from the library to whoever listens.

The library emits events and never prints; the console shows them, the run directory appends them to `events.jsonl`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events; the class name is its kind in `events.jsonl`."""


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    run: str
    title: str
    model: str
    shots: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class TakesStarted(Event):
    """Takes of one shot are about to be made; none of them counts by that. `takes` says how many are wanted."""

    run: str
    title: str
    model: str
    shot: str
    takes: int


@dataclass(frozen=True, kw_only=True)
class ModelLoading(Event):
    model: str
    device: str


@dataclass(frozen=True, kw_only=True)
class ModelLoaded(Event):
    model: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ShotKept(Event):
    shot: str
    take: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ShotStarted(Event):
    """A shot begins to be made. `reason` is the Reason in words, as its record will have it; `index` counts from 0.

    `goes_on` says at which step, where earlier work on it is gone on with.
    """

    shot: str
    index: int
    shots: int
    reason: str
    steps: int
    goes_on: str = ""


@dataclass(frozen=True, kw_only=True)
class Remembered(Event):
    """What the shot took from memory: source shot -> latent frame indices, in order of relevance."""

    shot: str
    frames: tuple[tuple[str, int], ...]
    tokens: int
    visible: int


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """One denoising step; `step` counts from 1 to `steps`."""

    shot: str
    step: int
    steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class PartialKept(Event):
    """The work on a shot up to `step` of `steps` is on disk, and survives a kill."""

    shot: str
    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class TakeCommitted(Event):
    """A shot has a take on the disk; this may come among the steps of the next shot, in film order always.

    `memory_bytes` is the peak resident memory of this process so far.
    """

    shot: str
    take: str
    seconds: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    code: str
    message: str
    help: str = ""
    shot: str = ""


@dataclass(frozen=True, kw_only=True)
class FilmMuxed(Event):
    path: str
    shots: int
    film_seconds: float


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The film is there. `faulty` of the kept takes that count have faults, told when they were made, that nobody has
    accepted."""

    path: str
    rendered: int
    kept: int
    seconds: float
    faulty: int = 0


@dataclass(frozen=True, kw_only=True)
class StopAsked(Event):
    """The user or the system asked the program to stop; it will, after the step that it is at."""


@dataclass(frozen=True, kw_only=True)
class RunInterrupted(Event):
    run: str
    finished: int
    shots: int


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage of training begins, or goes on from `step`; `samples_per_second` is not known yet."""

    stage: str
    step: int
    steps: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class TrainingProgress(Event):
    """`losses` are means since the last report; `seconds_left` is for this stage."""

    stage: str
    step: int
    steps: int
    losses: dict[str, float]
    samples_per_second: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class DataPrepared(Event):
    """A part of the training data has been drawn or encoded: `done` of `total` stories."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class StageFinished(Event):
    stage: str
    steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class VideoCurated(Event):
    """A video went through all stages of `curate`. `kept` counts shots in sequences; `fault` says why it has none."""

    video: str
    shots: int
    kept: int
    fault: str
    done: int
    videos: int


@dataclass(frozen=True, kw_only=True)
class BatchStarted(Event):
    """Films are about to be made, `shots` in all, by `workers` at a time; `where` says by whom."""

    films: int
    shots: int
    workers: int
    where: str


@dataclass(frozen=True, kw_only=True)
class FilmStarted(Event):
    """A worker begins a film, or goes on with it: `attempt` counts from 1."""

    film: str
    worker: str
    shots: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class FilmTold(Event):
    """What a film of a batch says while it is made; `kind` is the name of the event."""

    film: str
    kind: str
    told: Event


@dataclass(frozen=True, kw_only=True)
class WorkerLost(Event):
    """A worker is gone; the film that it was at, if any, goes on from its directory with another one."""

    worker: str
    film: str
    why: str


@dataclass(frozen=True, kw_only=True)
class FilmEnded(Event):
    """A film of a batch is done, or not: `state` is that of its row in batch.json."""

    film: str
    state: str
    rendered: int
    kept: int
    seconds: float
    code: str = ""
    message: str = ""
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class BatchEnded(Event):
    """No film is being made any more; `states` counts the rows of batch.json by state."""

    states: dict[str, int]
    seconds: float


Emit = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An `Emit` that listens to nothing."""
