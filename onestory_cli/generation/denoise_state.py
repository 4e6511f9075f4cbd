"""Save and restore the state of a denoise loop, bit by bit.

Latents alone are not enough: a multistep scheduler reads earlier predictions, and without them the result drifts.

Shape letters: B batch, C latent channels, T latent frames, H W latent cells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import SchedulerMixin
from torch import Tensor

from onestory_cli.checkpoint import Partial

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATENTS = "latents"
# What changes in a diffusers scheduler from step to step, for those whose partials must stay readable. For others all
# fields are saved. Sigmas and timesteps are part of the identity.
COUNTERS = {
    "euler": ("_step_index", "_begin_index"),
    "unipc": ("_step_index", "_begin_index", "lower_order_nums", "this_order"),
}
TENSORS: dict[str, tuple[str, ...]] = {"euler": (), "unipc": ("last_sample",)}
_FIXED = frozenset({"timesteps", "sigmas"})
LISTS: dict[str, tuple[str, ...]] = {"euler": (), "unipc": ("model_outputs", "timestep_list")}


def identity_of(tensors: Iterable[Tensor], facts: Mapping[str, Any]) -> str:
    """Hex digest of everything that the loop starts from: tensors with their shapes and dtypes, and JSON facts."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def snapshot(
    scheduler: SchedulerMixin, name: str, latents_BCTHW: Tensor, *, step: int, steps: int, identity: str
) -> Partial:
    """The loop after `step` of `steps`; `name` is the scheduler's, as in `Denoiser.scheduler`."""
    arrays = {LATENTS: _array(latents_BCTHW)}
    if name not in COUNTERS:
        arrays |= dict(_changing_fields(scheduler))
        return Partial(identity=identity, step=step, steps=steps, arrays=arrays)
    # this_order does not exist before the first step, and _begin_index is None here; missing fields are not saved
    counters = {field: getattr(scheduler, field, None) for field in COUNTERS[name]}
    arrays |= {field: np.array(value, np.int64) for field, value in counters.items() if value is not None}
    tensors = {field: getattr(scheduler, field) for field in TENSORS[name]}
    tensors |= {f"{field}.{i}": item for field in LISTS[name] for i, item in enumerate(getattr(scheduler, field))}
    arrays |= {field: _array(item) for field, item in tensors.items() if item is not None}
    return Partial(identity=identity, step=step, steps=steps, arrays=arrays)


def restore(partial: Partial, scheduler: SchedulerMixin, name: str, device: torch.device) -> Tensor:
    """Set a new scheduler to the state of the partial; returns the latents (B, C, T, H, W)."""

    def tensor(field: str) -> Tensor | None:
        # copied: mapped memory is not aligned, and some kernels then round differently
        return torch.tensor(partial.arrays[field]).to(device) if field in partial.arrays else None

    if name not in COUNTERS:
        _set_fields(scheduler, partial.arrays, device)
        return torch.tensor(partial.arrays[LATENTS]).to(device)
    for field in COUNTERS[name]:
        if field in partial.arrays:
            setattr(scheduler, field, int(partial.arrays[field]))
    for field in TENSORS[name]:
        setattr(scheduler, field, tensor(field))
    for field in LISTS[name]:
        setattr(scheduler, field, [tensor(f"{field}.{i}") for i in range(len(getattr(scheduler, field)))])
    return torch.tensor(partial.arrays[LATENTS]).to(device)


def _changing_fields(scheduler: SchedulerMixin) -> Iterator[tuple[str, NDArray[Any]]]:
    """All fields of any scheduler that a step may change: numbers, tensors, and lists of both. None is left out."""
    for field, value in vars(scheduler).items():
        if field in _FIXED:
            continue
        items = {f"{field}.{i}": item for i, item in enumerate(value)} if isinstance(value, list) else {field: value}
        for key, item in items.items():
            if isinstance(item, Tensor):
                yield f"tensor:{key}", _array(item)
            elif type(item) in (int, float):
                yield f"number:{key}", np.array(item)


def _set_fields(scheduler: SchedulerMixin, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> None:
    """Set what `_changing_fields` saved."""
    for name, array in arrays.items():
        kind, _, key = name.partition(":")
        if not key:
            continue
        value = torch.tensor(array).to(device) if kind == "tensor" else array.item()
        field, _, place = key.partition(".")
        if place:
            values = getattr(scheduler, field)
            values += [None] * (int(place) + 1 - len(values))
            values[int(place)] = value
        else:
            setattr(scheduler, field, value)


def _array(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy().copy()
    return array
