"""`onestory validate`: everything that is wrong with a story, before any work."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._ci_results import FailOn, has_failed
from onestory_cli.commands._options import AllowOutside, FindingsFormat, Json, Profile, argument
from onestory_cli.commands._screen import OutputFormat, Screen, screen_of
from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError
from onestory_cli.planning.compile import compile_story
from onestory_cli.utils.text import pluralize, shell_quote


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """A file and its findings; `shots` is 0 if the story cannot be planned."""

    file: Path
    shots: int = 0
    findings: tuple[Diagnostic, ...]
    exit: ExitCode = ExitCode.DONE


def command(
    context: typer.Context,
    files: Annotated[list[Path], argument(metavar="FILE...", help="Stories to check.")],
    profile: Profile = None,
    fail_on: FailOn = None,
    allow_outside: AllowOutside = False,
    format: FindingsFormat = OutputFormat.FULL,
    json: Json = False,
) -> ExitCode:
    """Check stories and show all findings at once."""
    results = [_check(file, profile, allow_outside, fail_on) for file in files]
    screen = screen_of(context)
    if json or format is OutputFormat.JSON:
        ok = [item for item in results if not item.exit]
        screen.document(
            "validate",
            ok=len(ok) == len(results),
            files=[_as_json(item) for item in results],
            next=[f"onestory plan {shell_quote(item.file)}" for item in ok],
        )
    else:
        screen.findings([finding for item in results for finding in item.findings], format=format, result=True)
        _summarize(results, screen)
    return max(item.exit for item in results)


def _check(file: Path, profile: str | None, allow_outside: bool, fail_on: str | None) -> FileResult:
    try:
        plan, warnings = compile_story(file, profile=profile, allow_outside=allow_outside, fingerprint=False)
    except OnestoryError as fault:
        return FileResult(file=file, findings=fault.diagnostics, exit=fault.exit)
    exit = ExitCode.FINDINGS if has_failed(warnings, fail_on) else ExitCode.DONE
    return FileResult(file=file, shots=len(plan.jobs), findings=warnings, exit=exit)


def _as_json(item: FileResult) -> dict[str, object]:
    return {
        "file": str(item.file),
        "ok": not item.exit,
        "shots": item.shots,
        "findings": [asdict(finding) for finding in item.findings],
    }


def _summarize(results: list[FileResult], screen: Screen) -> None:
    for item in results:
        count = Counter(finding.severity for finding in item.findings)
        good = f"ok, {pluralize(item.shots, 'shot')}"
        found = ", ".join(pluralize(count[kind], kind) for kind in ("error", "warning") if count[kind])
        text = f"{good}, {found}" if found and not item.exit else found or good
        screen.note(f"{item.file}: {text}", style="red" if item.exit else "green")
