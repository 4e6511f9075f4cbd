"""Caches of a transformer: text projections, keys and values of context tokens, and the outputs of blocks.

Shape letters: B batch, L text tokens, E text width, S context tokens, M tokens of the sequence, D width, H heads, R
width of one head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from diffusers import FirstBlockCacheConfig
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor, nn

from onestory_cli.models.context_attention import attend, project, project_memory, project_out
from onestory_cli.models.offload.config import cannot_cache
from onestory_cli.models.transformer import ContextReuse, IsolatedRotary, MemoryWanTransformer, RotaryEmbedding

MAX_TEXTS = 2  # the caption and the negative caption
# For a small shot the projections are 1/16 of the work; for a large one they are negligible and cost only memory.
SMALL = 8  # cache only below this ratio of noise and context tokens to text tokens


@contextmanager
def cache_text_projections(transformers: Iterable[Any], text_BLE: Tensor, *, tokens: int) -> Iterator[None]:
    """Within the block, each transformer projects a text tensor once per shot. The results are bit-identical.

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


class ContextCacheProcessor(WanAttnProcessor):
    """Self-attention that stores the keys and values of the first S tokens, or attends to stored ones.

    A call that does not read is left to the processor `inner`.
    """

    def __init__(self, reuse: ContextReuse, inner: WanAttnProcessor) -> None:
        super().__init__()
        self._attention_backend = inner._attention_backend
        self.reuse = reuse
        self.inner = inner
        self.stored: tuple[Tensor, Tensor] | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: RotaryEmbedding | IsolatedRotary | None = None,
    ) -> Tensor:
        """As `inner`; in a call that reads, over the stored and the given tokens."""
        assert rotary_emb is not None, "self-attention has rotary positions"
        cos, sin = rotary_emb[:2]
        if self.reuse.reads:
            return self._read(attn, hidden_states, (cos, sin))
        if tokens := self.reuse.tokens:
            self.stored = project_memory(attn, hidden_states[:, :tokens], (cos[:, :tokens], sin[:, :tokens]))
        output: Tensor = self.inner(attn, hidden_states, encoder_hidden_states, attention_mask, rotary_emb)
        return output

    def _read(self, attn: Any, states_BMD: Tensor, rotary: RotaryEmbedding) -> Tensor:
        assert self.stored is not None, "the first step stores"
        query, key, value = project(attn, states_BMD, rotary)
        keys, values = torch.cat([self.stored[0], key], dim=1), torch.cat([self.stored[1], value], dim=1)
        return project_out(attn, attend(query, keys, values, backend=self._attention_backend))


@contextmanager
def reuse_context(transformers: Iterable[Any]) -> Iterator[None]:
    """Inside, each transformer computes its context tokens in its first call that has any, and reuses them afterwards.

    Context tokens do not change from step to step; only the noise tokens that they attend to do. So the result differs
    slightly from the full pass. Context that attends only to itself, at timestep 0, has the same keys and values in
    every step, and the result is that of the full pass up to rounding.

    All calls inside that have context must have the same context and text: in guidance, only the pass "cond" has any.
    Transformers that are split over several processes are left alone.
    """
    chosen = [item for item in transformers if isinstance(item, MemoryWanTransformer) and not _is_split(item)]
    stock = [(block.attn1, block.attn1.processor) for item in chosen for block in item.blocks]
    for item in chosen:
        item.context_reuse = ContextReuse()
        for block in item.blocks:
            block.attn1.set_processor(ContextCacheProcessor(item.context_reuse, block.attn1.processor))
    try:
        yield
    finally:
        for attention, processor in stock:
            attention.set_processor(processor)
        for item in chosen:
            item.context_reuse = None


def _is_split(transformer: MemoryWanTransformer) -> bool:
    return any(block.attn1.processor._parallel_config is not None for block in transformer.blocks)


# The cache of blocks is part of the transformer and separate for each pass: passes with and without memory have
# different token counts. It is emptied before each shot and every FRESH_STEPS steps. A resumed shot starts from such a
# step, so it gives the same bytes, and errors do not accumulate for longer.
FRESH_STEPS = 8

Pass = Literal["cond", "uncond", "no_memory"]


def cache_blocks(transformer: Any, threshold: float) -> None:
    """Turn on the first-block cache of diffusers: if the first block's output barely changed since the last step, the
    outputs of the remaining blocks are reused.

    `threshold` is the mean absolute change of the first block's residual, relative to its mean absolute value, below
    which the other blocks are skipped.

    Raises:
        OnestoryError: U606 for a transformer of one block.
    """
    if len(transformer.blocks) < 2:
        raise cannot_cache("the transformer has only one block")
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))


def has_block_cache(transformer: Any) -> bool:
    """Whether the cache is on; a transformer that is wrapped for training has none."""
    return bool(getattr(transformer, "is_cache_enabled", False))


def cache_pass(transformer: Any, name: Pass) -> AbstractContextManager[Any]:
    """Context of one forward call, which reads and writes the cache of this pass."""
    if not has_block_cache(transformer):
        return nullcontext()
    context: AbstractContextManager[Any] = transformer.cache_context(name)
    return context


def reset_caches(transformers: Iterable[Any]) -> None:
    """Empty the caches."""
    for transformer in filter(has_block_cache, transformers):
        transformer._reset_stateful_cache()
