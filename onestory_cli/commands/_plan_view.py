"""The plan on the screen: captions, a table of shots, the reasons, or a JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from onestory_cli.commands._screen import OutputFormat, Screen
from onestory_cli.errors import Diagnostic, shorten
from onestory_cli.utils.text import pluralize

if TYPE_CHECKING:
    from onestory_cli.planning.jobs import Plan, ShotJob
    from onestory_cli.store.explain import Cause
    from onestory_cli.store.reuse import Decision

FIELDS = {"caption": "resolved caption", "negative": "negative caption"}
COLUMNS = ("shot", "film", "steps", "tokens + context", "memory", "plan", "why")


def show_plan(
    screen: Screen,
    plan: Plan,
    decisions: Sequence[Decision],
    warnings: Sequence[Diagnostic],
    *,
    format: OutputFormat = OutputFormat.FULL,
    next: Sequence[str] = (),
) -> None:
    """Print resolved captions, a row per shot and the totals, or the JSON document with everything.

    `next` are commands that make sense now.
    """
    if format is OutputFormat.JSON:
        _show_document(screen, plan, decisions, warnings, next)
        return
    screen.findings(warnings, format=format)
    if format is not OutputFormat.GITHUB:  # a GitHub runner obeys lines, and a caption may say anything
        screen.lines([*_included(plan), *(line for job in plan.jobs for line in _text(job)), ""])
    screen.table(COLUMNS, [_row(decision) for decision in decisions], right=("film", "steps"))
    screen.lines(["", _totals(decisions)])


def show_why(
    screen: Screen, decisions: Sequence[Decision], shot: str, *, models: Mapping[str, str], json: bool
) -> None:
    """Print the chain of causes behind the decision about a shot. `models` are names by fingerprint."""
    from onestory_cli.store.explain import explain

    cause = explain(decisions, shot, models)
    if json:
        screen.document("why", **asdict(cause))
    else:
        screen.lines(_chain(cause))


def _chain(cause: Cause, indent: str = "") -> Iterator[str]:
    from onestory_cli.store.changes import frames_text

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
    """Shorten two texts to one line each. In long ones, common words at both ends are cut, except two."""
    if max(len(old), len(new)) <= width:
        return shorten(old, width), shorten(new, width)
    left, right = old.split(), new.split()
    head = _common(left, right)
    tail = min(_common(left[::-1], right[::-1]), min(len(left), len(right)) - head)
    start, end = max(0, head - 2), max(0, tail - 2)
    first, second = (" ".join(words[start : len(words) - end]) for words in (left, right))
    before, after = "… " * (start > 0), " …" * (end > 0)
    return shorten(f"{before}{first}{after}", 2 * width), shorten(f"{before}{second}{after}", 2 * width)


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """The number of equal words at the beginning of two texts."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def _show_document(
    screen: Screen,
    plan: Plan,
    decisions: Sequence[Decision],
    warnings: Sequence[Diagnostic],
    next: Sequence[str],
) -> None:
    from onestory_cli.rendering.price import price_of

    price = price_of(plan, decisions)
    screen.document(
        "plan",
        title=plan.story.title,
        model={"name": plan.model.name, "fingerprint": plan.model_fingerprint},
        include=[{"path": item.path, "ids": list(item.ids)} for item in plan.story.included],
        pending=sum(decision.action != "keep" for decision in decisions),
        seconds=price.seconds,
        price=asdict(price),
        shots=[_as_json(decision) for decision in decisions],
        findings=[asdict(warning) for warning in warnings],
        next=list(next),
    )


def _as_json(decision: Decision) -> dict[str, object]:
    return {
        **asdict(decision.job),
        "action": decision.action,
        "reason": asdict(decision.why),
        "take": decision.take.id if decision.take else None,
    }


def _included(plan: Plan) -> Iterator[str]:
    """The included files with the ids that each declares."""
    for item in plan.story.included:
        yield f"include {item.path}: {', '.join(item.ids) or 'nothing'}"


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
    """The number of remembered frames and of visible sources, and the characters that are always among them."""
    sources = len(job.memory.sources)
    if not sources:
        return "none"
    shown = f" with {', '.join(item.id for item in job.memory.shown)}" if job.memory.shown else ""
    return f"{job.memory.frames} frames of {pluralize(sources, 'source')}{shown}"


def _totals(decisions: Sequence[Decision]) -> str:
    from onestory_cli.rendering.price import seconds_of

    film = sum(decision.job.clip_frames / decision.job.fps for decision in decisions)
    count = Counter(decision.action for decision in decisions)
    parts = [f"{pluralize(len(decisions), 'shot')}, {film:.1f} s of film: {count['render']} to render"]
    if count["undecided"]:
        parts.append(f"{count['undecided']} undecided until their memory is known")
    parts.append(f"{count['keep']} kept")
    if seconds := seconds_of(decisions):
        parts.append(f"about {timedelta(seconds=round(seconds))} of rendering")
    return ", ".join(parts)
