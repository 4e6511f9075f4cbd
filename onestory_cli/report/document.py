"""The memory of a film as JSON; see `schemas/inspect-memory.v1.schema.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from onestory_cli.report.data import Frame, MemorySource, ShotMemory, ShotReport


def shot_document(shot: ShotReport) -> dict[str, Any]:
    """The memory of a shot, its take and caption."""
    record = shot.take.record
    return {
        "shot": shot.id,
        "number": shot.number,
        "take": shot.take.id,
        "take_number": record.take,
        "seed": record.spec["seed"],
        "caption": shot.caption,
        "mentions": [asdict(mention) for mention in shot.mentions],
        "reason": asdict(record.reason),
        "seconds": dict(record.seconds),
        "checks": [asdict(check) for check in record.checks],
        "noise_tokens": record.memory.noise_tokens,
        **memory_document(shot.memory),
    }


def memory_document(memory: ShotMemory) -> dict[str, Any]:
    """Settings, tokens, sources and all visible frames by rank."""
    return {
        "policy": memory.policy,
        "frames": memory.frames,
        "budget": memory.budget,
        "budget_tokens": memory.budget_tokens,
        "context_tokens": memory.tokens,
        "shown": {id: list(sources) for id, sources in memory.shown.items()},
        "sources": [_source(source) for source in memory.sources],
        "ranked": [_frame(rank, frame) for rank, frame in enumerate(memory.ranked, start=1)],
    }


def _source(source: MemorySource) -> dict[str, Any]:
    scores = [frame.score for frame in source.taken if frame.score is not None]
    return {
        "source": source.name,
        "digest": source.digest,
        "gap": source.gap,
        "frames": len(source.frames),
        "taken": len(source.taken),
        "tokens": source.tokens,
        "best": max(scores) if scores else None,
        "mean": sum(scores) / len(scores) if scores else None,
        "scores": [frame.score for frame in source.frames],
    }


def _frame(rank: int, frame: Frame) -> dict[str, Any]:
    return {
        "rank": rank,
        "source": frame.source,
        "index": frame.index,
        "score": frame.score,
        "taken": frame.place is not None,
        "level": frame.level or None,
        "tokens": frame.tokens,
    }
