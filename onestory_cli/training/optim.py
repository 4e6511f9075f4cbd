"""Optimisers, schedule and the exponential moving average.

AdamW is the paper's. Matrices can take Muon (torch's own) instead, which learns the small embedded model in far fewer
steps; `torch.optim.Muon` takes matrices only, so convolution kernels are handed to it as matrices that share memory.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from onestory_cli.models.load import is_fast_in_bfloat16
from onestory_cli.training.recipe import Stage

# parts of the names of embeddings, first and last layers, and small tables
OUTER = ("embed", "conv_in", "proj_out", "shared", "queries", "ages", "times", "patchifiers", "scale_shift", "quant")
PLACES = "relative_attention_bias"  # how far apart two words are, as logits of attention


class Optimiser:
    """Muon for the hidden matrices (when the stage has a `matrix_rate`), AdamW for the rest, one rate schedule."""

    def __init__(self, stage: Stage, modules: Mapping[str, nn.Module]) -> None:
        named = dict(named_weights(modules))
        self.stage = stage
        self.parameters = list(named.values())
        matrices = [item for name, item in named.items() if stage.matrix_rate and is_hidden_matrix(name, item)]
        places = [item for name, item in named.items() if stage.places_rate and PLACES in name]
        chosen = {id(item) for item in [*matrices, *places]}
        self._views = [(item, nn.Parameter(item.detach().view(len(item), -1))) for item in matrices]
        rest = [item for item in self.parameters if id(item) not in chosen]
        adamw = torch.optim.AdamW(rest, lr=stage.rate, betas=(0.9, 0.98), weight_decay=stage.weight_decay)
        self._parts: list[tuple[torch.optim.Optimizer, float]] = [(adamw, stage.rate)]
        if places:
            self._parts.append((torch.optim.AdamW(places, betas=(0.9, 0.98), weight_decay=0.0), stage.places_rate))
        if self._views:
            views = [view for _, view in self._views]
            muon = torch.optim.Muon(
                views, lr=stage.matrix_rate, weight_decay=stage.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
            self._parts.append((muon, stage.matrix_rate))

    def step(self, step: int) -> None:
        """Clip, update and clear the gradients; `step` counts from 0 and sets the rate."""
        factor = rate_factor(self.stage, step)
        nn.utils.clip_grad_norm_(self.parameters, self.stage.clip)
        for item, view in self._views:
            view.grad = None if item.grad is None else item.grad.reshape(view.shape)
        with _in_float32(self.parameters[0].device):
            for optimiser, rate in self._parts:
                for group in optimiser.param_groups:
                    group["lr"] = rate * factor
                optimiser.step()
        for item in self.parameters:
            item.grad = None

    def state_dict(self) -> list[dict[str, object]]:
        """The state of each optimiser, for a checkpoint."""
        return [optimiser.state_dict() for optimiser, _ in self._parts]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Go on from what `state_dict` gave for the same stage and modules."""
        for (optimiser, _), state in zip(self._parts, states, strict=True):
            optimiser.load_state_dict(state)


class _Float32(TorchFunctionMode):
    """What asks for bfloat16 gets a float32 copy. Muon orthogonalises in bfloat16 and lets nobody choose."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.bfloat16:
            return args[0].to(torch.float32, copy=True)
        return func(*args, **(kwargs or {}))


def _in_float32(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Optimisers stay with float32 where bfloat16 is emulated: there a step of Muon takes fifty times as long in it."""
    return contextlib.nullcontext() if is_fast_in_bfloat16(device) else _Float32()


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Weights between hidden layers. Embeddings, first and last layers and small tables keep AdamW: their rows are
    not directions of one space that an orthogonal step would mean something for."""
    return parameter.ndim >= 2 and min(parameter.shape[:2]) > 3 and not any(part in name for part in (*OUTER, PLACES))


class Schedule(Protocol):
    """Steps in all, of which the rate rises in the first `warmup` and falls in the last part `cooldown`."""

    @property
    def steps(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def cooldown(self) -> float: ...


def rate_factor(stage: Schedule, step: int) -> float:
    """Warm-up, plateau, then a cosine to zero over the last `cooldown` of the steps. A plateau lets a running stage be
    lengthened without having been on another schedule."""
    warm = min(1.0, (step + 1) / max(1, stage.warmup))
    start = stage.steps * (1 - stage.cooldown)
    if step < start:
        return warm
    progress = min(1.0, (step - start) / max(1.0, stage.steps - start))
    return warm * max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))


class MovingAverage:
    """Exponential moving average of modules' weights, warmed up so that early steps are forgotten."""

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self._live = list(named_weights(modules))
        self.weights = {name: value.detach().clone() for name, value in self._live}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = [self.weights[name] for name, _ in self._live]
        torch._foreach_lerp_(averages, [value.detach() for _, value in self._live], 1 - decay)

    @torch.no_grad()
    def adopt(self) -> None:
        """Put the average into the modules, in place: an optimiser's views stay views."""
        for name, value in self._live:
            value.copy_(self.weights[name])

    @contextlib.contextmanager
    def adopted(self) -> Iterator[None]:
        """The modules hold the average inside, and their own weights again after."""
        own = [value.detach().clone() for _, value in self._live]
        self.adopt()
        try:
            yield
        finally:
            with torch.no_grad():
                for (_, value), kept in zip(self._live, own, strict=True):
                    value.copy_(kept)


def named_weights(modules: Mapping[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """All parameters that learn as ("part.name", parameter), tied ones once."""
    for part, module in modules.items():
        for name, value in module.named_parameters():
            if value.requires_grad:
                yield f"{part}.{name}", value
