"""A folder with a story, its film, a batch and footage, and the command lines that are attacked in it.

Command lines run in this process as `main` runs them, with a model of arithmetic instead of a network. A harness forks
first, so an attack costs no start of Python.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from onestory_cli import cli
from onestory_cli.batch import local_workers, plan_films, render_story
from onestory_cli.batch.dispatch import Ended, Message, Ready
from onestory_cli.batch.films import BatchFilm
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode
from onestory_cli.media.video import write_clip
from onestory_cli.rendering import loading
from onestory_cli.store.run import Run
from tests.films import SPEC, NumpyGenerator, latents_of

STORY = """\
story: 1
title: The Lost Kite
model: model
characters:
  fox: {look: a red fox with a blue scarf}
settings:
  beach: {look: a beach at sunset}
shots:
  - id: opening
    caption: $fox walks right on $beach.
    subtitle: Where is it?
  - id: city
    caption: A city at night.
  - id: return
    caption: $fox waves on $beach.
"""
CAPTIONS = "1\n00:00:00,000 --> 00:00:02,000\nA red fox.\n\n2\n00:00:02,000 --> 00:00:04,000\nThe same fox.\n"
FPS = 8


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """A command line that is attacked, and the one that finishes its work afterwards: the same one if `finish` is "".

    `{}` is the workspace. `result` must be the same as without the attack. `removes`: it removes takes that are not
    accepted.
    """

    name: str
    words: str
    result: Callable[[Path], Any]
    finish: str = ""
    needs: tuple[str, ...] = ("film.run",)
    removes: bool = False

    def run(self, folder: Path) -> tuple[ExitCode, str]:
        """Run it in a workspace: the exit code, and the messages."""
        return run_words(self.words, folder)

    def run_finish(self, folder: Path) -> tuple[ExitCode, str]:
        """Finish the work."""
        return run_words(self.finish or self.words, folder)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A temporary folder in memory, where the system has one: a kill is the same there, and faster."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def run_words(words: str, folder: Path) -> tuple[ExitCode, str]:
    """Run a command line as `main` does: the exit code, and the messages."""
    out, err = io.StringIO(), io.StringIO()
    arguments = [word.replace("{}", str(folder)) for word in words.split()]
    exit = cli.run(arguments, Console(stdout=out, stderr=err, color=False))
    return exit, err.getvalue()


def film_of(name: str) -> Callable[[Path], Any]:
    """The latents of the accepted takes of a run directory."""
    return lambda folder: latents_of(folder / name)


def bytes_of(*names: str) -> Callable[[Path], Any]:
    """The bytes of files, or of all files in a folder; the workspace's own path is left out."""

    def read(folder: Path) -> dict[str, bytes]:
        files = [path for name in names for path in _files(folder / name)]
        return {
            str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"")
            for path in sorted(files)
        }

    return read


def _files(path: Path) -> Iterator[Path]:
    yield from (item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]


def films_of_batch(folder: Path) -> Any:
    """The states and latents of the films of the batch."""
    rows = json.loads((folder / "out" / "batch.json").read_bytes())["films"]
    return [(row["state"], latents_of(path)) for row, path in zip(rows, _runs(folder / "out"), strict=True)]


def _runs(out: Path) -> list[Path]:
    return sorted(path for path in out.iterdir() if (path / "run.json").exists())


RENDER = "render {}/film.story.yaml --checkpoint-seconds 0"
COMMANDS = (
    CommandLine(name="render", words=RENDER, result=film_of("film.run"), needs=()),
    CommandLine(
        name="edit",
        words="render {}/edited.story.yaml --run {}/film.run --checkpoint-seconds 0",
        finish="render {}/edited.story.yaml --run {}/film.run",
        result=film_of("film.run"),
    ),
    CommandLine(
        name="resume",
        words="resume {}/half.run --checkpoint-seconds 0",
        finish="resume {}/half.run",
        result=film_of("half.run"),
        needs=("half.run",),
    ),
    CommandLine(name="take new", words="take new {}/film.run city", finish=RENDER, result=film_of("film.run")),
    CommandLine(name="take accept", words="take accept {}/film.run city 1", finish=RENDER, result=film_of("film.run")),
    CommandLine(
        name="prune", words="prune {}/film.run --keep 0", finish=RENDER, result=film_of("film.run"), removes=True
    ),
    CommandLine(
        name="export text",
        words="export {}/film.run --to srt --out {}/film.srt --force",
        result=bytes_of("film.srt"),
    ),
    CommandLine(
        name="export frames",
        words="export {}/film.run --to frames --out {}/frames",
        finish="export {}/film.run --to frames --out {}/frames --force",
        result=bytes_of("frames"),
    ),
    CommandLine(
        name="export film",
        words="export {}/film.run --to mp4 --out {}/subtitled.mp4",
        finish="export {}/film.run --to mp4 --out {}/subtitled.mp4 --force",
        result=bytes_of("subtitled.mp4"),
    ),
    CommandLine(
        name="report",
        words="report {}/film.run",
        result=film_of("film.run"),
    ),
    CommandLine(
        name="batch",
        words="batch {}/film.story.yaml {}/edited.story.yaml --out {}/out --checkpoint-seconds 0",
        finish="batch {}/film.story.yaml {}/edited.story.yaml --out {}/out",
        result=films_of_batch,
        needs=(),
    ),
    CommandLine(
        name="curate",
        words="curate {}/footage --out {}/set --captioner file:{}/captions.srt --encoders none --cast none",
        result=bytes_of("set/shots.jsonl"),
        needs=(),
    ),
)


