from __future__ import annotations

from pathlib import Path

from onestory_cli.report.data import FilmReport
from onestory_cli.report.diff_page import diff_page, word_diff
from tests.commands.conftest import Onestory, change
from tests.report.conftest import film_of, render_story


def test_the_page_shows_the_shots_that_differ_side_by_side(film: FilmReport, story: Path) -> None:
    change(story, "A city at night.", "A city at <b>noon</b>.")
    other = render_story(story, Path("other.run"))
    page = diff_page(film, other)
    pair = page[page.index('id="shot-city"') :]
    pair = pair[: pair.index("</article>")]
    assert "<del>night.</del>" in pair
    assert "<ins>&lt;b&gt;noon&lt;/b&gt;.</ins>" in pair
    assert pair.count("data:video/mp4") == 2
    assert 'id="shot-opening"' not in page  # the same in both
    assert "<li>opening</li>" in page


def test_equal_runs_have_no_pairs(film: FilmReport) -> None:
    page = diff_page(film, film)
    assert "no differences in 3 shots" in page
    assert "<video" not in page


def test_words_of_one_side_are_tagged() -> None:
    left, right = word_diff("a red fox walks", "a blue fox walks on")
    assert left == (("", "a "), ("del", "red"), ("", " "), ("", "fox walks"))
    assert right == (("", "a "), ("ins", "blue"), ("", " "), ("", "fox walks "), ("ins", "on"))


def test_diff_writes_a_page_with_links(film_run: Path, story: Path, onestory: Onestory) -> None:
    change(story, "A city at night.", "A city at noon.")
    render_story(story, Path("other.run"))
    assert onestory("diff", "film.run", "other.run", "--page", "diff.html", "--link").out == "diff.html\n"
    city = next(shot for shot in film_of(Path("other.run")).shots if shot.id == "city")
    assert f'src="other.run/shots/{city.take.path}/clip.mp4"' in Path("diff.html").read_text()
    assert onestory("diff", "film.run", "other.run", "--page", "diff.html").err.startswith("error[U605]")
