"""`onestory train` with weights sharded by FSDP 2 over processes without a GPU.

Accelerate refuses FSDP on CPUs, so this program sets its state. `ONESTORY_STOP_AT` ends the first process, as a crash
would, after the report of that step. Processes that read the base print READS and their number.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from onestory_cli.events import Event, TrainingProgress
from onestory_cli.models.transformer import MemoryWanTransformer
from onestory_cli.training.adapter.base import Base
from onestory_cli.training.adapter.run import train_adapter

_init = AcceleratorState.__init__


@cache
def _plugin() -> FullyShardedDataParallelPlugin:
    return FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["WanTransformerBlock"],
        reshard_after_forward=True,
        cpu_ram_efficient_loading=False,
    )


def _sharded(self: AcceleratorState, *args: Any, **named: Any) -> None:
    _init(self, *args, **named)
    self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, _plugin()


def _stop(event: Event) -> None:
    if isinstance(event, TrainingProgress) and event.step == int(os.environ.get("ONESTORY_STOP_AT", "0")):
        os._exit(9)


def _read(self: Base, dtype: torch.dtype) -> MemoryWanTransformer:
    sys.stdout.write(f"READS {os.environ['RANK']}\n")
    return _read_base(self, dtype)


_read_base, Base._read = Base._read, _read  # type: ignore[method-assign]
AcceleratorState.__init__ = _sharded  # type: ignore[method-assign]
train_adapter(Path(sys.argv[1]), Path(sys.argv[2]), _stop, device="cpu")
