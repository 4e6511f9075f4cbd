"""Version 1 of the world stays as it was: shipped weights and their read-out were trained on exactly these pixels."""

from __future__ import annotations

import hashlib

import pytest

from onestory_cli.storyworld import WorldConfig, make_story, relevance, render_shot

SHIPPED = WorldConfig(
    size=128,
    frames=3,
    species=("fox", "rabbit", "bear", "robot", "frog", "ghost"),
    colours=("red", "yellow", "green", "blue", "purple", "white"),
)


def digest(config: WorldConfig, seeds: range) -> str:
    """SHA-256 of captions, pixels, masks and relevance of six-shot stories."""
    found = hashlib.sha256()
    for seed in seeds:
        story = make_story(seed, config)
        for shot in story.shots:
            rendered = render_shot(shot, config)
            found.update(shot.caption.encode() + shot.full_caption.encode())
            found.update(rendered.pixels_THWC.tobytes() + rendered.cast_THW.tobytes())
        found.update(repr([relevance(story, target) for target in range(6)]).encode())
    return found.hexdigest()


@pytest.mark.parametrize(
    ("config", "seeds", "expected"),
    [
        (WorldConfig(frames=5), range(16), "1c9db82d51ccfc98cdd19e22764b6709f20f84d539a2d7d17fb772aad5bcae59"),
        (SHIPPED, range(10**6, 10**6 + 6), "18d76bdd3c50abb5875f9f6cfddcb7eea0847f166cb9a6641f2654c5d5783074"),
    ],
)
def test_version_1_renders_the_same_bytes(config: WorldConfig, seeds: range, expected: str) -> None:
    assert digest(config, seeds) == expected


def test_versions_differ() -> None:
    assert digest(WorldConfig(frames=1), range(2)) != digest(WorldConfig(frames=1, version=2), range(2))
