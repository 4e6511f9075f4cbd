"""A procedural cartoon world: random multi-shot stories with ground truth, captions and pixels.

Example:
    >>> from onestory_cli.storyworld import WorldConfig, make_story, render_shot
    >>> story = make_story(0, WorldConfig(), shots=3)
    >>> render_shot(story.shots[0], WorldConfig()).pixels_THWC.shape
    (17, 64, 64, 3)
"""

from onestory_cli.storyworld.render import RenderedShot, render_shot
from onestory_cli.storyworld.stories import PATTERNS, gap_story, make_story, relevance
from onestory_cli.storyworld.world import Actor, CharacterLook, WorldConfig, WorldPlace, WorldShot, WorldStory

__all__ = [
    "PATTERNS",
    "Actor",
    "CharacterLook",
    "RenderedShot",
    "WorldConfig",
    "WorldPlace",
    "WorldShot",
    "WorldStory",
    "gap_story",
    "make_story",
    "relevance",
    "render_shot",
]
