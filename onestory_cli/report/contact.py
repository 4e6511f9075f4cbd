"""Contact sheet and film strip of a run."""

from __future__ import annotations

import numpy as np

from onestory_cli.errors import OnestoryError
from onestory_cli.media.sheet import RememberedPicture, Sheet, SheetRow, contact_sheet
from onestory_cli.media.strip import StripFrame, film_strip
from onestory_cli.report.data import FilmReport, ShotMemory, ShotReport
from onestory_cli.report.lines import names_of, policy_of
from onestory_cli.report.pictures import decode_shots, source_pictures
from onestory_cli.utils.text import shell_quote

_MAX_FRAMES = 5  # of a shot
_MAX_REMEMBERED = 8
_SHARES = (0.66, 0.5, 0.32)  # of a frame's height: the finest level, the next, all others


def draw_sheet(film: FilmReport) -> Sheet:
    """Draw a PNG with a row per rendered shot.

    Raises:
        OnestoryError: R414 for a film without shots, M508 for an unreadable clip.
    """
    _require_shots(film)
    frames = {
        shot.take.digest: look.frames_THW3 for shot, look in zip(film.shots, decode_shots(film).values(), strict=True)
    }
    sources = {source.digest: source for shot in film.shots for source in shot.memory.sources if source.taken}
    others = {digest: source for digest, source in sources.items() if digest not in frames and source.file}
    frames |= {digest: source_pictures(source) for digest, source in others.items()}
    return contact_sheet([_row(shot, frames) for shot in film.shots])


def draw_strip(film: FilmReport, *, columns: int) -> bytes:
    """Draw the middle frame of every rendered shot as film strips of `columns` frames; return a PNG.

    Raises:
        OnestoryError: as `draw_sheet`.
    """
    _require_shots(film)
    middles = [look.frames_THW3[len(look.frames_THW3) // 2] for look in decode_shots(film).values()]
    frames = [
        StripFrame(title=shot.id, caption=_remembers(shot.memory), pixels_HW3=pixels_HW3)
        for shot, pixels_HW3 in zip(film.shots, middles, strict=True)
    ]
    return film_strip(frames, columns=columns)


def _require_shots(film: FilmReport) -> None:
    if not film.shots:
        help = f"onestory resume {shell_quote(film.run)}"
        raise OnestoryError("R414", f'"{film.run}" has no rendered shots', help=help)


def _remembers(memory: ShotMemory) -> str:
    if not memory.sources:
        return "nothing to remember yet"
    return f"remembers {names_of(memory.taken)}" if memory.taken else "remembers nothing"


def _row(shot: ShotReport, frames: dict[str, np.ndarray]) -> SheetRow:
    memory = shot.memory
    own_THW3 = frames[shot.take.digest]
    shown = np.linspace(0, len(own_THW3) - 1, min(_MAX_FRAMES, len(own_THW3))).round().astype(int)
    spent = f"{policy_of(memory)}, {memory.tokens} of {memory.budget_tokens} tokens"
    prices = sorted({frame.tokens for frame in memory.taken}, reverse=True)
    return SheetRow(
        title=f"{shot.number} {shot.id}",
        caption=shot.caption,
        note=spent if memory.sources else "sees no other shot",
        frames=[own_THW3[index] for index in shown],
        remembered=[
            RememberedPicture(
                source=frame.source,
                index=frame.index,
                pixels_HW3=frames[memory.by_name[frame.source].digest][frame.index],
                share=_SHARES[min(prices.index(frame.tokens), len(_SHARES) - 1)],
            )
            for frame in memory.taken[:_MAX_REMEMBERED]
            if memory.by_name[frame.source].digest in frames
        ],
    )
