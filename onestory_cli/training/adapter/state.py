"""The state of a training between two steps: weights, optimiser and average.

A checkpoint is a folder of safetensors. Every process writes and reads only its own shards, so no machine needs memory
for the whole state. Any number of processes can resume from it.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as sharded
from torch import Tensor, distributed
from torch.distributed.tensor import DTensor

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.training.optim import MovingAverage
from onestory_cli.utils.atomic import pending_path, sync, write_atomic

STATE = "state.json"  # step and identity
FILE_BYTES = 2**32  # of a file of all processes together; each process serialises its part of a file in memory


class TrainingState:
    """The mutable state of a training. `identity` must be the same when the training resumes.

    `average` has the trained weights and their averages. All processes call each method.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, average: MovingAverage, identity: Mapping[str, Any]) -> None:
        self.optimiser, self.average = optimiser, average
        self.identity = json.loads(json.dumps(dict(identity)))

    def save(self, folder: Path, step: int) -> None:
        """Write the state after `step` steps to `folder/step-N`; the older checkpoint is removed after that.

        Raises:
            OSError: a process could not write its part.
        """
        older, path = checkpoints(folder), folder / f"step-{step:06}"
        draft = pending_path(path)
        if _is_first():
            for item in folder.glob(pending_path(folder / "step-*").name):
                shutil.rmtree(item)  # of a run that was killed while it wrote
        _wait()
        _write_shards(draft, self._tensors())
        if _is_first():
            write_atomic(draft / STATE, json.dumps({"step": step, "identity": self.identity}).encode())
            draft.replace(path)
            sync(folder)
            for item in older:
                shutil.rmtree(item)
        _wait()

    def restore(self, folder: Path) -> int:
        """Load the last checkpoint in `folder` if there is one and return the step to resume from.

        Raises:
            OnestoryError: T605 for a checkpoint of another recipe, of other shots, or of an older version.
        """
        found = checkpoints(folder)
        if not found:
            for path in folder.glob("*.pt"):
                raise _unusable(f"{path} was written by an older version of onestory")
            return 0
        stored = json.loads((found[-1] / STATE).read_text(encoding="utf-8"))
        changed = [name for name, value in self.identity.items() if stored["identity"].get(name) != value]
        if changed:
            raise _unusable(f"{found[-1]} is the checkpoint of another training (changed: {', '.join(changed)})")
        step = int(stored["step"])
        self._fill_optimiser(step)
        with _alone():
            sharded.load(self._tensors(), storage_reader=sharded.HuggingFaceStorageReader(str(found[-1])))
        return step

    def averaged(self, *, keep: bool = True) -> dict[str, Tensor]:
        """The averaged weights by "part.name", gathered one by one on the CPU; {} in processes that do not `keep`."""
        gathered = {}
        for name, value in self.average.weights.items():
            full = value.full_tensor() if isinstance(value, DTensor) else value
            if keep:
                gathered[name] = full.cpu()
        return gathered

    def _tensors(self) -> dict[str, Tensor]:
        """Everything to store except the step: frozen weights are on disk as the base. Loading writes into these."""
        found: dict[str, Tensor] = {}
        for name, parameter in self.average.live.items():
            found |= {f"weights.{name}": parameter.detach(), f"average.{name}": self.average.weights[name]}
            moments = self.optimiser.state[parameter].items()
            found |= {f"{key}.{name}": value for key, value in moments if key != "step"}
        return found

    def _fill_optimiser(self, step: int) -> None:
        """Create the state of a new optimiser as after `step` steps; its moments and the weights are then loaded."""
        for parameter in self.average.live.values():
            parameter.grad = torch.zeros_like(parameter)
        self.optimiser.step()
        self.optimiser.zero_grad()
        for parameter in self.average.live.values():
            self.optimiser.state[parameter]["step"].fill_(step)


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints in a folder, in order of their steps."""
    return sorted(folder.glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))


def _write_shards(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write each process's part of the tensors; return when all processes have written theirs."""
    files = sharded.HuggingFaceStorageWriter(str(folder), _file_numbers(tensors), save_distributed=True)
    try:
        with _alone():
            sharded.save(dict(tensors), storage_writer=files)
    except sharded.CheckpointException as fault:
        raise next((found for found, _ in fault.failures.values() if isinstance(found, OSError)), fault) from fault


def _file_numbers(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """The number of the file that each tensor is written to, from 1."""
    numbers, written = {}, 0
    for name, value in tensors.items():
        numbers[name] = written // FILE_BYTES + 1
        written += value.nbytes
    return numbers


def _is_first() -> bool:
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _wait() -> None:
    if distributed.is_initialized():
        distributed.barrier()


@contextmanager
def _alone() -> Iterator[None]:
    """Accept a single process without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield


def _unusable(message: str) -> OnestoryError:
    help = "undo the change, or start a new training with --out DIR"
    return OnestoryError("T605", message, help=help, exit=ExitCode.USAGE)
