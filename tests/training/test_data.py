"""Batches from rendered stories: targets, memory and labels.

Shape letters: B batch, F memory frames, P pixel frames, T latent frames, H W cells or pixels.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from onestory_cli.events import DataPrepared, Event, ignore
from onestory_cli.models.load import LoadedModel
from onestory_cli.storyworld.render import render_shot
from onestory_cli.storyworld.stories import make_story, relevance
from onestory_cli.storyworld.visibility import accent_mask, kite_mask
from onestory_cli.storyworld.vocabulary import WORDS, tokens
from onestory_cli.storyworld.world import WorldConfig, WorldStory
from onestory_cli.training.data import (
    CHARACTER,
    EYE,
    KITE,
    MOUTH,
    OUTLINE,
    LatentData,
    PixelData,
    StoryBatch,
    known_words,
    pool_mask,
)
from onestory_cli.training.objective import step_generators
from onestory_cli.training.probes.labels import ROLES, look_labels, setting_labels
from onestory_cli.training.probes.token_probe import NO_LABEL
from onestory_cli.training.recipe import StoryData, world_config
from onestory_cli.training.rendering import augment, render_story
from tests.tiny import tiny_recipe
from tests.training.conftest import DATA

CONFIG = world_config(tiny_recipe().world)
STORIES: list[WorldStory] = [make_story(DATA.seed + index, CONFIG, shots=DATA.shots) for index in range(DATA.stories)]


def batch(
    latents: LatentData,
    *,
    step: int = 0,
    size: int = 16,
    earlier: int = 2,
    stories: int = 0,
    skip: int = 0,
    accents: bool = False,
    **settings: float,
) -> StoryBatch:
    rng, _ = step_generators(3, 1, step)
    shares = {"inflation": 0.0, "full_caption": 0.0, **settings}
    return latents.batch(
        rng, size=size, earlier=earlier, stories=slice(skip, stories or None), accents=accents, **shares
    )


def place_of(latents: LatentData, clip_CTHW: Tensor) -> tuple[int, int]:
    """(story, shot) of a clip, which must be a shot of one of the stories."""
    ((story, shot),) = (latents.latents == clip_CTHW).flatten(2).all(2).nonzero().tolist()
    return story, shot


def clips_of(made: StoryBatch, row: int) -> list[Tensor]:
    """The clips (C, T, H, W) of a row's memory."""
    return [frames.transpose(0, 1) for frames in made.memory_BFCHW[row].split(2)]


def test_batch_depends_on_seed_stage_and_step(latents: LatentData) -> None:
    def made(*place: int) -> StoryBatch:
        rng, _ = step_generators(*place)
        return latents.batch(rng, size=6, earlier=2, inflation=0.5, full_caption=0.5)

    first, again = made(3, 1, 7), made(3, 1, 7)
    assert torch.equal(first.target_BCTHW, again.target_BCTHW)
    assert torch.equal(first.memory_BFCHW, again.memory_BFCHW)
    assert torch.equal(first.labels_BF, again.labels_BF)
    assert first.captions == again.captions
    for other in (made(4, 1, 7), made(3, 2, 7), made(3, 1, 8)):
        assert first.captions != other.captions or not torch.equal(first.memory_BFCHW, other.memory_BFCHW)


def test_memory_is_earlier_shots_of_the_story_including_the_previous_one(latents: LatentData) -> None:
    made = batch(latents)
    for row in range(16):
        story, target = place_of(latents, made.target_BCTHW[row])
        before = [place_of(latents, clip) for clip in clips_of(made, row)]
        assert [place[0] for place in before] == [story, story]
        shots = [place[1] for place in before]
        assert shots == sorted(set(shots))
        assert shots[-1] == target - 1
        assert made.captions[row] == STORIES[story].shots[target].caption
        needed = relevance(STORIES[story], target)
        expected = torch.tensor([needed[shot] for shot in shots]).repeat_interleave(2)
        torch.testing.assert_close(made.labels_BF[row], expected)
    assert made.real_BF.all()


def test_stage_can_be_limited_to_the_first_stories(latents: LatentData) -> None:
    def seen(stories: int) -> set[int]:
        made = batch(latents, stories=stories, inflation=1.0, size=32)
        clips = [*made.target_BCTHW, *(clip for row in range(32) for clip in clips_of(made, row))]
        found = [(latents.latents == clip).flatten(2).all(2).nonzero().tolist() for clip in clips]
        return {place[0] for places in found for place in places}  # augmented copies have no place

    assert seen(2) == {0, 1}
    assert max(seen(0)) >= 2


