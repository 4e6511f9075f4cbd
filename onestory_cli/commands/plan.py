"""`onestory plan`: what a render would do, what it would keep, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from onestory_cli.commands._completion import story_shots
from onestory_cli.commands._options import (
    AllowOutside,
    FindingsFormat,
    Json,
    Profile,
    RunFolder,
    Seed,
    StoryFile,
    flag,
    option,
)
from onestory_cli.commands._screen import Format, Screen, screen_of
from onestory_cli.errors import Diagnostic, ExitCode, Findings, shorten
from onestory_cli.planning.compile import compile_story
from onestory_cli.store.locate import existing_run, folder_for

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan, ShotJob
    from onestory_cli.store.explain import Cause
    from onestory_cli.store.reuse import Decision
    from onestory_cli.store.run import Run

FIELDS = {"caption": "resolved caption", "negative": "negative caption"}
COLUMNS = ("shot", "film", "steps", "tokens + context", "memory", "plan", "why")


def command(
    context: typer.Context,
    file: StoryFile,
    run: RunFolder = None,
    profile: Profile = None,
    seed: Seed = None,
    why: Annotated[
        str | None,
        option("--why", metavar="SHOT", help="Tell of one shot why, back to the edit.", autocompletion=story_shots),
    ] = None,
    exit_code: Annotated[bool, flag("--exit-code", help="Exit with 1 unless every shot would be kept.")] = False,
    allow_outside: AllowOutside = False,
    format: FindingsFormat = Format.FULL,
    json: Json = False,
) -> ExitCode:
    """Show what would be rendered and why, what would be kept, and what the model will read."""
    from onestory_cli.store.reuse import forecast

    try:
        plan, warnings = compile_story(file, profile=profile, seed=seed, allow_outside=allow_outside)
    except Findings as fault:
        if json or format is Format.JSON:
            raise
        screen_of(context).findings(fault.diagnostics, format=format)
        return fault.exit
    there = existing_run(run or folder_for(file))
    decisions = forecast(plan, there)
    if why:
        plan.job(why)
        show_why(screen_of(context), decisions, why, models=_models(plan, there), json=json or format is Format.JSON)
        return ExitCode.DONE
    show_plan(screen_of(context), plan, decisions, warnings, format=Format.JSON if json else format)
    pending = any(decision.action != "keep" for decision in decisions)
    return ExitCode.FINDINGS if exit_code and pending else ExitCode.DONE


def show_plan(
    screen: Screen,
    plan: Plan,
    decisions: Sequence[Decision],
    warnings: Sequence[Diagnostic],
    *,
    format: Format = Format.FULL,
) -> None:
    """For people: the captions as the model will read them, a row per shot, and the sum. For machines: all of it."""
    if format is Format.JSON:
        _show_document(screen, plan, decisions, warnings)
        return
    screen.findings(warnings, format=format)
    if format is not Format.GITHUB:  # its runner obeys what a line says, and a caption may say anything
        screen.lines([*(line for job in plan.jobs for line in _text(job)), ""])
    screen.table(COLUMNS, [_row(decision) for decision in decisions], right=("film", "steps"))
    screen.lines(["", _sum(decisions)])


def _models(plan: Plan, run: Run | None) -> dict[str, str]:
    """The names of the models that the run was made with and is to be made with, by fingerprint."""
    used = run.model_used() if run else None
    return {**({used.fingerprint: used.name} if used else {}), plan.model_fingerprint: plan.model.name}


def show_why(
    screen: Screen, decisions: Sequence[Decision], shot: str, *, models: Mapping[str, str], json: bool
) -> None:
    """The chain of causes behind what is decided about a shot."""
    from onestory_cli.store.explain import explain

    cause = explain(decisions, shot, models)
    if json:
        screen.document("why", **asdict(cause))
    else:
        screen.lines(_chain(cause))


def _chain(cause: Cause, indent: str = "") -> Iterator[str]:
    from onestory_cli.store.selection_diff import frames_text

    words = {"keep": "", "render": "render: ", "undecided": "undecided: "}
    kept = f" (take {cause.take}, {cause.id[:6]})" if cause.id else ""
    yield f"{indent}{cause.shot}: {words[cause.action]}{cause.reason}{kept}"
    for change in cause.changes:
        old, new = contrast(str(change.old), str(change.new))
        yield f"{indent}  {FIELDS.get(change.field) or change.field.replace('_', ' ')}: {old} -> {new}"
    if cause.remembers:
        yield f"{indent}  its take remembers {frames_text(cause.remembers)}"
    for inner in cause.because:
        yield from _chain(inner, indent + "  ")


def contrast(old: str, new: str, width: int = 60) -> tuple[str, str]:
    """Two texts for one line each: of long ones the words that both share at their ends give way, up to two."""
    if max(len(old), len(new)) <= width:
        return shorten(old, width), shorten(new, width)
    left, right = old.split(), new.split()
    head = _alike(left, right)
    tail = min(_alike(left[::-1], right[::-1]), min(len(left), len(right)) - head)
    start, end = max(0, head - 2), max(0, tail - 2)
    first, second = (" ".join(words[start : len(words) - end]) for words in (left, right))
    before, after = "… " * (start > 0), " …" * (end > 0)
    return shorten(f"{before}{first}{after}", 2 * width), shorten(f"{before}{second}{after}", 2 * width)


def _alike(left: Sequence[str], right: Sequence[str]) -> int:
    """How many words two texts have in common from their beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _show_document(screen: Screen, plan: Plan, decisions: Sequence[Decision], warnings: Sequence[Diagnostic]) -> None:
    screen.document(
        "plan",
        title=plan.story.title,
        model={"name": plan.model.name, "fingerprint": plan.model_fingerprint},
        pending=sum(decision.action != "keep" for decision in decisions),
        seconds=_seconds(decisions),
        shots=[_as_json(decision) for decision in decisions],
        findings=[asdict(warning) for warning in warnings],
    )


