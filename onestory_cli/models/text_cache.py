"""Compute a transformer's projections of the text once per shot instead of once per step.

The text does not change during a shot. For a small shot the projections are 1/16 of the work; for a large one they are
negligible and the cache would only cost memory.

Shape letters: B batch, L text tokens, E text width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

MAX_TEXTS = 2  # the caption and the negative caption
SMALL = 8  # cache only below this ratio of noise and context tokens to text tokens


@contextmanager
def cache_text_projections(transformers: Iterable[Any], text_BLE: Tensor, *, tokens: int) -> Iterator[None]:
    """Within the block, each transformer projects a text tensor once. The results are bit-identical.

    The cache compares tensors by identity. `tokens` is the number of noise and context tokens.
    """
    worthwhile = tokens <= SMALL * text_BLE.shape[1]
    modules: list[Any] = [module for transformer in transformers if worthwhile for module in _text_modules(transformer)]
    before = [vars(module).get("forward") for module in modules]  # set if a hook of diffusers wraps the module
    for module in modules:
        module.forward = _CachedForward(module.forward)
    try:
        yield
    finally:
        for module, forward in zip(modules, before, strict=True):
            if forward is None:
                del module.forward
            else:
                module.forward = forward


class _CachedForward:
    """A module's forward with a cache of the latest inputs."""

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        self._forward = forward
        self._known: list[tuple[Tensor, Tensor]] = []

    def __call__(self, states: Tensor) -> Tensor:
        for known, result in self._known:
            if known is states:
                return result
        result = self._forward(states)
        self._known = [*self._known, (states, result)][-MAX_TEXTS:]
        return result


def _text_modules(transformer: Any) -> Iterator[nn.Module]:
    """The modules of a Wan transformer whose only input is the text."""
    yield transformer.condition_embedder.text_embedder
    for block in transformer.blocks:
        yield from (block.attn2.to_k, block.attn2.norm_k, block.attn2.to_v)
