"""A contact sheet of takes: a row of frames per take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onestory_cli.errors import OnestoryError
from onestory_cli.media.sheet import SheetRow, contact_sheet
from onestory_cli.media.video import read_clip
from onestory_cli.quality import faults
from onestory_cli.store.take_query import ListedTake
from onestory_cli.utils.text import shell_quote

_MAX_FRAMES = 6  # per take


def draw_take_sheet(takes: Sequence[ListedTake], run: str) -> bytes:
    """Draw the takes of the run directory `run` as a PNG, in the given order.

    Raises:
        OnestoryError: R414 without takes, M508 for a clip that cannot be read.
    """
    if not takes:
        help = f"onestory resume {shell_quote(run)}"
        raise OnestoryError("R414", f'"{run}" has no takes yet', help=help)
    return contact_sheet([_row(item) for item in takes]).png


def _row(item: ListedTake) -> SheetRow:
    record = item.take.record
    pixels_PHW3 = read_clip(item.take.clip, record.clip_size)
    shown = np.linspace(0, len(pixels_PHW3) - 1, min(_MAX_FRAMES, len(pixels_PHW3))).round().astype(int)
    scale = int(record.clip["scale"] or 1)
    bad = ", ".join(map(str, faults(record.checks)))
    state = ("accepted" if item.accepted else "current") if item.fits else "old story"
    return SheetRow(
        title=f"{record.shot} take {record.take}" if item.fits else f"{record.shot} {item.take.id[:6]}",
        caption=f"seed {record.spec['seed']}. {record.reason}",
        note=f"{state}; faults: {bad}" if bad else state,
        frames=[pixels_PHW3[index, ::scale, ::scale] for index in shown],
    )