def _as_json(decision: Decision) -> dict[str, object]:
    return {
        **asdict(decision.job),
        "action": decision.action,
        "reason": asdict(decision.why),
        "take": decision.take.id if decision.take else None,
    }


def _text(job: ShotJob) -> Iterator[str]:
    """The caption that the model reads, and the subtitle."""
    yield f"{job.shot}: {job.caption}"
    if job.subtitle:
        yield f"  subtitle: {' / '.join(job.subtitle.splitlines())}"


def _row(decision: Decision) -> tuple[str, ...]:
    job = decision.job
    kept = f"keep {decision.take.id[:6]}" if decision.take and decision.action == "keep" else decision.action
    share = f" + {job.tokens.context} ({job.tokens.context / job.tokens.noise:.0%})" if job.tokens.context else ""
    return (
        job.shot,
        f"{job.clip_frames / job.fps:.1f} s",
        str(job.steps),
        f"{job.tokens.noise}{share}",
        _memory(job),
        kept,
        decision.why.detail if decision.action == "keep" else str(decision.why),
    )


def _memory(job: ShotJob) -> str:
    """How many frames a shot will remember, of how many shots and references that it can see, and of whom for sure."""
    sources = len(job.memory.sources)
    covers = f" with {', '.join(item.id for item in job.memory.shown)}" if job.memory.shown else ""
    return f"{job.memory.frames} frames of {sources} source{'' if sources == 1 else 's'}{covers}" if sources else "none"


def _sum(decisions: Sequence[Decision]) -> str:
    film = sum(decision.job.clip_frames / decision.job.fps for decision in decisions)
    count = Counter(decision.action for decision in decisions)
    parts = [f"{len(decisions)} shots, {film:.1f} s of film: {count['render']} to render"]
    if count["undecided"]:
        parts.append(f"{count['undecided']} decided when their memory is known")
    parts.append(f"{count['keep']} kept")
    if seconds := _seconds(decisions):
        parts.append(f"about {timedelta(seconds=round(seconds))} of work")
    return ", ".join(parts)


def _seconds(decisions: Sequence[Decision]) -> float | None:
    """How long the pending shots may take, judged by the takes that are there; None when there are none."""
    from onestory_cli.rendering.feasibility import seconds_per_token_step, token_steps

    rate = seconds_per_token_step([decision.take.record for decision in decisions if decision.take])
    pending = [decision.job for decision in decisions if decision.action != "keep"]
    return None if rate is None else rate * sum(map(token_steps, pending))
