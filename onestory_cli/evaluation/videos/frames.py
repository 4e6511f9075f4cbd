"""Choose evenly spaced frames of a clip."""

from __future__ import annotations


def spread(length: int, count: int) -> list[int]:
    """At most `count` evenly spaced indices in 0 .. length - 1, including the first and the last."""
    if length <= count:
        return list(range(length))
    return [round(step * (length - 1) / (count - 1)) for step in range(count)] if count > 1 else [length // 2]
