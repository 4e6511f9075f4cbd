"""Memory as lines for a terminal: parts of text, each with a style; all of it reads without any style too.

A *heat row* has one character per latent frame of a source: a block as high as the frame's score among all that the
shot can see, and a dot for a frame that was not taken.
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
MAX_HEAT = 24  # characters; of a longer source, each stands for the best of several frames
BAR = 12  # characters of a full bar
MIN_NAME = 12  # characters of a name in the narrowest terminal
WIDE = 10_000  # more than any row has
NAME, TAKEN, DIM, HEAT, HEAD = "bold", "cyan", "dim", "yellow", "bold dim"
COLUMNS = ("shot / source", "back", "relevance", "levels", "frames", "best", "mean", "tokens")
RIGHT = {"back", "frames", "best", "mean", "tokens"}


def overview(film: FilmReport, memories: Sequence[ShotMemory], *, width: int = WIDE) -> Iterator[Line]:
    """Every shot with what it may spend, and under it a line for each source that it took from.

    Names are cut in their middle where the rows would not fit into `width` characters.
    """
    cells = [[_cells(source, memory) for source in _used(memory)] for memory in memories]
    widths = _widths([COLUMNS, *(row for rows in cells for row in rows)], film)
    widths[0] = min(widths[0], max(MIN_NAME, width - _beside_names(memories, widths)))
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
    return f" {memory.tokens} of {memory.budget_tokens} tokens, {policy_of(memory)}"


def _beside_names(memories: Sequence[ShotMemory], widths: Sequence[int]) -> int:
    """How many characters a row has beside its name: a source's, or a shot's up to its take's reason."""
    of_shots = [len("  ") + BAR + len(_spent(memory)) + len(", take 0 ed4600: new") for memory in memories]
    return 4 + max(sum(widths[1:]) + 2 * (len(widths) - 1), *of_shots, 0)


def policy_of(memory: ShotMemory) -> str:
    """The policy, and what it had to keep a frame of: "coverage (fox, beach)"."""
    covers = memory.policy == "coverage" and memory.shown
    return f"{memory.policy} ({', '.join(memory.shown)})" if covers else memory.policy


def _source_line(cells: Sequence[str], widths: Sequence[int]) -> Line:
    texts = _aligned(cells, widths).rstrip()
    start = sum(widths[:2]) + 2 * 2
    end = start + widths[2]
    return (("    " + texts[:start], ""), (texts[start:end], HEAT), (texts[end:], ""))


def _used(memory: ShotMemory) -> list[MemorySource]:
    """The sources that the shot took from; the one that it took the most relevant frame from comes first."""
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
    scores = [frame.score for frame in memory.visible if frame.score is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
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
    """How many frames have which level, the finest first: "3f 2m"."""
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
    filled = int(width * min(part / whole, 1.0)) if whole else 0  # down: full is full
    return "█" * filled + "░" * (width - filled)


def detail(shot: ShotReport, before: ShotMemory, after: ShotMemory | None, *, shots: int) -> Iterator[Line]:
    """One shot in full: its caption, what it may spend, and every frame that it sees, by rank."""
    record, memory = shot.take.record, after or before
    about = f"  shot {shot.number} of {shots}, take {record.take} {shot.take.id[:6]}: {record.reason}"
    yield ((shot.id, NAME), (about, DIM))
    yield marked_caption(shot)
    yield ()
    if not before.sources:
        yield (("It sees no other shot.", ""),)
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
    """The resolved caption, with the id behind each text that came from one."""
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
    scores = [frame.score for frame in ranked if frame.score is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    for rank, frame in enumerate(ranked, start=1):
        score = "" if frame.score is None else f"{frame.score:.2f}"
        row = f"{rank:>4}  {frame!s:<{width}}  {score:>6}  "
        share = bar(0 if frame.score is None else frame.score - low, high - low or 1.0)
        parts: list[Part] = [(row, "" if frame.place else DIM), (share, HEAT if frame.place else DIM)]
        parts.append((f"  {frame.level or 'not taken':<{levels}}", TAKEN if frame.place else DIM))
        if before:
            earlier = old.get((frame.source, frame.index))
            said = earlier.level if earlier else "not taken"
            parts.append((f"  {said if said != (frame.level or 'not taken') else ''}".rstrip(), NAME))
        yield tuple(parts)


def change_line(change: SelectionChange, before: ShotMemory, after: ShotMemory) -> str:
    """What another selection means, in one sentence without its beginning: "takes in ..."."""
    parts = [
        f"takes in {names_of(change.added)}" if change.added else "",
        f"drops {names_of(change.dropped)}" if change.dropped else "",
        f"sees {names_of(change.relevelled)} at another level" if change.relevelled else "",
    ]
    said = ", ".join(filter(None, parts)) or "changes no frame and no level"
    return f"{said}; {before.tokens} -> {after.tokens} tokens"


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
