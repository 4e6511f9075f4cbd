from __future__ import annotations

import re

import pytest

from onestory_cli.report.data import FilmReport
from onestory_cli.report.drawing import ARCS_HEIGHT, CURVE_HEIGHT, FLOW_WIDTH, SLOT, arcs, curve, flow


def test_an_arc_for_every_pair_that_remembers(film: FilmReport) -> None:
    pairs = {(arc.source.id, arc.shot.id) for arc in arcs(film)}
    expected = {(item.name, shot.id) for shot in film.shots for item in shot.memory.sources if item.taken}
    assert pairs == expected
    for arc in arcs(film):
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", arc.path)]
        assert numbers[0] == SLOT * (arc.source.number - 0.5)
        assert numbers[6] == SLOT * (arc.shot.number - 0.5)
        assert ARCS_HEIGHT / 4 + 0.75 * numbers[3] >= 0  # the top of the curve is inside


def test_a_flow_has_every_frame_taken_within_its_bounds(film: FilmReport) -> None:
    memory = film.shot("return").memory
    drawn = flow(memory)
    assert drawn is not None
    assert [spot.frame for spot in drawn.frames] == list(memory.taken)
    assert {spot.source.name for spot in drawn.sources} == {frame.source for frame in memory.taken}
    for spot in (*drawn.frames, *drawn.sources):
        assert 0 <= spot.x <= FLOW_WIDTH - spot.size
        assert 0 <= spot.y <= drawn.height - spot.size
    assert all(0 <= spot.bar <= drawn.score_width for spot in drawn.frames)


def test_nothing_taken_is_nothing_drawn(film: FilmReport) -> None:
    assert flow(film.shot("opening").memory) is None


def test_a_curve_runs_within_its_plot_and_tells_the_drift(film: FilmReport) -> None:
    drawn = curve("light", "", film.shots, [[0.1, 0.3], [0.5], [0.9, 0.7]], ["#000000"] * 3)
    assert drawn.drift == pytest.approx(0.6)
    assert [dot.value for dot in drawn.dots] == pytest.approx([0.2, 0.5, 0.8])
    points = [float(point.split(",")[1]) for line in drawn.lines for point in line.split()]
    assert 0 <= min(points) < max(points) <= CURVE_HEIGHT
    assert drawn.dots[0].y > drawn.dots[1].y > drawn.dots[2].y == pytest.approx(CURVE_HEIGHT - drawn.dots[0].y, abs=0.1)


def test_noise_is_not_stretched_to_drift(film: FilmReport) -> None:
    drawn = curve("light", "", film.shots, [[0.5], [0.501], [0.499]], ["#000000"] * 3)
    assert max(dot.y for dot in drawn.dots) - min(dot.y for dot in drawn.dots) < 2
