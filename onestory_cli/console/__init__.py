"""The only module that prints: results on stdout; findings, progress and remarks on stderr.

It knows the events and the errors, and nothing of how a film is made. Colour and moving bars are for terminals only;
with `NO_COLOR` no styles are written, and without a terminal every shot is one plain line.
"""

from onestory_cli.console.screen import Console
from onestory_cli.console.text import github_annotation

__all__ = ["Console", "github_annotation"]
