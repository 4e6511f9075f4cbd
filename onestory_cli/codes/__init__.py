"""The long texts of all codes, as `onestory explain CODE` prints them. A new code is one row.

S1 story text, S2 limits of a model, W3 warnings about stories and takes, R4 run directories, M5 models and this
machine, T6 training and evaluation, U6 command line, I7 and W7 imports, X8 and W8 exports, B8 batches. The meaning of
a code never changes, and the number of a removed code is not used again.
"""

from __future__ import annotations

from onestory_cli.codes.code import Code
from onestory_cli.codes.command_line import COMMAND_LINE
from onestory_cli.codes.machine import MACHINE
from onestory_cli.codes.run import RUN
from onestory_cli.codes.story import STORY
from onestory_cli.codes.syntax import SYNTAX
from onestory_cli.codes.training import TRAINING
from onestory_cli.codes.warnings import WARNINGS

__all__ = ["CODES", "Code"]

_TABLES = (SYNTAX, STORY, WARNINGS, RUN, MACHINE, COMMAND_LINE, TRAINING)
CODES: dict[str, Code] = {row.code: row for rows in _TABLES for row in rows}
