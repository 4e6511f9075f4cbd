from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from onestory_cli.memory.levels import LEVELS
from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory
from onestory_cli.report.lines import Line, bar, change_line, detail, heat, levels_of, marked_caption, overview
from onestory_cli.report.what_if import SelectionChange, WhatIfSettings, select_again
from tests.commands.conftest import change
from tests.report.conftest import film_of, render_story


def text(lines: Iterable[Line]) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


def memory_of(*frames: Frame) -> ShotMemory:
    source = MemorySource(name="opening", digest="d", gap=1, frames=frames, file=None)
    return ShotMemory(policy="adaptive", frames=8, budget=4.0, per_frame=16, sources=(source,), shown={})


def frames(*scores: float, taken: int, levels: str = "fine") -> list[Frame]:
    """Frames of one source; the first `taken` of them are selected, in order."""
    return [
        Frame(source="opening", index=index, score=score, place=index + 1, level=levels, tokens=16)
        if index < taken
        else Frame(source="opening", index=index, score=score)
        for index, score in enumerate(scores)
    ]


def test_the_overview(film: FilmReport) -> None:
    shown = text(overview(film, [shot.memory for shot in film.shots])).splitlines()
    assert shown[0] == "The Lost Kite: 3 shots, model model"
    assert shown[2].split() == [
        "shot",
        "/",
        "source",
        "back",
        "relevance",
        "levels",
        "frames",
        "best",
        "mean",
        "tokens",
    ]
    assert shown[3].startswith("1   opening        sees no other shot, take 0 ")
    assert "██████░░░░░░ 2 of 4 tokens, adaptive, take 0" in shown[4]
    assert shown[5].split()[:6] == ["opening", "1", shown[5].split()[2], "2m", "2", "of"]
    assert max(map(len, shown)) <= 80
    assert shown[-1] == "a block per frame taken, · not taken; m medium"


def test_a_shot_that_is_missing_has_a_line(film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    film = film_of(film_run)
    assert "-   city           record.json: " in text(overview(film, [shot.memory for shot in film.shots]))
    shutil.rmtree(film_run / "shots" / "city")
    film = film_of(film_run)
    assert "-   city           record.json: missing" in text(overview(film, [shot.memory for shot in film.shots]))


def test_long_names_are_shortened_in_the_middle_on_narrow_terminals(story: Path) -> None:
    change(story, "id: opening", "id: a-shot-with-a-very-long-name-1")
    film = render_story(story, Path("film.run"))
    memories = [shot.memory for shot in film.shots]
    narrow = text(overview(film, memories, width=80)).splitlines()
    assert max(map(len, narrow)) <= 80
    assert narrow[3].split()[1] == "a-shot-wi…g-name-1"
    assert text(overview(film, memories)).count("a-shot-with-a-very-long-name-1") > 1


def test_heat_reads_without_colour() -> None:
    items = frames(1.0, 0.5, 0.0, -1.0, taken=3)
    assert heat(memory_of(*items).sources[0], memory_of(*items)) == "█▇▅·"
    assert heat(memory_of(*frames(0.5, taken=1)).sources[0], memory_of(*frames(0.5, taken=1))) == "█"


def test_heat_of_a_long_source_keeps_the_best_of_each_group() -> None:
    items = [*frames(*[0.0] * 40, taken=0)]
    items[25] = replace(items[25], score=1.0, place=1, level="fine", tokens=16)
    row = heat(memory_of(*items).sources[0], memory_of(*items))
    assert len(row) == 20
    assert (row.index("█"), row.count("·")) == (12, 19)


def test_levels_are_listed_from_fine_to_coarse() -> None:
    coarse = Frame(source="a", index=0, score=1.0, place=1, level="coarse", tokens=1)
    assert levels_of([coarse, *frames(0.1, 0.2, taken=2)]) == "2f 1c"


def test_a_bar_is_full_only_at_the_budget() -> None:
    assert [bar(part, 10, 4) for part in (0, 5, 9.9, 10, 12)] == ["░░░░", "██░░", "███░", "████", "████"]
    assert bar(1, 0, 2) == "░░"


def test_a_caption_shows_its_ids(film: FilmReport) -> None:
    assert text([marked_caption(film.shot("opening"))]) == (
        "A red fox with a blue scarf ($fox) walks right on a beach at sunset ($beach)."
    )


def test_the_detail_ranks_every_frame(film: FilmReport) -> None:
    shot = film.shot("return")
    shown = text(detail(shot, shot.memory, None, shots=3)).splitlines()
    ranks = [line.split() for line in shown if line.strip()[:1].isdigit()]
    assert [row[0] for row in ranks] == ["1", "2", "3", "4"]
    assert [row[-1] for row in ranks] == ["medium", "medium", "taken", "taken"]
    assert "adaptive, 2 of 4 frames taken, ██████░░░░░░ 2 of 4 tokens" in shown


def test_the_detail_shows_previous_levels_that_differ(film: FilmReport) -> None:
    shot = film.shot("return")
    after = select_again(shot, WhatIfSettings(frames=1), LEVELS)
    shown = text(detail(shot, shot.memory, after, shots=3)).splitlines()
    ranks = [line.split() for line in shown if line.strip()[:1].isdigit()]
    assert ranks[0][-2:] == ["fine", "medium"]
    assert ranks[1][-3:] == ["not", "taken", "medium"]
    change = change_line(SelectionChange.between(shot.memory, after), shot.memory, after)
    first, second = shot.memory.taken
    assert change == f"drops {second}, sees {first} at another level; 2 -> 4 tokens"
