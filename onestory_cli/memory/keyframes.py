"""Keyframes: the frames of each shot that differ from each other and from those of earlier shots.

As published with StoryMem (extract_keyframes.py), but for its filter by a preference model. The similarities there are
those of CLIP ViT-B/32; other image-text models have other scales.

Shape letters: T latent frames of one source, D width of the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onestory_cli.memory.policies import MAX_KEYFRAMES

MAX_SIMILARITY = 0.9  # of two keyframes, as a cosine
THRESHOLD_STEP = 0.01  # the threshold is lowered by this until a source has at most `MAX_KEYFRAMES` keyframes


def keyframes(embeds_TD: Sequence[Tensor]) -> list[list[int]]:
    """Indices of the keyframes of each source, in film order, from unit embeddings of its frames."""
    kept: list[Tensor] = []
    found: list[list[int]] = []
    for embeds in embeds_TD:
        chosen = [index for index in _distinct(embeds) if _is_new(embeds[index], kept)]
        kept += [embeds[index] for index in chosen]
        found.append(chosen)
    return found


def _distinct(embeds_TD: Tensor) -> list[int]:
    """The first frame, and each frame that is less similar to the last chosen one than a threshold."""
    threshold = MAX_SIMILARITY
    while len(chosen := _below(embeds_TD, threshold)) > MAX_KEYFRAMES:
        threshold -= THRESHOLD_STEP
    return chosen


def _below(embeds_TD: Tensor, threshold: float) -> list[int]:
    chosen = [0]
    for index in range(1, len(embeds_TD)):
        if float(embeds_TD[index] @ embeds_TD[chosen[-1]]) < threshold:
            chosen.append(index)
    return chosen


def _is_new(embed_D: Tensor, kept: Sequence[Tensor]) -> bool:
    return all(float(embed_D @ other) <= MAX_SIMILARITY for other in kept)
