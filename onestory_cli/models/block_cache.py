"""The first-block cache, by diffusers' hooks: where the first block of a transformer does nearly what it did a step
before, what all others did then is taken again.

The cache lives in the transformer, for each pass by itself: with and without memory their tokens are not even as many.
A shot begins with an empty one, and so does every eighth step: from there a shot that was stopped goes on to the same
bytes, and no difference grows for longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

from diffusers import FirstBlockCacheConfig

from onestory_cli.models.offload.config import cannot_cache

FRESH_STEPS = 8

Pass = Literal["cond", "uncond", "forgetful"]


def cache_blocks(transformer: Any, threshold: float) -> None:
    """Let a transformer pass over blocks; `threshold` is the mean change of the first block's work, of its mean size.

    Raises:
        OnestoryError: U606 for a transformer that has no block to pass over.
    """
    if len(transformer.blocks) < 2:
        raise cannot_cache("the transformer has one block only")
    transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))


def has_block_cache(transformer: Any) -> bool:
    """Whether a transformer passes over blocks; one that is wrapped for training does not."""
    return bool(getattr(transformer, "is_cache_enabled", False))


def cache_pass(transformer: Any, name: Pass) -> AbstractContextManager[Any]:
    """The context of one call: what it leaves in the cache is for the next call of this pass."""
    context: AbstractContextManager[Any] = (
        transformer.cache_context(name) if has_block_cache(transformer) else nullcontext()
    )
    return context


def reset_caches(transformers: Iterable[Any]) -> None:
    """Empty the caches."""
    for transformer in filter(has_block_cache, transformers):
        transformer._reset_stateful_cache()
