"""The story that `onestory new` writes: short, commented, and a film as it is."""

from __future__ import annotations

import json
import re

from onestory_cli.utils.text import quoted

_STARTER = """\
# yaml-language-server: $schema=story.v1.schema.json
# (`onestory schema > story.v1.schema.json` writes that file: editors then complete and check the keys.)
#
#   onestory validate {file}    all that is wrong with it
#   onestory plan {file}        what would be rendered, and the captions that the model sees
#   onestory render {file}      the film
story: 1
title: {title}
model: storyworld             # others: `onestory models`

defaults:                     # settings of all shots; a shot may have its own
  duration: 2s
  seed: 7                     # another seed is another film of the same story
profiles:
  draft: {{steps: 8}}           # quick and rough: onestory render {file} --profile draft

# A caption says $fox. The first one of the film gets the look, later ones get "the same fox":
# then the picture comes out of the memory of the earlier shots.
characters:
  fox:
    look: a red fox with a blue scarf
settings:
  beach:
    look: a beach
  forest:
    look: a forest

shots:
  - id: opening
    caption: |
      Wide shot. $fox walks right on $beach.

  - id: forest                # the fox goes away ...
    caption: |
      Wide shot. $fox jumps in $forest.

  - id: return                # ... and the beach is remembered
    caption: |
      Close-up. $fox waves. $beach.
"""


def starter_story(name: str) -> str:
    """The text of `<name>.story.yaml`: three shots, one character, two settings. The title is made of the name."""
    shown = "".join(char for char in name if char.isprintable())
    title = " ".join(re.split(r"[\s_-]+", shown)).strip().title() or "Untitled"
    file = quoted(f"{shown}.story.yaml")
    return _STARTER.format(file=file, title=json.dumps(title, ensure_ascii=False))
