"""The only package that prints: results to stdout; findings, progress and notes to stderr.

It handles events and errors and does not know how a film is made. Colours and live displays are for terminals only:
`NO_COLOR` turns off styles, and without a terminal every shot is one plain line. All text is made printable here.
"""

from onestory_cli.console.screen import Console
from onestory_cli.console.streams import ClosedPipe, ErrorStream, ResultStream, UnwritableOutput
from onestory_cli.console.text import github_annotation

__all__ = ["ClosedPipe", "Console", "ErrorStream", "ResultStream", "UnwritableOutput", "github_annotation"]
