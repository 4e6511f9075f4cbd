"""A command that several processes run together: `torchrun --nproc-per-node N -m -- onestory_cli render ...`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec

from onestory_cli.errors import ExitCode

P = ParamSpec("P")
STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"


def shares() -> bool:
    """Whether this process has others to help it."""
    return STARTED_BY_TORCHRUN in os.environ and os.environ["WORLD_SIZE"] != "1"


def together(command: Callable[P, ExitCode]) -> Callable[P, ExitCode]:
    """The command itself in the first process; the others help its model, and say and write nothing."""

    @functools.wraps(command)
    def among_others(*args: P.args, **kwargs: P.kwargs) -> ExitCode:
        if not shares():
            return command(*args, **kwargs)
        from onestory_cli.models import context_parallel as parallel

        rank = int(os.environ["LOCAL_RANK"])
        parallel.join_process_group(rank)
        try:
            if parallel.has_followers():
                return command(*args, **kwargs)
            from onestory_cli.models.load import load_model

            parallel.follow(rank, lambda spec, device: load_model(spec, device, shared=True).denoiser.transformers)
            return ExitCode.DONE
        finally:
            parallel.leave_process_group()

    return among_others
