"""A film in the folder layout of VBench, which needs versions of its libraries that cannot stand beside ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.videos.films import Film

VIDEOS, CAPTIONS = "videos", "prompts.json"
# what VBench measures of videos that are not of its own list
DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)


def export_vbench(film: Film, folder: Path) -> str:
    """Write videos/<number>-<shot>.<suffix> and prompts.json (file name -> caption); returns the command to run.

    Raises:
        OnestoryError: U605 for a folder that exists already.
        OSError: it cannot be written.
    """
    try:
        (folder / VIDEOS).mkdir(parents=True)
    except FileExistsError as fault:
        help = "name another folder, or delete it"
        raise OnestoryError("U605", f'"{folder / VIDEOS}" exists already', help=help, exit=ExitCode.USAGE) from fault
    captions = {}
    for index, clip in enumerate(film.clips):
        name = f"{index:03}-{clip.shot}{clip.path.suffix}"
        shutil.copyfile(clip.path, folder / VIDEOS / name)
        captions[name] = clip.caption or ""
    (folder / CAPTIONS).write_text(json.dumps(captions, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return (
        f"vbench evaluate --videos_path {folder / VIDEOS} --mode=custom_input --prompt_file {folder / CAPTIONS} "
        f"--dimension {' '.join(DIMENSIONS)}"
    )
