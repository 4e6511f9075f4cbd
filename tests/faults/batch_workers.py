"""A batch with real worker processes and a slow arithmetic model, in a child of this process.

Workers are forked instead of spawned, so that a kill costs no start of Python; pipes, locks and signals are the real
ones.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from onestory_cli.batch import local_workers, render_story
from onestory_cli.errors import ExitCode
from onestory_cli.events import Event, StepDone
from onestory_cli.models.spec import ModelSpec
from onestory_cli.rendering.generator import ShotRequest
from tests.faults.workspace import install_arithmetic, run_words
from tests.films import NumberShot, NumpyGenerator

STEP_SECONDS = 0.03
WORKERS = 2
_LocalPool, _serve = local_workers.LocalPool, local_workers.serve


class SlowGenerator(NumpyGenerator):
    """Takes a moment for each step, so that kills find work in progress."""

    def generate(self, request: ShotRequest) -> NumberShot:
        emit = request.emit

        def slow(event: Event) -> None:
            if isinstance(event, StepDone):
                time.sleep(STEP_SECONDS)
            emit(event)

        object.__setattr__(request, "emit", slow)
        return super().generate(request)


class ForkedPool(_LocalPool):  # type: ignore[valid-type, misc]
    """The pool of a batch on this machine, with forked workers."""

    def __init__(self, work: render_story.WorkerConfig) -> None:
        super().__init__(work)
        self._context: Any = multiprocessing.get_context("fork")


def serve_alone(pipe: Connection, work: render_story.WorkerConfig) -> None:
    """Main function of a worker. It closes the pipes of others: they would stay open after the parent's death."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != pipe.fileno():
            try:
                os.close(int(name))
            except OSError:
                continue  # that of the listing
    _serve(pipe, work)


def _load(spec: ModelSpec, device: str, emit: object) -> SlowGenerator:
    return SlowGenerator(spec)


def install_slow_arithmetic() -> None:
    """Replace networks by slow arithmetic, and spawned workers by forked ones."""
    install_arithmetic()
    render_story.load_generator = _load  # type: ignore[assignment]
    render_story.split_threads, render_story.own_device = lambda part: None, lambda part: "cpu"  # these import torch
    local_workers.LocalPool, local_workers.serve = ForkedPool, serve_alone  # type: ignore[misc]


def start_batch(folder: Path) -> int:
    """The id of a child that runs the batch of FOLDER/*.story.yaml into FOLDER/out and writes FOLDER/log."""
    child = os.fork()
    if child:
        return child
    status = int(ExitCode.BUG)
    try:
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        stories = " ".join(sorted(map(str, folder.glob("*.story.yaml"))))
        where = f"--out {folder}/out --checkpoint-seconds 0 --device cpu --workers {WORKERS}"
        exit, messages = run_words(f"batch {stories} {where}", folder)
        sys.stderr.write(messages)
        sys.stderr.flush()
        status = int(exit)
    finally:
        os._exit(status)
