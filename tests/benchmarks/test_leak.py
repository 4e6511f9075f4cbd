"""The shots that the benchmark of leaks measures, and its table."""

from __future__ import annotations

import numpy as np

from onestory_cli.storyworld.render import RenderedShot
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig
from tests.benchmarks.leak import WAYS, boxes_of, leak_shots, table


def test_shots_show_a_character_of_a_cut_shot_in_another_setting() -> None:
    stories = [make_story(HELD_OUT + seed, WorldConfig(), shots=6) for seed in range(8)]
    found = [item for index in range(1, 6) for item in leak_shots(stories, index)]
    assert found
    for item in found:
        assert item.shot.names_place != "omitted"
        for source in item.cut:
            before = item.story.shots[source]
            assert source < item.index
            assert before.place.setting != item.shot.place.setting
            assert {actor.look for actor in before.actors} & {actor.look for actor in item.shot.actors}


def test_boxes_surround_the_visible_actors() -> None:
    cast = np.zeros((1, 8, 8), np.uint8)
    cast[0, 2:5, 1:4] = 1
    drawn = RenderedShot(pixels_THWC=np.zeros((1, 8, 8, 3), np.uint8), cast_THW=cast, details_THW=cast)
    (box,) = boxes_of(drawn, 0, [1, 2])
    assert (box.left, box.top, box.right, box.bottom) == (1, 2, 4, 5)


def test_the_table_has_means_and_counts() -> None:
    row = "setting of a remembered frame"
    answers = {way: [(row, float(number == 0)), (row, 0.0)] for number, way in enumerate(WAYS)}
    assert table(answers).splitlines()[2] == f"| {row} | 2 | 50.0 | 0.0 | 0.0 |"
