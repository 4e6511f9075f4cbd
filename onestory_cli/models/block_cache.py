"""The first-block cache, by diffusers' hooks.

If the first block's output barely changed since the last step, the outputs of the remaining blocks are reused. The
cache is part of the transformer and separate for each pass: passes with and without memory have different token counts.
It is emptied before each shot and every `FRESH_STEPS` steps. A resumed shot starts from such a step, so it gives the
same bytes, and errors do not accumulate for longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from diffusers import FirstBlockCacheConfig

from onestory_cli.models.offload.config import cannot_cache

FRESH_STEPS = 8

Pass = Literal["cond", "uncond", "no_memory"]


def cache_blocks(transformer: Any, threshold: float) -> None:
    """Turn on the cache. `threshold` is the mean absolute change of the first block's residual, relative to its mean
    absolute value, below which the other blocks are skipped.

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
