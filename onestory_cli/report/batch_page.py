"""The page of a batch: a table of films for each story, with a row per profile and settings and a column per seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from onestory_cli.errors import OnestoryError
from onestory_cli.media.video import open_video, to_rgb
from onestory_cli.report.gallery import PagePicture, embedded_picture
from onestory_cli.report.html import render_whole
from onestory_cli.report.page_source import media_source, video_address
from onestory_cli.store.layout import FILM
from onestory_cli.store.run import Run
from onestory_cli.store.state import RunState
from onestory_cli.story.source import parse

MAX_STILLS = 6  # pictures of a film
STILL_WIDTH = 112
MAX_SETTINGS = 4  # named in a row


@dataclass(frozen=True, kw_only=True)
class BatchEntry:
    """A film of a batch as the page shows it: its run directory, its state, and the error that ended it or ""."""

    name: str
    run: Path
    state: str
    finding: str = ""


@dataclass(frozen=True, kw_only=True)
class GridFilm:
    """A film in the grid. `video` is the address of its film, "" if it is not joined."""

    entry: BatchEntry
    title: str
    row: str
    seed: int
    shots: int
    video: str
    stills: tuple[PagePicture, ...]


@dataclass(frozen=True, kw_only=True)
class FilmGrid:
    """The films of one story: `cells` maps a row (profile and settings) and a seed to a film."""

    title: str
    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: Mapping[tuple[str, int], GridFilm] = field(default_factory=dict)


def batch_page(entries: Sequence[BatchEntry], folder: Path) -> str:
    """Render the page of the films of a batch, which links to their videos relative to `folder`.

    Films without a readable run directory are listed with their error.
    """
    states = {entry.name: state for entry in entries if (state := _state(entry.run))}
    known = [entry for entry in entries if entry.name in states]
    values = {entry.name: _story_values(states[entry.name]) for entry in known}
    films = [_film(entry, states[entry.name], values, folder) for entry in known]
    return render_whole(
        "batch.html.j2",
        styles=("style.css", "grid.css"),
        scripts=("grid.js",),
        media=media_source(folder),
        name=folder.resolve().name,
        films=films,
        grids=[*_grids(films)],
        missing=[entry for entry in entries if entry.name not in states],
    )


def _state(run: Path) -> RunState | None:
    try:
        return Run.open(run).state()
    except OnestoryError:
        return None


def _film(entry: BatchEntry, state: RunState, values: Mapping[str, Mapping[str, object]], folder: Path) -> GridFilm:
    title = str(values[entry.name].get("title", entry.name))
    same_story = [each for each in values.values() if each.get("title") == values[entry.name].get("title")]
    settings = _differing(values[entry.name], same_story)
    file = entry.run / FILM
    joined = file if state.film and file.is_file() else None
    return GridFilm(
        entry=entry,
        title=title,
        row=", ".join([*([state.profile] if state.profile else []), *settings]) or "as written",
        seed=state.seed,
        shots=len(state.shots),
        video=video_address(folder)(joined) if joined else "",
        stills=tuple(_stills(joined, entry.name, min(MAX_STILLS, len(state.shots)))) if joined else (),
    )


def _grids(films: Sequence[GridFilm]) -> Iterator[FilmGrid]:
    for title in dict.fromkeys(film.title for film in films):
        found = [film for film in films if film.title == title]
        yield FilmGrid(
            title=title,
            rows=tuple(dict.fromkeys(film.row for film in found)),
            seeds=tuple(sorted({film.seed for film in found})),
            cells={(film.row, film.seed): film for film in found},
        )


def _story_values(state: RunState) -> dict[str, object]:
    """The values of a story by their paths, such as `defaults.steps`, without its seed."""
    try:
        flat = dict(_flatten(parse(state.source, "story.yaml").value, ""))
    except OnestoryError:
        return {}
    flat.pop("defaults.seed", None)
    return flat


def _flatten(value: object, path: str) -> Iterator[tuple[str, object]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = (
            (item.get("id", number) if isinstance(item, dict) else number, item) for number, item in enumerate(value)
        )
    else:
        yield path, value
    for key, item in items:
        yield from _flatten(item, f"{path}.{key}" if path else str(key))


def _differing(values: Mapping[str, object], others: Sequence[Mapping[str, object]]) -> list[str]:
    """The settings of a story that differ from those of another one, as `--set` writes them."""
    missing = object()
    paths = [path for path in values if any(other.get(path, missing) != values[path] for other in others)]
    texts = dict.fromkeys(f"{_all_shots(path)}={values[path]}" for path in paths)
    return [*texts][:MAX_SETTINGS] + (["..."] if len(texts) > MAX_SETTINGS else [])


def _all_shots(path: str) -> str:
    """`shots.*.steps` for `shots.city.steps`."""
    first, _, rest = path.partition(".")
    return f"shots.*.{rest.partition('.')[2]}" if first == "shots" else path


def _stills(film: Path, name: str, count: int) -> Iterator[PagePicture]:
    """Pictures at equal distances in a film; fewer if it cannot be read."""
    try:
        for number, pixels_HW3 in enumerate(_sample(film, count)):
            yield embedded_picture(f"{name}-{number}", pixels_HW3, max_width=STILL_WIDTH)
    except OnestoryError:
        return


def _sample(film: Path, count: int) -> Iterator[np.ndarray]:
    """`count` frames (H, W, 3) from the middle of equal parts of a film, each decoded from its keyframe."""
    with open_video(film) as container:
        stream = container.streams.video[0]
        length = float((stream.duration or 0) * (stream.time_base or 0))
        for number in range(count):
            wanted = length * (number + 0.5) / count
            container.seek(int(wanted / float(stream.time_base or 1)), stream=stream)
            frames = (frame for frame in container.decode(stream) if (frame.time or 0.0) >= wanted - 0.05)
            frame = next(frames, None)
            if frame is not None:
                yield to_rgb(frame)
