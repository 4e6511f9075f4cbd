"""Who writes captions, behind one protocol. No torch here but inside the captioners that need it.

file:PATH      captions by people or other tools: JSON, JSON lines, CSV or SRT
endpoint:URL   an OpenAI-compatible server, asked with frames as JPEG; its key is in ONESTORY_CAPTION_KEY
hub:ID         an image-text model of transformers, by hub id or folder
readout        the network that reads films of the storyworld
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from onestory_cli.curation.recipe import CaptionSettings
from onestory_cli.errors import ExitCode, OnestoryError

Pixels = NDArray[np.uint8]
KINDS = ("file", "endpoint", "hub", "readout")


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


def make_captioner(settings: CaptionSettings, folder: Path, device: str) -> Captioner | None:
    """Return the captioner that the settings name, None for none. Paths are relative to `folder`.

    Raises:
        OnestoryError: T654 for a captioner that is unknown or cannot be used here.
    """
    kind, _, name = settings.captioner.partition(":")
    if not settings.captioner:
        return None
    if kind == "readout" and not name:
        from onestory_cli.curation.readout_captions import ReadoutCaptioner

        return ReadoutCaptioner()
    if kind == "file" and name:
        from onestory_cli.curation.caption_files import FileCaptioner

        return FileCaptioner.read(folder / name)
    if kind in ("endpoint", "hub") and name:
        prompts = read_prompts(settings, folder)
        if kind == "endpoint":
            from onestory_cli.curation.endpoint_captions import EndpointCaptioner

            return EndpointCaptioner.connect(name, settings.model, prompts)
        from onestory_cli.curation.hub_captions import HubCaptioner

        return HubCaptioner.load(name, prompts, device)
    raise caption_fault(
        f'unknown captioner "{settings.captioner}"', "use file:PATH, endpoint:URL, hub:ID or readout", ExitCode.USAGE
    )


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
        caption, rewrite = (path.read_text(encoding="utf-8").strip() for path in paths)
    except (OSError, UnicodeDecodeError) as fault:
        raise caption_fault(f"a prompt cannot be read: {fault}", "name a UTF-8 text file") from fault
    if "{earlier}" not in rewrite or "{caption}" not in rewrite:
        raise caption_fault(f"{paths[1]} lacks {{earlier}} or {{caption}}", "write both places into the prompt")
    return Prompts(caption=caption, rewrite=rewrite)


def rewrite_question(prompts: Prompts, caption: str, earlier: Sequence[str]) -> str:
    """Return the rewrite prompt with its places filled in."""
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(earlier, start=1))
    return prompts.rewrite.replace("{earlier}", listed).replace("{caption}", caption)


def caption_fault(message: str, help: str, exit: ExitCode = ExitCode.MACHINE) -> OnestoryError:
    """Return the error for a captioner that cannot be used."""
    return OnestoryError("T654", message, help=help, exit=exit)
