from __future__ import annotations

import re

from onestory_cli.report.data import FilmReport
from onestory_cli.report.drawing import ARCS_HEIGHT, FLOW_WIDTH, SLOT, arcs, flow


def test_every_remembered_source_has_an_arc(film: FilmReport) -> None:
    pairs = {(arc.source.id, arc.shot.id) for arc in arcs(film)}
    expected = {(item.name, shot.id) for shot in film.shots for item in shot.memory.sources if item.taken}
    assert pairs == expected
    for arc in arcs(film):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", arc.path)]
        assert numbers[0] == SLOT * (arc.source.number - 0.5)
        assert numbers[6] == SLOT * (arc.shot.number - 0.5)
        assert ARCS_HEIGHT / 4 + 0.75 * numbers[3] >= 0  # the top of the curve is inside


def test_flow_contains_every_selected_frame_within_its_bounds(film: FilmReport) -> None:
    memory = film.shot("return").memory
    drawn = flow(memory)
    assert drawn is not None
    assert [spot.frame for spot in drawn.frames] == list(memory.taken)
    assert {spot.source.name for spot in drawn.sources} == {frame.source for frame in memory.taken}
    for spot in (*drawn.frames, *drawn.sources):
        assert 0 <= spot.x <= FLOW_WIDTH - spot.size
        assert 0 <= spot.y <= drawn.height - spot.size
    assert all(0 <= spot.bar <= drawn.score_width for spot in drawn.frames)


def test_an_empty_selection_has_no_drawing(film: FilmReport) -> None:
    assert flow(film.shot("opening").memory) is None
