"""Errors that nobody coded: what this machine cannot do, as opposed to what we got wrong."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.version import __version__

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
LIBRARIES = ("torch", "diffusers", "transformers", "av", "safetensors", "numpy", "typer", "rich")


def coded_fault(fault: Exception, arguments: Sequence[str]) -> OnestoryError:
    """An error for the user: U607 or U608 for this machine, else U609, with a report file."""
    return _of_the_machine(fault) or _bug(fault, arguments)


def _of_the_machine(fault: Exception) -> OnestoryError | None:
    """What this machine cannot do, as opposed to what we got wrong."""
    if isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError":  # torch's, not imported here
        help = "close other programs, or ask for less: a smaller size, fewer frames, a smaller memory budget"
        return OnestoryError("U607", "not enough memory", help=help, exit=ExitCode.MACHINE)
    if isinstance(fault, OSError) and fault.errno in UNWRITABLE:
        message = f"{fault.strerror}: {fault.filename}" if fault.filename else str(fault.strerror)
        help = "finished shots are kept; make room or name another place, then give the same command again"
        return OnestoryError("U608", message, help=help, exit=ExitCode.MACHINE)
    return None


def _bug(fault: Exception, arguments: Sequence[str]) -> OnestoryError:
    """An error of ours: the traceback goes to a report file, one friendly line to the user."""
    import platform
    import tempfile
    import traceback

    system = f"onestory {__version__}, Python {sys.version}, {platform.platform()}"
    versions = [f"{name} {_installed(name)}" for name in LIBRARIES]
    facts = "\n".join([system, *versions, f"arguments: {arguments}"])
    text = facts + "\n\n" + "".join(traceback.format_exception(fault))
    with tempfile.NamedTemporaryFile("w", prefix="onestory-report-", suffix=".txt", delete=False) as file:
        file.write(text)
    message = f"this is a bug in onestory ({type(fault).__name__})"
    return OnestoryError("U609", message, help=f"please report it with {file.name}", exit=ExitCode.BUG)


def _installed(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
