"""Export a film in the folder layout of VBench, whose pinned libraries conflict with those of this package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.videos.films import MeasuredFilm
from onestory_cli.utils.text import shell_quote

VIDEOS, CAPTIONS = "videos", "prompts.json"
# the dimensions that VBench supports for custom videos
DIMENSIONS = (
    "subject_consistency",
    "background_consistency",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)


def export_vbench(film: MeasuredFilm, folder: Path) -> str:
    """Write videos/<number>-<shot>.<suffix> and prompts.json (file name -> caption); return the command to run.

    Raises:
        OnestoryError: U605 for a folder that exists, U608 for one that cannot be written.
    """
    try:
        _write(film, folder)
    except FileExistsError as fault:
        help = "name another folder, or delete it"
        raise OnestoryError("U605", f'"{folder / VIDEOS}" already exists', help=help, exit=ExitCode.USAGE) from fault
    except OSError as fault:
        help = "name another folder"
        said = f'"{folder}" cannot be written: {fault.strerror}'
        raise OnestoryError("U608", said, help=help, exit=ExitCode.MACHINE) from fault
    videos, captions = (shell_quote(folder / name) for name in (VIDEOS, CAPTIONS))
    return (
        f"vbench evaluate --videos_path {videos} --mode=custom_input --prompt_file {captions} "
        f"--dimension {' '.join(DIMENSIONS)}"
    )


def _write(film: MeasuredFilm, folder: Path) -> None:
    (folder / VIDEOS).mkdir(parents=True)
    captions = {}
    for index, clip in enumerate(film.clips):
        name = f"{index:03}-{clip.shot}{clip.path.suffix}"
        shutil.copyfile(clip.path, folder / VIDEOS / name)
        captions[name] = clip.caption or ""
    (folder / CAPTIONS).write_text(json.dumps(captions, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