@pytest.mark.parametrize("pairs", [0.0, 1.0])
def test_stage_can_skip_stories(latents: LatentData, pairs: float) -> None:
    made = batch(latents, stories=3, skip=1, inflation=1.0, size=32, earlier=1, pairs=pairs)
    targets = {place_of(latents, clip)[0] for clip in made.target_BCTHW}
    assert targets == ({1, 2} if pairs == 0 else {story for story in (1, 2) if latents.pairs[story, 1:].any()})
    earlier = {place_of(latents, clip)[0] for row in range(32) for clip in clips_of(made, row)}
    assert earlier <= {1, 2}


def test_looks_and_cast_belong_to_the_target(latents: LatentData) -> None:
    made = batch(latents, size=32, earlier=1)
    for row, clip in enumerate(made.target_BCTHW):
        story, target = place_of(latents, clip)
        shot = STORIES[story].shots[target]
        assert made.looks_BAK[row].tolist() == look_labels(shot)
        assert made.setting_BK[row].tolist() == setting_labels(shot)
        shown = made.cast_BATHW[row].flatten(1).sum(1) > 0
        assert shown.tolist() == [len(shot.actors) > number for number in range(2)]


def test_accessories_are_marked_where_shots_show_them(latents: LatentData) -> None:
    made = batch(latents, size=32, earlier=1)
    for row, clip in enumerate(made.target_BCTHW):
        story, target = place_of(latents, clip)
        shot = STORIES[story].shots[target]
        worn_PHW = render_shot(shot, CONFIG).details_THW == 4
        assert made.worn_BTHW[row, 0].mean() == pytest.approx(worn_PHW[0].mean(), abs=1e-3)
        assert worn_PHW.any() == any(actor.look.accessory != "none" for actor in shot.actors)
        assert (made.worn_BTHW[row] <= made.cast_BATHW[row].sum(0) + 1e-3).all()


def test_accents_are_included_on_request(latents: LatentData) -> None:
    made = batch(latents, size=32, earlier=1, accents=True)
    assert torch.equal(batch(latents, size=32, earlier=1).accent_BHW, torch.zeros(32, 8, 8))
    for row, clip in enumerate(made.target_BCTHW):
        story, target = place_of(latents, clip)
        mask = torch.from_numpy(accent_mask(STORIES[story].shots[target], CONFIG.size)).float()
        assert made.accent_BHW[row].mean() == pytest.approx(float(mask.mean()), abs=1e-6)
        assert (made.accent_BHW[row].max() > 0) == mask.any()


def test_accents_include_kites(tmp_path: Path) -> None:
    config, data = WorldConfig(version=2, size=64, frames=1), StoryData(stories=4, vae_stories=1, shots=3, seed=30)
    encode = partial(_blank_latents, cells=8)
    made = LatentData(tmp_path / "stories.safetensors", config=config, data=data, encode=encode, emit=ignore)
    kites = [shot for story in made.shots for shot in story if shot.kite]
    assert kites
    drawn = made.batch(np.random.default_rng(0), size=64, earlier=0, inflation=0, full_caption=1, accents=True)
    for caption, accent_HW in zip(drawn.captions, drawn.accent_BHW, strict=True):
        shot = next(shot for story in made.shots for shot in story if shot.full_caption == caption)
        mask = accent_mask(shot, 64) | kite_mask(shot, 64)
        assert accent_HW.mean() == pytest.approx(float(mask.mean()), abs=1e-6)


def _blank_latents(pixels_BPHWC: np.ndarray, *, cells: int) -> torch.Tensor:
    return torch.zeros(len(pixels_BPHWC), 4, 1, cells, cells)


def test_memory_is_labelled_with_the_actors_of_the_caption(latents: LatentData) -> None:
    made = batch(latents, size=32, earlier=2)
    seen = set()
    for row, clip in enumerate(made.target_BCTHW):
        story, target = place_of(latents, clip)
        named = [actor.look.species for actor in STORIES[story].shots[target].actors]
        for start, before in zip((0, 2), clips_of(made, row), strict=True):
            _, shot = place_of(latents, before)
            actors = STORIES[story].shots[shot].actors
            roles = [named.index(a.look.species) if a.look.species in named else ROLES - 1 for a in actors]
            roles += [NO_LABEL] * (2 - len(roles))
            for frame in (start, start + 1):
                assert made.memory_actors_BFAK[row, frame, :, 1].tolist() == roles
                assert torch.equal(made.memory_actors_BFAK[row, frame, :, 0], latents.looks[story, shot, :, 0])
                assert made.memory_settings_BFK[row, frame].tolist() == setting_labels(STORIES[story].shots[shot])
                assert torch.equal(made.memory_cast_BFAHW[row, frame], latents.cast[story, shot][:, frame - start])
            seen.update(roles)
    assert {0, 1, ROLES - 1} <= seen


