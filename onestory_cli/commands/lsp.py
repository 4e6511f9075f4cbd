"""`onestory lsp`: a language server for stories, over stdin and stdout."""

from __future__ import annotations

from onestory_cli.errors import ExitCode, OnestoryError


def command() -> ExitCode:
    """Run the language server for .story.yaml files; editors start it."""
    try:
        from onestory_cli.lsp.server import serve
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        help = "run pip install 'onestory[lsp]'"
        raise OnestoryError("U610", "pygls is not installed", help=help, exit=ExitCode.MACHINE) from fault
    serve()
    return ExitCode.DONE
