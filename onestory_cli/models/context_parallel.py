"""One transformer on several devices of a machine, by diffusers' context parallelism (Ulysses).

torchrun starts the processes. The first process is the program: it alone reads the story, writes the run and prints.
The others follow: they load the models that it loads, and take part in every call of a transformer.
"""

from __future__ import annotations

import atexit
import gc
import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import diffusers
import torch
from torch import Tensor, distributed, nn
from torch.utils._pytree import tree_map_only

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.spec import ModelSpec

TIMEOUT = timedelta(days=7)  # followers wait for as long as the first process works between two calls
_CPU = torch.device("cpu")


def join_process_group(rank: int) -> None:
    """Join the other processes that torchrun started, one per GPU, or all on the CPU."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    distributed.init_process_group(backend, timeout=TIMEOUT)
    free_groups_at_exit()


def free_groups_at_exit() -> None:
    """Collect garbage at exit, so that no thread of a process group outlives the interpreter.

    Device meshes and wrapped modules hold a group in reference cycles, so destroying it does not free it. A gloo thread
    that releases a tensor during interpreter shutdown aborts the process (pytorch/pytorch#190489).
    """
    atexit.register(_collect_all)


def _collect_all() -> None:
    gc.unfreeze()  # `cli.main` freezes what there is, to exit faster
    gc.collect()


def has_followers() -> bool:
    """Whether this is the first of several processes."""
    return distributed.is_initialized() and distributed.get_rank() == 0 and distributed.get_world_size() > 1


def broadcast(*message: Any) -> None:
    """Send a message from the first process to all followers; tensors travel through host memory."""
    distributed.broadcast_object_list([tree_map_only(Tensor, lambda item: item.to(_CPU), message)], src=0)


def receive() -> Any:
    """The next message of the first process."""
    box: list[Any] = [None]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def parallelize(transformers: tuple[nn.Module, ...]) -> None:
    """Split each transformer among all processes; calls in the first process then run in all of them.

    Raises:
        OnestoryError: U606 for a transformer that cannot be split.
    """
    for index, transformer in enumerate(transformers):
        if getattr(transformer.rope, "isolated", False):
            raise _refused("its context tokens attend only to each other")
        config = _config()
        try:
            transformer.enable_parallelism(config=config)
        except (ValueError, RuntimeError, ZeroDivisionError) as fault:  # diffusers 0.42 divides by zero without a GPU
            raise _refused((str(fault).splitlines() or [""])[0]) from fault
        if has_followers():
            transformer.register_forward_pre_hook(_broadcast_call(index), with_kwargs=True)


def _config() -> Any:
    try:
        from diffusers import ContextParallelConfig

        return ContextParallelConfig(ulysses_degree=distributed.get_world_size(), ulysses_anything=True)
    except (ImportError, TypeError) as fault:  # ContextParallelConfig is in diffusers 0.36, ulysses_anything in 0.37
        raise _refused(f"diffusers {diffusers.__version__} does not support it, 0.37 and newer do") from fault


def _refused(why: str) -> OnestoryError:
    message = f"cannot split this model among processes: {why}"
    return OnestoryError("U606", message, help="render it with one process", exit=ExitCode.USAGE)


def _broadcast_call(index: int) -> Any:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        broadcast("call", index, args, kwargs)

    return hook


def follow(rank: int, load: Callable[[ModelSpec, str], tuple[Any, ...]]) -> None:
    """Take part in the calls of the first process until it ends. It reports load errors itself."""
    transformers: tuple[Any, ...] = ()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops after its step, and ends the others
    with torch.inference_mode():
        while (message := receive())[0] != "done":
            if message[0] == "load":
                transformers = ()  # free the previous model before loading the next
                with suppress(OnestoryError):
                    transformers = load(message[1], f"cuda:{rank}" if message[2] == "cuda" else "cpu")
            else:
                _, index, args, kwargs = message
                device = next(transformers[index].parameters()).device
                args, kwargs = tree_map_only(Tensor, partial(Tensor.to, device=device), (args, kwargs))
                transformers[index](*args, **kwargs)


def leave_process_group() -> None:
    """Leave the group; the first process also ends its followers."""
    if has_followers():
        broadcast("done")
    distributed.destroy_process_group()
