"""The protocol of captioners, what they are given, and the prompts of those that take some. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.errors import caption_fault
from onestory_cli.curation.recipe import CaptionSettings
from onestory_cli.utils.untrusted import read_text

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ShotView:
    """What a captioner is given of a shot: which file, when (in seconds), and some frames (H, W, 3) in order."""

    video: Path
    start: float
    end: float
    frames: Sequence[Pixels] = field(repr=False)


class Captioner(Protocol):
    """Writes both stages of captions. `identity` changes whenever its answers may change."""

    @property
    def identity(self) -> str: ...

    @property
    def needs_frames(self) -> bool: ...

    def caption(self, view: ShotView) -> str:
        """Describe a shot on its own; "" where it has nothing to say."""

    def rewrite(self, view: ShotView, caption: str, before: ShotView, earlier: Sequence[str]) -> str:
        """Rewrite a caption so that it refers to earlier shots, whose captions are `earlier`, the last one `before`."""


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """What an image-text model is asked; `rewrite` has the places {earlier} and {caption}."""

    caption: str
    rewrite: str


def read_prompts(settings: CaptionSettings, folder: Path) -> Prompts:
    """Return the package's prompts, or the files that the settings name.

    Raises:
        OnestoryError: T654 for a file that cannot be read, or a rewrite prompt without its two places.
    """
    here = Path(__file__).parent / "prompts"
    files = (settings.prompt, settings.rewrite_prompt)
    paths = [
        folder / file if file else here / name for file, name in zip(files, ("caption.txt", "rewrite.txt"), strict=True)
    ]
    try:
        caption, rewrite = (read_text(path).strip() for path in paths)
    except (OSError, ValueError) as fault:
        raise caption_fault(f"a prompt cannot be read: {fault}", "name a UTF-8 text file") from fault
    if "{earlier}" not in rewrite or "{caption}" not in rewrite:
        raise caption_fault(f"{paths[1]} lacks {{earlier}} or {{caption}}", "write both places into the prompt")
    return Prompts(caption=caption, rewrite=rewrite)


def rewrite_question(prompts: Prompts, caption: str, earlier: Sequence[str]) -> str:
    """Return the rewrite prompt with its places filled in."""
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(earlier, start=1))
    return prompts.rewrite.replace("{earlier}", listed).replace("{caption}", caption)
