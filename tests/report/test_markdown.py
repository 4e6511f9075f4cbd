from __future__ import annotations

import shutil
from pathlib import Path

from markdown_it import MarkdownIt

from onestory_cli.report.data import FilmReport
from onestory_cli.report.markdown import markdown
from tests.commands.conftest import change
from tests.report.conftest import film_of, render_story


def html(text: str) -> str:
    """The text rendered as CommonMark with tables and HTML."""
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_a_row_for_each_shot(film: FilmReport) -> None:
    shown = html(markdown(film, picture="film sheet.png"))
    assert shown.count("<tr>") == 4
    assert "<h2>The Lost Kite</h2>" in shown
    assert "The same fox waves on the same beach." in shown
    assert '<img src="film%20sheet.png" alt="contact sheet"' in shown
    assert "<img" not in html(markdown(film))


def test_text_of_the_author_is_escaped(story: Path, tmp_path: Path) -> None:
    change(story, "A city at night.", "'A | <b>city</b> [at](http://x) ![n](y) `ight` *now* &amp; \\ end.'")
    shown = html(markdown(render_story(story, tmp_path / "hostile.run")))
    assert "A | &lt;b&gt;city&lt;/b&gt; [at](http://x) ![n](y) `ight` *now* &amp; \\ end." in shown
    assert shown.count("<td") == shown.count("</td>") == 21


def test_missing_shots_are_named(film_run: Path) -> None:
    shutil.rmtree(film_run / "shots" / "city")
    assert "**Not rendered:** city (record.json: missing)" in markdown(film_of(film_run))
