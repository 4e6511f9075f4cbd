"""The long texts of all codes: what `onestory explain CODE` shows. A new code is one row.

S1 story text, S2 limits of a model, W3 warnings, R4 run directories, M5 models and this machine, T6 training and
evaluation, U6 usage, I7 and W7 imports, X8 and W8 exports, B8 batches. A code never changes its meaning and is never
used again.
"""

from __future__ import annotations

from onestory_cli.codes.batches import BATCHES
from onestory_cli.codes.exporting import EXPORTING
from onestory_cli.codes.importing import IMPORTING
from onestory_cli.codes.limits import LIMITS
from onestory_cli.codes.machine import MACHINE
from onestory_cli.codes.meaning import MEANING
from onestory_cli.codes.row import Code
from onestory_cli.codes.runs import RUNS
from onestory_cli.codes.structure import STRUCTURE
from onestory_cli.codes.text import TEXT
from onestory_cli.codes.training import TRAINING
from onestory_cli.codes.videos import VIDEOS
from onestory_cli.codes.warnings import WARNINGS

__all__ = ["CODES", "Code"]

CODES: dict[str, Code] = {
    row.code: row
    for rows in (
        TEXT,
        STRUCTURE,
        MEANING,
        LIMITS,
        WARNINGS,
        RUNS,
        MACHINE,
        TRAINING,
        IMPORTING,
        VIDEOS,
        EXPORTING,
        BATCHES,
    )
    for row in rows
}
