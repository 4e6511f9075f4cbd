"""Optimisers, schedule and the exponential moving average.

The paper uses AdamW. Matrices can use `torch.optim.Muon` instead, which trains the small embedded model in far fewer
steps. Muon accepts matrices only, so convolution kernels are passed as matrix views that share memory.
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

# substrings of the names of embeddings, first and last layers, and small tables
OUTER = ("embed", "conv_in", "proj_out", "shared", "queries", "ages", "times", "patchifiers", "scale_shift", "quant")
DISCRIMINATOR = "discriminator."
PLACES = "relative_attention_bias"  # attention bias by the distance of two words


class Optimiser:
    """Muon for hidden matrices if the stage has a `matrix_rate`, AdamW for the rest, with one rate schedule."""

    def __init__(self, stage: Stage, modules: Mapping[str, nn.Module]) -> None:
        named = dict(named_weights(modules))
        self.stage = stage
        self.parameters = list(named.values())
        matrices = [item for name, item in named.items() if stage.matrix_rate and is_hidden_matrix(name, item)]
        places = [item for name, item in named.items() if stage.places_rate and PLACES in name]
        judging = [item for name, item in named.items() if name.startswith(DISCRIMINATOR)]
        chosen = {id(item) for item in [*matrices, *places, *judging]}
        self._views = [(item, nn.Parameter(item.detach().view(len(item), -1))) for item in matrices]
        rest = [item for item in self.parameters if id(item) not in chosen]
        adamw = torch.optim.AdamW(rest, lr=stage.rate, betas=(0.9, 0.98), weight_decay=stage.weight_decay)
        self._parts: list[tuple[torch.optim.Optimizer, float]] = [(adamw, stage.rate)]
        if places:
            self._parts.append((torch.optim.AdamW(places, betas=(0.9, 0.98), weight_decay=0.0), stage.places_rate))
        if judging:
            self._parts.append((torch.optim.AdamW(judging, betas=(0.5, 0.98)), stage.discriminator_rate))
        if self._views:
            views = [view for _, view in self._views]
            muon = torch.optim.Muon(
                views, lr=stage.matrix_rate, weight_decay=stage.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
            self._parts.append((muon, stage.matrix_rate))

    def step(self, step: int) -> None:
        """Clip the gradients, update the weights and clear the gradients; `step` counts from 0 and sets the rate."""
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
        """The state of each optimiser, to store in a checkpoint."""
        return [optimiser.state_dict() for optimiser, _ in self._parts]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        """Restore what `state_dict` returned for the same stage and modules."""
        for (optimiser, _), state in zip(self._parts, states, strict=True):
            optimiser.load_state_dict(state)


class _Float32(TorchFunctionMode):
    """Replace casts to bfloat16 with float32 copies. Muon always orthogonalises in bfloat16."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.bfloat16:
            return args[0].to(torch.float32, copy=True)
        return func(*args, **(kwargs or {}))


def _in_float32(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Compute in float32 where bfloat16 is emulated, because a step of Muon would take fifty times as long."""
    return contextlib.nullcontext() if is_fast_in_bfloat16(device) else _Float32()


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Whether a weight maps hidden states to hidden states.

    All other weights use AdamW: an orthogonal step has no meaning for embeddings, outer layers and small tables.
    """
    return (
        parameter.ndim >= 2
        and min(parameter.shape[:2]) > 3
        and not any(part in name for part in (*OUTER, PLACES, DISCRIMINATOR))
    )


class Schedule(Protocol):
    """The rate rises over the first `warmup` steps and falls over the last share `cooldown` of `steps`."""

    @property
    def steps(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def cooldown(self) -> float: ...


def rate_factor(stage: Schedule, step: int) -> float:
    """Warm-up, plateau, then a cosine to zero over the last share `cooldown` of the steps.

    A stage on its plateau can be lengthened: the rates of its past steps do not change.
    """
    warm = min(1.0, (step + 1) / max(1, stage.warmup))
    start = stage.steps * (1 - stage.cooldown)
    if step < start:
        return warm
    progress = min(1.0, (step - start) / max(1.0, stage.steps - start))
    return warm * max(0.01, 0.5 * (1 + math.cos(math.pi * progress)))


class MovingAverage:
    """Exponential moving average `weights` of the trained weights `live`, with a warm-up that forgets early steps."""

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.live = dict(named_weights(modules))
        self.weights = {name: value.detach().clone() for name, value in self.live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Add the weights after step `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = list(self.weights.values())
        torch._foreach_lerp_(averages, [value.detach() for value in self.live.values()], 1 - decay)

    @torch.no_grad()
    def adopt(self) -> None:
        """Copy the average into the modules, in place: views that an optimiser holds stay valid."""
        for name, value in self.live.items():
            value.copy_(self.weights[name])

    @contextlib.contextmanager
    def adopted(self) -> Iterator[None]:
        """Inside, the modules have the averaged weights; afterwards their own weights are restored."""
        own = [value.detach().clone() for value in self.live.values()]
        self.adopt()
        try:
            yield
        finally:
            with torch.no_grad():
                for value, kept in zip(self.live.values(), own, strict=True):
                    value.copy_(kept)


def named_weights(modules: Mapping[str, nn.Module]) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield trainable parameters as ("part.name", parameter); tied parameters occur once."""
    for part, module in modules.items():
        for name, value in module.named_parameters():
            if value.requires_grad:
                yield f"{part}.{name}", value
