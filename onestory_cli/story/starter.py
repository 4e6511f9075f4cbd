"""The starter story of `onestory new`: short, commented, and ready to render."""

from __future__ import annotations

import json
import re

from onestory_cli.utils.text import shell_quote

_STARTER = """\
# yaml-language-server: $schema=story.v1.schema.json
# (Editors with YAML support then complete and check the keys; `onestory schema --install` writes that file.)
#
#   onestory validate {file}    check the story
#   onestory plan {file}        show what would be rendered, and the captions that the model sees
#   onestory render {file}      render the film
story: 1
title: {title}
model: storyworld             # others: `onestory models`

output: {{filter: lanczos}}     # enlarge smoothly; `nearest` keeps the pixels visible

defaults:                     # options of all shots; a shot can override them
  duration: 2s
  seed: 10                    # another seed gives another film of the same story
profiles:
  draft: {{steps: 4}}           # faster and rougher: onestory render {file} --profile draft

# Captions refer to $fox. The first mention in the film becomes the look, later ones become "the same fox":
# the model then takes the look from its memory of the earlier shots.
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

  - id: forest                # the fox leaves ...
    caption: |
      Wide shot. $fox jumps in $forest.

  - id: return                # ... and returns to the beach, which is remembered
    caption: |
      Close-up. $fox waves. $beach.
"""


def starter_story(name: str) -> str:
    """The text of `<name>.story.yaml`: three shots, one character, two settings, and a title made from the name."""
    shown = "".join(char for char in name if char.isprintable())
    title = " ".join(re.split(r"[\s_-]+", shown)).strip().title() or "Untitled"
    file = shell_quote(f"{shown}.story.yaml")
    return _STARTER.format(file=file, title=json.dumps(title, ensure_ascii=False))
