from __future__ import annotations

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.story.merge import Layer, merge
from onestory_cli.story.types import MemoryRequest
from tests.story.conftest import Read

STORY = """
seed: 1
negative: rain
defaults: {steps: 20, duration: 2s, size: 64x48, memory: {frames: 4, budget: 2}}
profiles:
  draft: {steps: 8, seed: 3, memory: {frames: 2}}
  long: {frames: 33}
shots:
  - {id: a, caption: A fox.}
  - {id: b, caption: A fox., steps: 30, seed: 9, negative: snow, memory: {budget: 1, guidance: 2, from: [a]}}
  - {id: c, caption: A fox., frames: 21}
"""


def merged(*layers: dict[str, object]) -> dict[str, object]:
    found = merge(Layer(values=values, path=(str(index),)) for index, values in enumerate(layers))
    return {key: (item.value, *item.path) for key, item in found.items()}


def test_later_layers_replace_values_and_places() -> None:
    assert merged({"steps": 1, "shift": 2}, {"steps": 3}) == {"steps": (3, "1", "steps"), "shift": (2, "0", "shift")}


def test_maps_merge_by_key() -> None:
    assert merged({"memory": {"frames": 1, "budget": 2}}, {"memory": {"budget": 3}}) == {
        "memory.frames": (1, "0", "memory", "frames"),
        "memory.budget": (3, "1", "memory", "budget"),
    }


def test_duration_and_frames_replace_each_other() -> None:
    assert merged({"duration": "2s"}, {"frames": 17}) == {"frames": (17, "1", "frames")}
    assert merged({"frames": 17}, {"duration": "2s"}) == {"duration": ("2s", "1", "duration")}


def test_shots_without_a_profile(read: Read) -> None:
    story = read(STORY)
    first, second, third = story.shots
    assert (story.seed, first.seed, second.seed) == (1, None, 9)
    assert (first.steps, second.steps) == (20, 30)
    assert (first.negative, second.negative) == ("rain", "snow")
    assert (first.width, first.height) == (64, 48)
    assert (first.duration, third.duration, third.frames) == (2.0, None, 21)
    assert first.memory == MemoryRequest(frames=4, budget=2.0)
    assert second.memory == MemoryRequest(frames=4, budget=1.0, guidance=2.0, sources=("a",))


def test_a_profile_overrides_the_story_and_a_shot_overrides_both(read: Read) -> None:
    story = read(STORY, profile="draft")
    first, second, _ = story.shots
    assert (story.profile, story.seed) == ("draft", 3)
    assert (first.steps, second.steps) == (8, 30)
    assert second.memory == MemoryRequest(frames=2, budget=1.0, guidance=2.0, sources=("a",))


def test_frames_of_a_profile_replace_a_default_duration(read: Read) -> None:
    first, _, third = read(STORY, profile="long").shots
    assert (first.duration, first.frames, third.frames) == (None, 33, 21)


def test_a_profile_can_name_another_model(read: Read) -> None:
    text = "model: wan2.1-vace-1.3b\nprofiles: {draft: {model: storyworld}}\nshots: [{id: a, caption: A fox.}]"
    plain, draft = read(text), read(text, profile="draft")
    assert (plain.model, plain.places["model"].line) == ("wan2.1-vace-1.3b", 3)
    assert (draft.model, draft.places["model"].line) == ("storyworld", 4)


def test_the_seed_of_the_caller_wins(read: Read) -> None:
    assert read(STORY, profile="draft", seed=0).seed == 0


def test_a_seed_in_defaults_is_the_seed_of_the_story(read: Read) -> None:
    story = read("defaults: {seed: 7}\nshots: [{id: a, caption: A fox.}]")
    assert (story.seed, story.shots[0].seed) == (7, None)


def test_an_unknown_profile_is_a_usage_error(read: Read) -> None:
    with pytest.raises(OnestoryError, match='no profile "darft"') as caught:
        read(STORY, profile="darft")
    assert (caught.value.code, caught.value.exit, caught.value.help) == ("U602", 2, 'did you mean "draft"?')


def test_places_point_to_the_layer_of_the_value(read: Read) -> None:
    story = read(STORY, profile="draft")
    _, second, _ = story.shots
    lines = {key: second.places[key].line for key in ("id", "caption", "steps", "duration", "size", "negative")}
    assert lines == {"id": 12, "caption": 12, "steps": 12, "duration": 6, "size": 6, "negative": 12}
    assert {key: place.line for key, place in second.places.items() if key.startswith("memory.")} == {
        "memory.frames": 8,
        "memory.budget": 12,
        "memory.guidance": 12,
        "memory.from": 12,
    }
    assert story.places["negative"].line == 5


def test_comments_order_and_notes_change_nothing(read: Read) -> None:
    one = read("defaults: {steps: 8}\nshots: [{id: a, caption: A fox., seed: 1}]")
    other = read("# hello\nshots:\n- {note: x, seed: 1, x-a: 2, caption: A fox., id: a}\ndefaults: {steps: 8}")
    assert one.shots == other.shots
