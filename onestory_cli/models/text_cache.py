"""What a transformer makes of a text, which no step of a shot changes: computed once instead of in every step.

That is a sixteenth of the work of a small shot, and next to nothing of a large one, which it would cost memory.

Shape letters: B batch, L text tokens, E text width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

KEPT = 2  # texts: the caption and the negative one
SMALL = 8  # times the text's tokens; beyond that many others the text is not worth the memory


@contextmanager
def cache_text_projections(transformers: Iterable[Any], text_BLE: Tensor, *, tokens: int) -> Iterator[None]:
    """Within the block the transformers read a text once, to the same bits, however often they are called with the very
    same tensor; `tokens` is how many others they read beside it."""
    worth = tokens <= SMALL * text_BLE.shape[1]
    modules: list[Any] = [module for transformer in transformers if worth for module in _readers(transformer)]
    before = [vars(module).get("forward") for module in modules]  # what hooks of diffusers have put there, if any
    for module in modules:
        module.forward = _Once(module.forward)
    try:
        yield
    finally:
        for module, forward in zip(modules, before, strict=True):
            if forward is None:
                del module.forward
            else:
                module.forward = forward


class _Once:
    """A module's forward that computes nothing for a tensor that it was given lately."""

    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        self._forward = forward
        self._known: list[tuple[Tensor, Tensor]] = []

    def __call__(self, states: Tensor) -> Tensor:
        for known, result in self._known:
            if known is states:
                return result
        result = self._forward(states)
        self._known = [*self._known, (states, result)][-KEPT:]
        return result


def _readers(transformer: Any) -> Iterator[nn.Module]:
    """The modules of a Wan transformer whose input is the text alone."""
    yield transformer.condition_embedder.text_embedder
    for block in transformer.blocks:
        yield from (block.attn2.to_k, block.attn2.norm_k, block.attn2.to_v)
