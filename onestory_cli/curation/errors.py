"""The errors of curation that several modules raise."""

from __future__ import annotations

from onestory_cli.errors import ExitCode, OnestoryError


def missing_library(name: str, command: str) -> OnestoryError:
    """Return T653 for a library that an option needs; `command` installs it."""
    return OnestoryError("T653", f"{name} is not installed", help=f"run {command}", exit=ExitCode.MACHINE)


def caption_fault(message: str, help: str, exit: ExitCode = ExitCode.MACHINE) -> OnestoryError:
    """Return T654 for a captioner that cannot be used."""
    return OnestoryError("T654", message, help=help, exit=exit)
