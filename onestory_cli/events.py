"""Events: what the library reports while it works.

The library emits events and never prints. The console shows them, and the run directory appends them to `events.jsonl`
with their class and field names: renaming one changes the file format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    run: str
    title: str
    model: str
    shots: int
    kept: int


@dataclass(frozen=True, kw_only=True)
class TakesStarted(Event):
    """Additional takes of one shot will be rendered, `takes` of them. None of them is accepted by that."""

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
    """A shot is being generated. `reason` is the text of its Reason, `index` counts from 0.

    `goes_on` describes the step at which earlier work is resumed; empty if there is none.
    """

    shot: str
    index: int
    shots: int
    reason: str
    steps: int
    goes_on: str = ""


@dataclass(frozen=True, kw_only=True)
class Remembered(Event):
    """The frames that a shot selected: (source, latent frame index) pairs, in order of relevance."""

    shot: str
    frames: tuple[tuple[str, int], ...]
    tokens: int
    visible: int


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """A denoising step is done; `step` counts from 1 to `steps`."""

    shot: str
    step: int
    steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class NodeStep(Event):
    """A node of a workflow has started, or has done `step` of its `steps`; both are 0 if it has no steps."""

    shot: str
    node: str
    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class PartialKept(Event):
    """The work on a shot up to `step` of `steps` is saved."""

    shot: str
    step: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class TakeCommitted(Event):
    """A new take is on disk. Takes are committed in film order, possibly between two steps of the next shot.

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
    """The film is complete. `faulty` of the kept takes failed a quality check and were not accepted by the user."""

    path: str
    rendered: int
    kept: int
    seconds: float
    faulty: int = 0


@dataclass(frozen=True, kw_only=True)
class StopAsked(Event):
    """The user or the system asked the program to stop. It stops after the current step."""


@dataclass(frozen=True, kw_only=True)
class RunInterrupted(Event):
    run: str
    finished: int
    shots: int


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage of training starts, or resumes at `step`."""

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
    """Training data was rendered or encoded: `done` of `total` stories."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class StageFinished(Event):
    stage: str
    steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CurationStarted(Event):
    """Videos are about to be curated by `workers`. `seconds`: estimated length of all; bytes of the set, and free."""

    videos: int
    seconds: float
    disk_bytes: int
    free_bytes: int
    workers: int


@dataclass(frozen=True, kw_only=True)
class VideoCurated(Event):
    """A video went through all stages of `curate`. `kept` counts shots in sequences; `fault` says why it has none.

    `seconds_left` is 0 until something was computed.
    """

    video: str
    shots: int
    kept: int
    fault: str
    done: int
    videos: int
    seconds_left: float = 0.0


@dataclass(frozen=True, kw_only=True)
class BatchStarted(Event):
    """A batch starts: `films` with `shots` in total, `workers` at a time. `where` names the kind of workers."""

    films: int
    shots: int
    workers: int
    where: str


@dataclass(frozen=True, kw_only=True)
class FilmStarted(Event):
    """A worker starts or resumes a film; `attempt` counts from 1."""

    film: str
    worker: str
    shots: int
    attempt: int


@dataclass(frozen=True, kw_only=True)
class FilmTold(Event):
    """An event of one film of a batch; `kind` is the class name of the event in `told`."""

    film: str
    kind: str
    told: Event


@dataclass(frozen=True, kw_only=True)
class WorkerLost(Event):
    """A worker died. Another worker resumes its film, if it had one."""

    worker: str
    film: str
    why: str


@dataclass(frozen=True, kw_only=True)
class FilmEnded(Event):
    """A film of a batch has ended: `state` is that of its row in batch.json."""

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
    """The batch has ended; `states` counts the rows of batch.json by state."""

    states: dict[str, int]
    seconds: float


Emit = Callable[[Event], None]
Preview = Callable[[str, int, int, Any], None]  # shot, step, steps, and a picture (H, W, 3) of 0..255


def ignore(event: Event) -> None:
    """An `Emit` that does nothing."""
