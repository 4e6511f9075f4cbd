"""What the run directory next to an open story says about its shots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import OnestoryError
from onestory_cli.lsp.document import StoryDocument
from onestory_cli.utils.cache import cache_folder
from onestory_cli.utils.text import pluralize

if TYPE_CHECKING:
    from onestory_cli.store.run import Run
    from onestory_cli.store.takes import Take

THUMBNAIL_WIDTH = 240  # pixels


def shot_states(document: StoryDocument) -> dict[str, str]:
    """What a render would do with each shot, and how many takes it has; {} without a run or with errors."""
    story, run = document.analysis.story, _run_of(document)
    if document.analysis.plan is None or story is None or run is None:
        return {}
    from onestory_cli.planning.compile import plan_story
    from onestory_cli.store.reuse import forecast

    try:
        plan, _ = plan_story(story)
        decisions = forecast(plan, run)
        takes = {shot: len(found.takes) for shot, found in run.takes_by_shot().items()}
    except (OnestoryError, OSError):
        return {}
    return {item.job.shot: _state(item.action, str(item.reason), takes.get(item.job.shot, 0)) for item in decisions}


def about_take(document: StoryDocument, shot: str) -> list[str]:
    """Markdown about the accepted take of a shot: what it remembered, its picture and its clip; [] without one."""
    take = _accepted_take(document, shot)
    if take is None:
        return []
    from onestory_cli.store.changes import frames_text

    clip = f"[clip of take {take.record.take}]({take.clip.absolute().as_uri()})"
    picture = _thumbnail(take)
    shown = f"![{shot}]({picture.as_uri()})\n\n{clip}" if picture else clip
    return [f"Remembered: {frames_text(take.record.memory.selected)}", shown]


def _state(action: str, reason: str, takes: int) -> str:
    word = {"keep": "kept", "render": f"would render: {reason}"}.get(action, f"may render: {reason}")
    return f"{word}, {pluralize(takes, 'take')}" if takes else word


def _run_of(document: StoryDocument) -> Run | None:
    from onestory_cli.store.locate import existing_run, folder_for

    try:
        return existing_run(folder_for(document.path))
    except (OnestoryError, OSError):
        return None


def _accepted_take(document: StoryDocument, shot: str) -> Take | None:
    from onestory_cli.store.take_query import accepted_takes

    run = _run_of(document)
    try:
        state = run.state() if run else None
        return accepted_takes(run.path, state, [shot]).takes.get(shot) if run and state else None
    except (OnestoryError, OSError):
        return None


def _thumbnail(take: Take) -> Path | None:
    """A PNG of the middle of a take, in the cache folder; None if it cannot be made."""
    from onestory_cli.external.job import encode_png
    from onestory_cli.report.pictures import decode_take, fitted
    from onestory_cli.utils.atomic import write_atomic

    file = cache_folder().absolute() / "thumbnails" / f"{take.id}-{take.digest[:16]}.png"
    if file.exists():
        return file
    try:
        frames_THW3 = decode_take(take).frames_THW3
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, encode_png(fitted(frames_THW3[len(frames_THW3) // 2], THUMBNAIL_WIDTH)))
    except (OnestoryError, OSError):
        return None
    return file
