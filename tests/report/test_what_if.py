from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.levels import LEVELS
from onestory_cli.memory.policies import POLICIES
from onestory_cli.report.data import FilmReport
from onestory_cli.report.what_if import SelectionChange, WhatIfSettings, select_again
from tests.commands.conftest import change
from tests.report.conftest import render_story


def test_the_same_settings_select_the_same(film: FilmReport) -> None:
    for shot in film.shots:
        assert select_again(shot, WhatIfSettings(), LEVELS) == shot.memory


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("frames", "budget"), [(2, 1.0), (3, 0.5), (1, 2.0), (0, 1.0)])
def test_the_prediction_is_what_a_render_selects(
    story: Path, film_run: Path, film: FilmReport, policy: str, frames: int, budget: float
) -> None:
    predicted = select_again(film.shot("return"), WhatIfSettings(policy=policy, frames=frames, budget=budget), LEVELS)
    memory = f"memory: {{policy: {policy}, frames: {frames}, budget: {budget}}}"
    change(story, "$fox waves on $beach.", f"$fox waves on $beach.\n    {memory}")
    rendered = render_story(story, film_run).shot("return").memory
    assert (predicted.taken, predicted.tokens) == (rendered.taken, rendered.tokens)


def test_a_change_lists_added_dropped_and_relevelled_frames(film: FilmReport) -> None:
    shot = film.shot("return")
    none = select_again(shot, WhatIfSettings(policy="none"), LEVELS)
    assert SelectionChange.between(shot.memory, none).dropped == shot.memory.taken
    assert SelectionChange.between(none, shot.memory).added == shot.memory.taken
    finer = select_again(shot, WhatIfSettings(budget=8.0), LEVELS)
    moved = SelectionChange.between(shot.memory, finer)
    assert (moved.added, moved.dropped) == ((), ())
    assert [frame.level for frame in moved.relevelled] == ["fine", "fine"]
    assert {frame.level for frame in shot.memory.taken} == {"medium"}


def test_missing_scores_are_refused(story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at night.\n    memory: {policy: none}")
    change(story, "$fox waves on $beach.", "$fox waves on $beach.\n    memory: {policy: last}")
    render_story(story, film_run)
    change(story, "walks right", "walks left")  # seen by the last shot, whose policy selects by position
    shot = render_story(story, film_run).shot("return")
    with pytest.raises(OnestoryError) as caught:
        select_again(shot, WhatIfSettings(policy="adaptive"), LEVELS)
    assert caught.value.code == "R413"
    assert "there are no scores for opening" in caught.value.message
    assert select_again(shot, WhatIfSettings(policy="last", frames=1), LEVELS).taken[0].source == "city"


def test_settings_read_as_flags() -> None:
    assert str(WhatIfSettings(policy="recent", frames=4)) == "--policy recent --frames 4"
    assert not WhatIfSettings()
    assert WhatIfSettings(frames=0)