def test_inserted_shot_has_no_actor_and_setting_labels(latents: LatentData) -> None:
    made = batch(latents, inflation=1.0)
    shown = made.memory_cast_BFAHW.flatten(2).sum(2) > 0
    assert not shown[~made.real_BF].any()
    assert shown[made.real_BF].any()
    assert torch.equal((made.memory_settings_BFK == NO_LABEL).all(2), ~made.real_BF)


def test_share_of_targets_shows_two_characters(latents: LatentData) -> None:
    def together(**share: float) -> list[bool]:
        made = batch(latents, size=32, earlier=1, **share)
        places = [place_of(latents, clip) for clip in made.target_BCTHW]
        assert all(shot >= 1 for _, shot in places)
        return [len(STORIES[story].shots[shot].actors) == 2 for story, shot in places]

    assert all(together(pairs=1.0))
    assert 8 < sum(together(pairs=0.5)) < 32
    assert together(pairs=0.0) == together()
    assert not all(together())


def test_ages_count_shots_back_and_times_count_frames(latents: LatentData) -> None:
    made = batch(latents, earlier=3, size=2)
    assert made.ages_BF.tolist() == [[3, 3, 2, 2, 1, 1]] * 2
    assert made.times_BF.tolist() == [[0, 1] * 3] * 2


def test_targets_without_earlier_shots_have_empty_memory(latents: LatentData) -> None:
    made = batch(latents, earlier=0, size=40)
    assert made.memory_BFCHW.shape == (40, 0, 4, 8, 8)
    assert made.labels_BF.shape == made.real_BF.shape == made.ages_BF.shape == made.times_BF.shape == (40, 0)
    assert {place_of(latents, clip)[1] for clip in made.target_BCTHW} == {0, 1, 2, 3}


def test_inflation_inserts_a_labelled_foreign_shot_or_augmented_copy(latents: LatentData) -> None:
    labels = set()
    for step in range(4):
        made = batch(latents, step=step, inflation=1.0)
        for row in range(16):
            real = made.real_BF[row, ::2].tolist()
            assert sorted(real) == [False, True]
            label = float(made.labels_BF[row, 2 * real.index(False)])
            clip = clips_of(made, row)[real.index(False)]
            if label == 0:
                story, _ = place_of(latents, made.target_BCTHW[row])
                assert torch.equal(clip, latents.augmented[story])
            else:
                assert label == -1
                place_of(latents, clip)
            labels.add(label)
            assert made.real_BF[row, ::2].equal(made.real_BF[row, 1::2])
    assert labels == {0, -1}


def test_only_earlier_shot_is_never_replaced(latents: LatentData) -> None:
    assert batch(latents, earlier=1, inflation=1.0).real_BF.all()


def test_full_captions_describe_every_look(latents: LatentData) -> None:
    made = batch(latents, full_caption=1.0)
    for caption, clip in zip(made.captions, made.target_BCTHW, strict=True):
        story, target = place_of(latents, clip)
        assert caption == STORIES[story].shots[target].full_caption


