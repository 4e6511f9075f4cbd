from __future__ import annotations

from pathlib import Path

from onestory_cli.planning.compile import compile_story
from onestory_cli.report.batch_page import BatchEntry, batch_page
from onestory_cli.story.overrides import Override
from tests.commands.conftest import change
from tests.films import render_with


def entry(story: Path, name: str, *, seed: int, steps: int | None = None) -> BatchEntry:
    settings = [Override.parse(f"shots.*.steps={steps}")] if steps else []
    plan, _ = compile_story(story, seed=seed, settings=settings)
    render_with(plan, Path(name))
    return BatchEntry(name=name, run=Path(name), state="done")


def test_films_are_in_a_grid_of_seeds_and_settings(story: Path) -> None:
    change(story, "title: The Lost Kite", "title: The <i>Lost</i> Kite")
    entries = [
        entry(story, "one", seed=1, steps=2),
        entry(story, "two", seed=2, steps=2),
        entry(story, "three", seed=1, steps=3),
        BatchEntry(name="broken", run=Path("broken"), state="failed", finding="shots is <empty>"),
    ]
    page = batch_page(entries, Path())
    body = page[page.index("<body") :]
    assert '<h2 id="grid-1" dir="auto">The &lt;i&gt;Lost&lt;/i&gt; Kite</h2>' in body
    assert [part.partition("<")[0] for part in body.split('<th scope="col">')[1:]] == ["seed 1", "seed 2"]
    rows = body.split('<th scope="row">')[1:]
    assert ["shots.*.steps=2" in rows[0], "shots.*.steps=3" in rows[1]] == [True, True]
    assert [row.count("<video") for row in rows] == [2, 1]
    assert 'src="three/film.mp4"' in rows[1]
    assert body.count('<img src="data:image/webp') == 3 * 3  # a still per shot
    assert "<code>broken</code> shots is &lt;empty&gt;" in body
