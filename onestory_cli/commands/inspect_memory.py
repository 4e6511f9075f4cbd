"""`onestory inspect-memory`: what each shot took from which, how relevant it was, and at what price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands.options import Json, RunArgument
from onestory_cli.commands.runs import accepted_takes, find_run
from onestory_cli.commands.screen import screen_of
from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean

if TYPE_CHECKING:
    from onestory_cli.store.takes import Take

COLUMNS = ("shot", "from", "frames (relevance)", "levels", "tokens", "of budget", "policy", "rendered because")


def command(
    context: typer.Context,
    folder: RunArgument = None,
    shot: Annotated[
        str | None, typer.Option("--shot", metavar="SHOT", help="Only this shot.", show_default=False)
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Show what each shot remembered, how relevant it was, and at what price."""
    run = find_run(folder)
    takes = _only(shot, accepted_takes(run))
    screen = screen_of(context)
    if json:
        document = [_as_json(name, take) for name, take in takes.items()]
        screen.document("inspect-memory", run=str(run.path), shots=document)
    else:
        rows = [row for name, take in takes.items() for row in _rows(name, take)]
        screen.table(COLUMNS, rows, right=("tokens", "of budget"))
    return ExitCode.DONE


def _only(shot: str | None, takes: dict[str, Take]) -> dict[str, Take]:
    if shot is None:
        return takes
    if shot not in takes:
        help = did_you_mean(shot, takes) or f"rendered are: {', '.join(takes) or 'none yet'}"
        raise OnestoryError("S230", f'no shot "{shot}" in the run', help=help, exit=ExitCode.USAGE)
    return {shot: takes[shot]}


def _rows(name: str, take: Take) -> Iterator[tuple[str, ...]]:
    """One row per source, the most relevant first; what counts for the whole shot stands in its first row."""
    record, memory = take.record, take.record.memory
    sources = list(dict.fromkeys(frame.source for frame in memory.selected)) or ["nothing"]
    for source in sources:
        first = source == sources[0]
        frames = [frame for frame in memory.selected if frame.source == source]
        yield (
            name if first else "",
            source,
            ", ".join(f"{frame.index} ({frame.score:.2f})" for frame in frames),
            ", ".join(frame.level for frame in frames),
            str(sum(frame.tokens for frame in frames)),
            f"{memory.context_tokens} of {_budget_tokens(take)}" if first and memory.visible else "",
            _policy(take) if first else "",
            str(record.reason) if first else "",
        )


def _policy(take: Take) -> str:
    """The policy, and what it had to keep a frame of."""
    policy, shown = str(take.record.spec["memory_policy"]), take.record.memory.shown
    return f"{policy} ({', '.join(shown)})" if shown else policy


def _budget_tokens(take: Take) -> int:
    """The most context tokens that the shot may have had: its budget times the tokens of one latent frame."""
    per_frame = take.record.memory.noise_tokens // take.latents().shape[1]
    return int(float(take.record.spec["memory_budget"] or 0) * per_frame)


def _as_json(name: str, take: Take) -> dict[str, object]:
    record = take.record
    return {
        "shot": name,
        "take": take.id,
        "policy": record.spec["memory_policy"],
        "frames": record.spec["memory_frames"],
        "budget": record.spec["memory_budget"],
        "budget_tokens": _budget_tokens(take),
        **asdict(record.memory),
        "reason": asdict(record.reason),
    }