def test_latents_match_rendered_stories(latents: LatentData, tiny_model: LoadedModel) -> None:
    pixels, cast, *_ = render_story(DATA.seed + 2, config=CONFIG, shots=DATA.shots)
    with torch.no_grad():
        expected = tiny_model.codec.encode_video(np.concatenate([pixels, augment(pixels[:1], seed=DATA.seed + 2)]))
    torch.testing.assert_close(latents.latents[2], expected[:-1], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(latents.augmented[2], expected[-1], atol=2e-3, rtol=2e-3)
    for index in (0, 1):
        shown = pool_mask(cast == index + 1, (2, 8, 8))
        torch.testing.assert_close(latents.cast[2][:, index], shown, atol=1e-3, rtol=0)


def test_latents_are_stored_as_fp16_and_reused(cache: Path, latents: LatentData) -> None:
    path = cache / "latents.safetensors"
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
    heard: list[Event] = []
    again = LatentData(path, config=CONFIG, data=DATA, encode=torch.Tensor, emit=heard.append)
    assert torch.equal(again.latents, latents.latents)
    assert heard == []


def test_windows_are_parts_of_clips_with_their_kinds(pixels: PixelData) -> None:
    rng, _ = step_generators(3, 0, 0)
    frames, kinds = pixels.batch(rng, size=6, frames=3)
    assert (frames.shape, kinds.shape) == ((6, 3, 3, 64, 64), (6, 1, 3, 64, 64))
    assert (frames.dtype, kinds.dtype) == (torch.float32, torch.uint8)
    restored = ((frames + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).numpy()
    starts = set()
    for window, kind in zip(restored, kinds[:, 0].numpy(), strict=True):
        found = [
            (clip, start)
            for clip in range(8)
            for start in range(3)
            if np.array_equal(pixels.pixels[clip, start : start + 3], window)
        ]
        assert found
        clip, start = found[0]
        assert np.array_equal(pixels.kinds[clip, start : start + 3], kind)
        starts.add(start)
    assert len(starts) > 1


def test_kites_are_marked_and_can_be_chosen(tmp_path: Path) -> None:
    config, data = WorldConfig(version=2, size=64, frames=5), StoryData(stories=1, vae_stories=4, shots=3, seed=30)
    pixels = PixelData(tmp_path, config=config, data=data, emit=ignore)
    shots = [shot for seed in range(30, 34) for shot in make_story(seed, config, shots=3).shots]
    assert pixels.with_kite.tolist() == [index for index, shot in enumerate(shots) if shot.kite] != []
    for shot, kinds_PHW in zip(shots, pixels.kinds, strict=True):
        assert np.array_equal(kinds_PHW[0] & KITE > 0, kite_mask(shot, 64))

    def with_kite(share: float) -> int:
        drawn = pixels.batch(np.random.default_rng(0), size=64, frames=3, kites=share)[1]
        return int((drawn & KITE).flatten(1).any(1).sum())

    assert with_kite(0.0) < 40 < with_kite(0.7) < with_kite(1.0) == 64


def test_kinds_distinguish_characters_outlines_eyes_and_mouths(pixels: PixelData) -> None:
    shot = make_story(DATA.seed, CONFIG, shots=DATA.shots).shots[0]
    rendered = render_shot(shot, CONFIG)
    kinds = pixels.kinds[0]
    assert np.array_equal(kinds & CHARACTER > 0, rendered.mask_THW)
    for value, bit in enumerate((OUTLINE, EYE, MOUTH), start=1):
        assert np.array_equal(kinds & bit > 0, rendered.details_THW == value)


def test_pixels_are_rendered_once_and_again_after_an_interruption(
    tmp_path: Path, cache: Path, pixels: PixelData
) -> None:
    for name in ("pixels.npy", "kinds.npy"):
        shutil.copy(cache / name, tmp_path / name)
    heard: list[Event] = []
    PixelData(tmp_path, config=CONFIG, data=DATA, emit=heard.append)
    assert heard == []
    (tmp_path / "kinds.npy").unlink()
    (tmp_path / "pixels.npy").write_bytes(b"half of it")
    again = PixelData(tmp_path, config=CONFIG, data=DATA, emit=heard.append)
    assert heard == [DataPrepared(what="pixels", done=2, total=2)]
    assert np.array_equal(again.pixels, pixels.pixels)
    assert np.array_equal(again.pixels[:4], render_story(DATA.seed, config=CONFIG, shots=4)[0])


def test_mask_is_pooled_to_cells_with_a_single_first_frame() -> None:
    masks = np.zeros((1, 5, 16, 16), bool)
    masks[0, 0, :8, :8] = True
    masks[0, 1:3, 8:, 8:] = True
    masks[0, 3, 8:, 8:12] = True
    pooled = pool_mask(masks, (2, 2, 2))
    assert pooled.tolist() == [[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.625]]]]
    assert pool_mask(masks[:, :1], (1, 2, 2)).tolist() == [[[[1.0, 0.0], [0.0, 0.0]]]]


def test_known_words_are_limited_to_the_part_of_the_world() -> None:
    config = WorldConfig(species=("fox",), colours=("red", "blue"), accessories=("none", "hat"), settings=("city",))
    known = set(known_words(config))
    assert {"fox", "red", "blue", "hat", "city", "at", "night", "waves", "."} <= known
    assert not known & {"bear", "green", "scarf", "beach", "snowy", "valley"}
    stories = [make_story(seed, config) for seed in range(5)]
    captions = [text for story in stories for shot in story.shots for text in (shot.caption, shot.full_caption)]
    assert {word for caption in captions for word in tokens(caption)} <= known
    assert known_words(WorldConfig()) == WORDS


@pytest.mark.parametrize("earlier", [1, 2, 3])
def test_rows_of_a_batch_have_equal_numbers_of_frames(latents: LatentData, earlier: int) -> None:
    made = batch(latents, earlier=earlier, size=5)
    assert made.memory_BFCHW.shape == (5, earlier * 2, 4, 8, 8)
    assert made.labels_BF.shape == made.real_BF.shape == made.ages_BF.shape == (5, earlier * 2)
    assert made.cast_BATHW.shape == (5, 2, 2, 8, 8)
    assert made.looks_BAK.shape == (5, 2, 4)
