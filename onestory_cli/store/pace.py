"""How fast shots were made, by the takes that are there: time goes by tokens, once for each step."""

from __future__ import annotations

from collections.abc import Sequence

from onestory_cli.planning.jobs import ShotJob
from onestory_cli.store.record import Record


def seconds_per_token_step(records: Sequence[Record]) -> float | None:
    """Seconds of a token in a step; None without takes."""
    work = sum(
        int(item.spec["steps"] or 1) * (item.memory.noise_tokens + item.memory.context_tokens) for item in records
    )
    return sum(sum(item.seconds.values()) for item in records) / work if work else None


def token_steps(job: ShotJob) -> int:
    """What the time of a shot goes by."""
    return job.steps * (job.tokens.noise + job.tokens.context)
