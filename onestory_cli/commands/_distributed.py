"""Commands that several processes run together: `torchrun --nproc-per-node N -m -- onestory_cli render ...`."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec

from onestory_cli.errors import ExitCode

P = ParamSpec("P")
STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"


def is_distributed() -> bool:
    """Whether torchrun started this process together with others."""
    return STARTED_BY_TORCHRUN in os.environ and os.environ["WORLD_SIZE"] != "1"


def distributed(command: Callable[P, ExitCode]) -> Callable[P, ExitCode]:
    """Run the command in the first process only. The others compute their part of its model and write nothing."""

    @functools.wraps(command)
    def in_each_process(*args: P.args, **kwargs: P.kwargs) -> ExitCode:
        if not is_distributed():
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

    return in_each_process
