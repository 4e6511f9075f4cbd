"""`onestory train` with weights sharded by FSDP 2 over processes without a GPU.

Accelerate refuses FSDP on CPUs, so this program sets its state. `ONESTORY_STOP_AT` ends the first process, as a crash
would, after the report of that step.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from onestory_cli.events import Event, TrainingProgress
from onestory_cli.training.adapter.run import train_adapter

_init = AcceleratorState.__init__


def _sharded(self: AcceleratorState, *args: Any, **named: Any) -> None:
    _init(self, *args, **named)
    self.distributed_type = DistributedType.FSDP
    self.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["WanTransformerBlock"],
        reshard_after_forward=True,
        cpu_ram_efficient_loading=False,
    )


def _stop(event: Event) -> None:
    if isinstance(event, TrainingProgress) and event.step == int(os.environ.get("ONESTORY_STOP_AT", "0")):
        os._exit(9)


AcceleratorState.__init__ = _sharded  # type: ignore[method-assign]
train_adapter(Path(sys.argv[1]), Path(sys.argv[2]), _stop, device="cpu")
