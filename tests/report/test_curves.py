from __future__ import annotations

import pytest

from onestory_cli.report.curves import HEIGHT, Curve, film_curve, identity_curve
from onestory_cli.report.data import FilmReport
from onestory_cli.report.drawing import SLOT

BLACK = ["#000000"] * 3


def test_a_curve_stays_in_its_plot_and_reports_drift(film: FilmReport) -> None:
    drawn = film_curve("light", "", film.shots, [[0.1, 0.3], [0.5], [0.9, 0.7]], BLACK)
    assert drawn.drift == pytest.approx(0.6)
    assert [dot.value for dot in drawn.dots] == pytest.approx([0.2, 0.5, 0.8])
    points = [float(point.split(",")[1]) for line in drawn.frames for point in line.split()]
    assert 0 <= min(points) < max(points) <= HEIGHT
    assert drawn.dots[0].y > drawn.dots[1].y > drawn.dots[2].y == pytest.approx(HEIGHT - drawn.dots[0].y, abs=0.1)
    assert str(drawn) == "light: opening 0.20, city 0.50, return 0.80"


def test_noise_does_not_look_like_drift(film: FilmReport) -> None:
    drawn = film_curve("light", "", film.shots, [[0.5], [0.501], [0.499]], BLACK)
    assert max(dot.y for dot in drawn.dots) - min(dot.y for dot in drawn.dots) < 2


def identity(film: FilmReport, **values: float | None) -> Curve | None:
    named = {"return" if name == "back" else name: value for name, value in values.items()}
    return identity_curve("fox", "", film.shots, named, BLACK)


def test_an_identity_is_a_line_through_the_shots_that_name_the_character(film: FilmReport) -> None:
    drawn = identity(film, opening=1.0, city=0.5, back=0.75)
    assert drawn is not None
    assert [dot.value for dot in drawn.dots] == [1.0, 0.5, 0.75]
    assert (len(drawn.means), drawn.passing, drawn.gaps) == (2, (), ())
    assert drawn.drift == -0.25
    assert (drawn.low, drawn.high) == (0.0, 1.0)


def test_shots_that_do_not_name_it_are_passed_by_a_dashed_line(film: FilmReport) -> None:
    drawn = identity(film, opening=1.0, back=0.75)
    assert drawn is not None
    assert drawn.means == ()
    assert drawn.passing == (f"{SLOT / 2:g},{drawn.dots[0].y:g} {SLOT * 2.5:g},{drawn.dots[1].y:g}",)


def test_a_missing_detection_is_a_gap_and_not_zero(film: FilmReport) -> None:
    drawn = identity(film, opening=1.0, city=None, back=0.75)
    assert drawn is not None
    assert [dot.shot.id for dot in drawn.dots] == ["opening", "return"]
    assert (drawn.means, drawn.passing) == ((), ())
    assert [(gap.shot.id, gap.x) for gap in drawn.gaps] == [("city", SLOT * 1.5)]
    assert str(drawn) == "fox: opening 1.00, city not found, return 0.75"


@pytest.mark.parametrize("values", [{"opening": None, "back": None}, {"opening": 1.0}, {}])
def test_nothing_to_compare_gives_no_curve(film: FilmReport, values: dict[str, float | None]) -> None:
    assert identity(film, **values) is None


def test_the_opposite_of_the_first_shot_is_within_the_plot(film: FilmReport) -> None:
    drawn = identity(film, opening=1.0, city=-1.0)
    assert drawn is not None
    assert drawn.low == -1.0
    assert all(0 < dot.y < HEIGHT for dot in drawn.dots)
