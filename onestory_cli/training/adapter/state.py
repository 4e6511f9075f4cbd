"""The state of a training between two steps: weights, optimiser and average.

One file holds it, for any number of processes and any sharding of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.training.checkpoint import load_checkpoint, save_checkpoint
from onestory_cli.training.optim import MovingAverage

# frozen weights are not stored: they are on disk as the base
_OUT = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
_IN = StateDictOptions(full_state_dict=True, ignore_frozen_params=True, strict=False)


class TrainingState:
    """The mutable state of a training. `identity` must be the same when the training resumes."""

    def __init__(
        self, learner: nn.Module, optimiser: torch.optim.Optimizer, average: MovingAverage, identity: Mapping[str, Any]
    ) -> None:
        self.learner, self.optimiser, self.average, self.identity = learner, optimiser, average, dict(identity)

    def save(self, path: Path, step: int, *, writes: bool) -> None:
        """Write the state after `step` steps. All processes gather it; the one with `writes` stores it."""
        stored = {
            "step": step,
            "identity": self.identity,
            "learner": get_model_state_dict(self.learner, options=_OUT),
            "optimiser": get_optimizer_state_dict(self.learner, self.optimiser, options=_OUT),
            "average": self.averaged(),
        }
        if writes:
            save_checkpoint(path, stored)

    def restore(self, path: Path) -> int:
        """Load the last checkpoint if there is one and return the step to resume from.

        Raises:
            OnestoryError: T605 for a checkpoint of another recipe or of other shots.
        """
        stored = load_checkpoint(path)
        if stored is None:
            return 0
        changed = [name for name, value in self.identity.items() if stored["identity"].get(name) != value]
        if changed:
            raise OnestoryError(
                "T605",
                f"{path} is the checkpoint of another training (changed: {', '.join(changed)})",
                help="undo the change, or start a new training with --out DIR",
                exit=ExitCode.USAGE,
            )
        set_model_state_dict(self.learner, stored["learner"], options=_IN)
        set_optimizer_state_dict(self.learner, self.optimiser, stored["optimiser"], options=_IN)
        for name, value in stored["average"].items():
            own = self.average.weights[name]
            own.copy_(distribute_tensor(value, own.device_mesh, own.placements) if isinstance(own, DTensor) else value)
        return int(stored["step"])

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights by "part.name", gathered on the CPU."""
        return {
            name: (value.full_tensor() if isinstance(value, DTensor) else value).cpu()
            for name, value in self.average.weights.items()
        }
