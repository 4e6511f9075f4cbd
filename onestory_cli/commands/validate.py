"""`onestory validate`: everything that is wrong with a story, before any work."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import AllowOutside, FindingsFormat, Json, Profile, argument
from onestory_cli.commands._screen import Format, Screen, screen_of
from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError
from onestory_cli.planning.compile import compile_story


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A file and its findings; `shots` is 0 when the story cannot be planned."""

    file: Path
    shots: int = 0
    findings: tuple[Diagnostic, ...]
    exit: ExitCode = ExitCode.DONE


def command(
    context: typer.Context,
    files: Annotated[list[Path], argument(metavar="FILE...", help="Stories to check.")],
    profile: Profile = None,
    allow_outside: AllowOutside = False,
    format: FindingsFormat = Format.FULL,
    json: Json = False,
) -> ExitCode:
    """Check stories and show all findings at once."""
    checked = [_check(file, profile, allow_outside) for file in files]
    screen = screen_of(context)
    if json or format is Format.JSON:
        screen.document(
            "validate", ok=not any(item.exit for item in checked), files=[_as_json(item) for item in checked]
        )
    else:
        screen.findings([finding for item in checked for finding in item.findings], format=format, result=True)
        _summarize(checked, screen)
    return max(item.exit for item in checked)


def _check(file: Path, profile: str | None, allow_outside: bool) -> Checked:
    try:
        plan, warnings = compile_story(file, profile=profile, allow_outside=allow_outside, fingerprint=False)
    except OnestoryError as fault:
        return Checked(file=file, findings=fault.diagnostics, exit=fault.exit)
    return Checked(file=file, shots=len(plan.jobs), findings=warnings)


def _as_json(item: Checked) -> dict[str, object]:
    return {
        "file": str(item.file),
        "ok": not item.exit,
        "shots": item.shots,
        "findings": [asdict(finding) for finding in item.findings],
    }


def _summarize(checked: list[Checked], screen: Screen) -> None:
    for item in checked:
        count = Counter(finding.severity for finding in item.findings)
        good = f"ok, {_number(item.shots, 'shot')}"
        found = ", ".join(_number(count[kind], kind) for kind in ("error", "warning") if count[kind])
        text = f"{good}, {found}" if found and not item.exit else found or good
        screen.note(f"{item.file}: {text}", style="red" if item.exit else "green")


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
