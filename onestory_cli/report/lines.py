"""Format memories as terminal lines of (text, style) parts, readable without styles.

A *heat row* has one character per latent frame of a source: a block as high as its score relative to all visible
frames, or a dot for a frame that was not selected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory, ShotReport
from onestory_cli.report.what_if import SelectionChange
from onestory_cli.utils.text import format_frames, shorten_middle

Part = tuple[str, str]  # text and style
Line = tuple[Part, ...]

BLOCKS, NOT_TAKEN = "▁▂▃▄▅▆▇█", "·"
MAX_HEAT = 24  # characters; in longer sources, each shows the best of several frames
BAR = 12  # characters of a full bar
MIN_NAME = 12  # characters of a name in the narrowest terminal
WIDE = 10_000  # wider than any row
NAME, TAKEN, DIM, HEAT, HEAD = "bold", "cyan", "dim", "yellow", "bold dim"
COLUMNS = ("shot / source", "back", "relevance", "levels", "frames", "best", "mean", "tokens")
RIGHT = {"back", "frames", "best", "mean", "tokens"}


def overview(film: FilmReport, memories: Sequence[ShotMemory], *, width: int = WIDE) -> Iterator[Line]:
    """A line per shot with its budget, followed by a line per source that it selected frames of.

    Names are shortened in the middle to fit `width` characters.
    """
    cells = [[_cells(source, memory) for source in _used(memory)] for memory in memories]
    widths = _widths([COLUMNS, *(row for rows in cells for row in rows)], film)
    widths[0] = min(widths[0], max(MIN_NAME, width - _width_without_names(memories, widths)))
    cells = [[(shorten_middle(row[0], widths[0]), *row[1:]) for row in rows] for rows in cells]
    yield ((film.title, NAME), (f": {_count(len(film.shots), 'shot')}, model {film.state.model.name}", DIM))
    yield ()
    yield (("    " + _aligned(COLUMNS, widths).rstrip(), HEAD),)
    for shot, memory, rows in zip(film.shots, memories, cells, strict=True):
        yield _shot_line(shot, memory, widths[0])
        for row in rows:
            yield _source_line(row, widths)
    for item in film.left_out:
        yield (("-   ", DIM), (shorten_middle(item.shot, widths[0]).ljust(widths[0]), NAME), (f"  {item.why}", DIM))
    if legend := _legend(memories):
        yield ()
        yield ((legend, DIM),)


def _shot_line(shot: ShotReport, memory: ShotMemory, width: int) -> Line:
    take = f"take {shot.take.record.take} {shot.take.id[:6]}: {shot.take.record.reason}"
    head: Line = ((f"{shot.number:<4}", DIM), (shorten_middle(shot.id, width).ljust(width), NAME))
    if not memory.sources:
        return (*head, ("  sees no other shot", DIM), (f", {take}", DIM))
    spent = _spent(memory)
    return (*head, ("  ", ""), (bar(memory.tokens, memory.budget_tokens), TAKEN), (spent, ""), (f", {take}", DIM))


def _spent(memory: ShotMemory) -> str:
    return f" {memory.tokens} of {memory.budget_tokens} tokens, {memory.policy}"


def _width_without_names(memories: Sequence[ShotMemory], widths: Sequence[int]) -> int:
    """Width of the widest row without its name, up to the reason of a take."""
    of_shots = [len("  ") + BAR + len(_spent(memory)) + len(", take 0 ed4600: new") for memory in memories]
    return 4 + max(sum(widths[1:]) + 2 * (len(widths) - 1), *of_shots, 0)


def policy_of(memory: ShotMemory) -> str:
    """The policy, and the ids of which it selects a frame first: "coverage (fox, beach)"."""
    covers = memory.policy == "coverage" and memory.shown
    return f"{memory.policy} ({', '.join(memory.shown)})" if covers else memory.policy


def _source_line(cells: Sequence[str], widths: Sequence[int]) -> Line:
    texts = _aligned(cells, widths).rstrip()
    start = sum(widths[:2]) + 2 * 2
    end = start + widths[2]
    return (("    " + texts[:start], ""), (texts[start:end], HEAT), (texts[end:], ""))


def _used(memory: ShotMemory) -> list[MemorySource]:
    """The sources of selected frames, ordered by their most relevant frame."""
    return sorted((source for source in memory.sources if source.taken), key=lambda item: min(_places(item)))


def _places(source: MemorySource) -> list[int]:
    return [frame.place or 0 for frame in source.taken]


def _cells(source: MemorySource, memory: ShotMemory) -> tuple[str, ...]:
    scores = [frame.score for frame in source.taken if frame.score is not None]
    return (
        f"  {source.name}",
        "" if source.gap is None else str(source.gap),
        heat(source, memory),
        levels_of(source.taken),
        f"{len(source.taken)} of {len(source.frames)}",
        f"{max(scores):.2f}" if scores else "",
        f"{sum(scores) / len(scores):.2f}" if scores else "",
        str(source.tokens),
    )


def heat(source: MemorySource, memory: ShotMemory) -> str:
    """The heat row of a source."""
    low, high = memory.score_range
    step = -(-len(source.frames) // MAX_HEAT) or 1
    groups = [source.frames[start : start + step] for start in range(0, len(source.frames), step)]
    return "".join(_block([frame for frame in group if frame.place], low, high) for group in groups)


def _block(taken: Sequence[Frame], low: float, high: float) -> str:
    if not taken:
        return NOT_TAKEN
    score = max((frame.score for frame in taken if frame.score is not None), default=high)
    share = (score - low) / (high - low) if high > low else 1.0
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]


def levels_of(frames: Iterable[Frame]) -> str:
    """Number of frames per level, finest first: "3f 2m"."""
    counts = Counter(frame.level for frame in sorted(frames, key=lambda frame: -frame.tokens))
    return " ".join(f"{count}{level[:1]}" for level, count in counts.items())


def _legend(memories: Sequence[ShotMemory]) -> str:
    taken = sorted((frame for memory in memories for frame in memory.taken), key=lambda frame: -frame.tokens)
    levels = dict.fromkeys(frame.level for frame in taken)
    if not levels:
        return ""
    named = ", ".join(f"{level[:1]} {level}" for level in levels)
    return f"a block per frame taken, {NOT_TAKEN} not taken; {named}"


def bar(part: float, whole: float, width: int = BAR) -> str:
    """A bar of `width` characters, filled to `part` of `whole` and shaded beyond."""
    filled = int(width * min(part / whole, 1.0)) if whole else 0  # round down: only a full bar looks full
    return "█" * filled + "░" * (width - filled)


def detail(shot: ShotReport, before: ShotMemory, after: ShotMemory | None, *, shots: int) -> Iterator[Line]:
    """A shot in full: caption, budget, and every visible frame by rank."""
    record, memory = shot.take.record, after or before
    about = f"  shot {shot.number} of {shots}, take {record.take} {shot.take.id[:6]}: {record.reason}"
    yield ((shot.id, NAME), (about, DIM))
    yield marked_caption(shot)
    yield ()
    if not before.sources:
        yield (("No other shot is visible.", ""),)
        return
    seen = f"{len(memory.taken)} of {_count(len(memory.visible), 'frame')} taken"
    yield (
        (f"{policy_of(memory)}, {seen}, ", ""),
        (bar(memory.tokens, memory.budget_tokens), TAKEN),
        (f" {memory.tokens} of {memory.budget_tokens} tokens", ""),
    )
    yield ()
    yield from _ranking(memory, before if after else None)


def marked_caption(shot: ShotReport) -> Line:
    """The resolved caption, with ids after the texts that they produced."""
    parts: list[Part] = []
    position = 0
    for mention in shot.mentions:
        parts.append((shot.caption[position : mention.start], ""))
        parts.append((shot.caption[mention.start : mention.end], "bold magenta" if mention.full else "magenta"))
        parts.append((f" (${mention.id})", DIM))
        position = mention.end
    return (*parts, (shot.caption[position:], ""))


def _ranking(memory: ShotMemory, before: ShotMemory | None) -> Iterator[Line]:
    old = {(frame.source, frame.index): frame for frame in before.taken} if before else {}
    ranked = memory.ranked
    width = max(5, *(len(str(frame)) for frame in ranked))
    levels = max(9, *(len(frame.level) for frame in [*ranked, *old.values()]))
    was = f"  {'was':<{levels}}" if before else ""
    yield ((f"{'rank':>4}  {'frame':<{width}}  {'score':>6}  {'relevance':<{BAR}}  {'level':<{levels}}{was}", HEAD),)
    low, high = memory.score_range
    for rank, frame in enumerate(ranked, start=1):
        score = "" if frame.score is None else f"{frame.score:.2f}"
        row = f"{rank:>4}  {frame!s:<{width}}  {score:>6}  "
        share = bar(0 if frame.score is None else frame.score - low, high - low or 1.0)
        parts: list[Part] = [(row, "" if frame.place else DIM), (share, HEAT if frame.place else DIM)]
        parts.append((f"  {frame.level or 'not taken':<{levels}}", TAKEN if frame.place else DIM))
        if before:
            earlier = old.get((frame.source, frame.index))
            before_level = earlier.level if earlier else "not taken"
            changed = before_level != (frame.level or "not taken")
            parts.append((f"  {before_level if changed else ''}".rstrip(), NAME))
        yield tuple(parts)


def change_line(change: SelectionChange, before: ShotMemory, after: ShotMemory) -> str:
    """The change of a selection as a predicate: "adds opening[2]; 4 -> 6 tokens"."""
    parts = [
        f"adds {names_of(change.added)}" if change.added else "",
        f"drops {names_of(change.dropped)}" if change.dropped else "",
        f"sees {names_of(change.relevelled)} at another level" if change.relevelled else "",
    ]
    changes = ", ".join(filter(None, parts)) or "changes no frame and no level"
    return f"{changes}; {before.tokens} -> {after.tokens} tokens"


def names_of(frames: Sequence[Frame]) -> str:
    """Frames by their sources: "opening[0,4], city[2]"."""
    return format_frames((frame.source, frame.index) for frame in sorted(frames, key=lambda frame: frame.index))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(cells, widths, COLUMNS, strict=True)
    return "  ".join(cell.rjust(width) if name in RIGHT else cell.ljust(width) for cell, width, name in pairs)


def _widths(rows: Sequence[Sequence[str]], film: FilmReport) -> list[int]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    ids = [len(shot.id) for shot in film.shots] + [len(id) for id in film.missing]
    return [max([widths[0], *ids]), *widths[1:]]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