def install_arithmetic() -> None:
    """Replace networks by arithmetic, and the workers of a batch by one in this process.

    This lasts until the process ends: call it in a separate process, never in that of pytest.
    """
    loading.model_loader = lambda spec, device, emit, shared=False: lambda: NumpyGenerator(spec)  # type: ignore[assignment]
    render_story.load_generator = lambda spec, device, emit: NumpyGenerator(spec)  # type: ignore[assignment]
    render_story.require_weights = plan_films.require_ready = lambda spec: None  # type: ignore[assignment]
    local_workers.LocalPool = InlinePool  # type: ignore[assignment, misc]


class InlinePool:
    """A pool of one worker that renders in this process."""

    def __init__(self, work: render_story.WorkerConfig) -> None:
        self._models, self._film, self._ready = render_story.ModelCache(work), None, False
        self._film: BatchFilm | None

    def __enter__(self) -> InlinePool:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """Nothing to stop."""

    def poll(self, seconds: float) -> Iterable[Message]:
        if not self._ready:
            self._ready = True
            yield Ready(worker="1")
        elif film := self._film:
            self._film = None
            outcome = render_story.render_story(film.run, self._models, checkpoint_seconds=0)
            yield Ended(worker="1", outcome=outcome)

    def submit(self, worker: str, film: BatchFilm) -> None:
        self._film = film

    def stop(self) -> None:
        """The film that renders is finished first."""


def make_workspace(folder: Path) -> None:
    """Write the story, another version of it, its film with more takes, a half-rendered film, and footage."""
    folder.mkdir()
    card = {key: value for key, value in asdict(SPEC).items() if key not in ("name", "files", "execution", "levels")}
    (folder / "model").mkdir()
    (folder / "model" / "onestory.json").write_text(json.dumps(card))
    (folder / "film.story.yaml").write_text(STORY)
    (folder / "edited.story.yaml").write_text(STORY.replace("waves", "sits"))
    (folder / "captions.srt").write_text(CAPTIONS)
    (folder / "footage").mkdir()
    write_clip(folder / "footage" / "a.mp4", np.concatenate([_brightening(seed) for seed in range(2)]), fps=FPS)
    require_done("render {}/film.story.yaml --shot city --takes 3", folder)
    require_done("render {}/film.story.yaml --run {}/half.run --until city", folder)
    require_done("export {}/film.run --to srt --out {}/film.srt", folder)


def _brightening(seed: int) -> np.ndarray:
    """Two seconds of coloured squares that grow brighter, (P, H, W, 3): a shot that no filter of a curation rejects."""
    squares = np.random.default_rng(seed).integers(0, 128, (8, 8, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    return np.stack([squares + np.uint8(3 * frame) for frame in range(2 * FPS)])


def require_done(words: str, folder: Path) -> None:
    """Run a command line that must succeed."""
    exit, messages = run_words(words, folder)
    assert exit is ExitCode.DONE, messages


def copy_workspace(base: Path, folder: Path, command: CommandLine) -> Path:
    """A copy with the run directories that a command needs."""
    shutil.rmtree(folder, ignore_errors=True)
    runs = {"film.run", "half.run"} - set(command.needs)
    shutil.copytree(base, folder, ignore=lambda path, names: runs & set(names))
    return folder


def digests_of(folder: Path, *, accepted: bool) -> set[str]:
    """The digests of all takes in the run directories of a workspace, or of the accepted ones."""
    found = set[str]()
    for run in map(Run, folder.glob("*.run")):
        kept = {entry.folder for entry in run.accepted().values()}
        takes = [take for shot_takes in run.takes_by_shot().values() for take in shot_takes.takes]
        found |= {take.digest for take in takes if not accepted or take.path in kept}
    return found
