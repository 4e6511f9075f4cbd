"""One transformer on several devices of a machine, by diffusers' context parallelism (Ulysses).

Of the processes that torchrun starts the first one is the program: it alone reads the story, writes the run and says
anything. The others follow: they load the models that it loads, and take part whenever it calls a transformer.
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

TIMEOUT = timedelta(days=7)  # followers wait through whatever the first process does between two calls
_CPU = torch.device("cpu")


def join(rank: int) -> None:
    """Meet the other processes that torchrun started: on GPUs one each, else on the processor."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    distributed.init_process_group(backend, timeout=TIMEOUT)
    free_groups_at_exit()


def free_groups_at_exit() -> None:
    """Have no thread of a process group outlive the commands.

    What used a group holds it in cycles (device meshes, wrapped modules), so that to destroy it does not free it; a
    thread of gloo that lets go of a tensor while the interpreter ends aborts the process (pytorch/pytorch#190489).
    """
    atexit.register(gc.collect)


def leads() -> bool:
    """Whether this process has followers."""
    return distributed.is_initialized() and distributed.get_rank() == 0 and distributed.get_world_size() > 1


def tell(*message: Any) -> None:
    """Say something to all followers; tensors go by the machine's memory."""
    distributed.broadcast_object_list([tree_map_only(Tensor, lambda item: item.to(_CPU), message)], src=0)


def hear() -> Any:
    """What the first process says next."""
    box: list[Any] = [None]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def share(transformers: tuple[nn.Module, ...]) -> None:
    """Split the work of each transformer among all processes; of the first, have the others take part in every call.

    Raises:
        OnestoryError: U606 where a transformer cannot be split so.
    """
    for index, transformer in enumerate(transformers):
        config = _config()
        try:
            transformer.enable_parallelism(config=config)
        except (ValueError, RuntimeError, ZeroDivisionError) as fault:  # the last of diffusers 0.42 without a GPU
            raise _refused((str(fault).splitlines() or [""])[0]) from fault
        if leads():
            transformer.register_forward_pre_hook(_calls(index), with_kwargs=True)


def _config() -> Any:
    try:
        from diffusers import ContextParallelConfig

        return ContextParallelConfig(ulysses_degree=distributed.get_world_size(), ulysses_anything=True)
    except (ImportError, TypeError) as fault:  # diffusers has it from 0.36 on, and ulysses_anything from 0.37 on
        raise _refused(f"diffusers {diffusers.__version__} cannot, 0.37 and newer can") from fault


def _refused(why: str) -> OnestoryError:
    message = f"this model cannot be split among processes: {why}"
    return OnestoryError("U606", message, help="render it with one process", exit=ExitCode.USAGE)


def _calls(index: int) -> Any:
    def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tell("call", index, args, kwargs)

    return before


def follow(rank: int, load: Callable[[ModelSpec, str], tuple[Any, ...]]) -> None:
    """Take part until the first process is done. What cannot be loaded is told there."""
    transformers: tuple[Any, ...] = ()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process stops after its step, and says so
    with torch.inference_mode():
        while (message := hear())[0] != "done":
            if message[0] == "load":
                transformers = ()  # before the next are loaded
                with suppress(OnestoryError):
                    transformers = load(message[1], f"cuda:{rank}" if message[2] == "cuda" else "cpu")
            else:
                _, index, args, kwargs = message
                device = next(transformers[index].parameters()).device
                args, kwargs = tree_map_only(Tensor, partial(Tensor.to, device=device), (args, kwargs))
                transformers[index](*args, **kwargs)


def part() -> None:
    """The end, for all."""
    if leads():
        tell("done")
    distributed.destroy_process_group()
