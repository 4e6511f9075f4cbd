"""Format durations, counts, frames, long names and shell arguments, and clean untrusted text before it is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

# Control characters except tab, marks and overrides of text direction, and line separators: a terminal, a log or a
# build server may act on them instead of showing them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return untrusted text as one line, with U+FFFD for each line break, control character and direction mark."""
    return _UNPRINTABLE.sub("\ufffd", text)


def printable_json(document: str) -> str:
    """Escape in a JSON document what `printable` replaces. The document is one line, and its value stays the same."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def file_size(count: int) -> str:
    """Return bytes as text, such as "2.1 GB" or "40 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6))} MB"


def duration(seconds: float) -> str:
    """Format seconds: `0.9 s`, `42 s`, `3:05`, `1:02:03`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def pluralize(number: int, noun: str) -> str:
    """Format a count: `1 shot`, `2 shots`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_frames(frames: Iterable[tuple[str, int]]) -> str:
    """Format frames (source, index) by source, in the given order: `opening[2,3], city[0]`; "" for no frames."""
    by_source: dict[str, list[str]] = {}
    for source, index in frames:
        by_source.setdefault(source, []).append(str(index))
    return ", ".join(f"{source}[{','.join(indices)}]" for source, indices in by_source.items())


def shorten_middle(name: str, width: int) -> str:
    """Shorten a name to `width` characters. Its beginning and end stay, because series of names differ there."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[-end:]}"


def with_article(phrase: str) -> str:
    """Return a phrase with its indefinite article: "a red fox", "an orange fox"."""
    return f"{'an' if phrase.startswith(tuple('aeiou')) else 'a'} {phrase}"


def shell_quote(path: Path | str) -> str:
    """Quote a path for a shell command: `'my film.run'`."""
    return shlex.quote(str(path))


def is_typo(word: str, known: str) -> bool:
    """Whether `word` is `known` with one typing error, or two in a long word, after the same first letter."""
    left, right = word.lstrip("-"), known.lstrip("-")
    return left[:1] == right[:1] and left != right and _distance(left[:40], right) <= 1 + (len(right) > 5)


def _distance(left: str, right: str) -> int:
    """Edit distance in which a transposition, insertion or deletion costs 1 and a substitution 2."""
    rows: list[list[int]] = [list(range(len(right) + 1))]
    for i, one in enumerate(left, start=1):
        row = [i]
        for j, other in enumerate(right, start=1):
            costs = [rows[-1][j] + 1, row[j - 1] + 1, rows[-1][j - 1] + 2 * (one != other)]
            if i > 1 and j > 1 and (one, other) == (right[j - 2], left[i - 2]):
                costs.append(rows[-2][j - 2] + 1)
            row.append(min(costs))
        rows.append(row)
    return rows[-1][-1]
