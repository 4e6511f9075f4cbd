"""Make the captioner that a recipe names. Each kind is imported when it is asked for.

file:PATH      captions by people or other tools: JSON, JSON lines, CSV or SRT
endpoint:URL   an OpenAI-compatible server, asked with frames as JPEG; its key is in ONESTORY_CAPTION_KEY
hub:ID         an image-text model of transformers, by hub id or folder
readout        the network that reads films of the storyworld
"""

from __future__ import annotations

from pathlib import Path

from onestory_cli.curation.captioners import Captioner, read_prompts
from onestory_cli.curation.errors import caption_fault
from onestory_cli.curation.recipe import CaptionSettings
from onestory_cli.errors import ExitCode


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
