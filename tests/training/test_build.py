"""Untrained models, and model folders that stock classes load."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoTokenizer, UMT5EncoderModel

from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel, load_model
from onestory_cli.storyworld.stories import make_story
from onestory_cli.storyworld.vocabulary import WORDS, tokens
from onestory_cli.storyworld.world import WorldConfig
from onestory_cli.training.build import build_model, continue_model, save_model, word_tokenizer
from onestory_cli.training.recipe_reader import read_recipe
from tests.tiny import SIZES, tiny_built, tiny_recipe

RECIPE = Path(__file__).parents[2] / "examples" / "recipes" / "storyworld.yaml"


def parts_of(model: LoadedModel) -> dict[str, nn.Module]:
    return {
        "transformer": model.transformer,
        "vae": model.codec.vae,
        "text_encoder": model.text.encoder,
        "selector": model.selector,
        "conditioner": model.conditioner,
    }


def state_of(model: LoadedModel) -> dict[str, Tensor]:
    """All weights and tables."""
    modules = parts_of(model).items()
    weights = {f"{part}.{name}": value for part, module in modules for name, value in module.state_dict().items()}
    tables = {f"{part}.{name}": value for part, module in modules for name, value in module.named_buffers()}
    return {name: value.detach().clone() for name, value in {**weights, **tables}.items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_initial_weights_depend_on_the_seed() -> None:
    built = state_of(build_model(tiny_recipe(), WORDS))
    torch.manual_seed(99)
    assert same(built, state_of(build_model(tiny_recipe(), WORDS)))
    assert not same(built, state_of(build_model(tiny_recipe(seed=4), WORDS)))


def test_tokens_are_the_words_of_the_world() -> None:
    tokenizer = word_tokenizer(WORDS, length=40)
    config = WorldConfig()
    for seed in range(5):
        for shot in make_story(seed, config).shots:
            found = tokenizer(shot.full_caption).input_ids
            assert tokenizer.convert_ids_to_tokens(found) == [*tokens(shot.full_caption), "</s>"]
            assert tokenizer.unk_token_id not in found
    assert tokenizer("A Close-Up, zebra.").input_ids == tokenizer("a close-up , giraffe .").input_ids


def test_model_learns_the_new_words_of_a_later_world(tiny_folder: Path) -> None:
    recipe = tiny_recipe()
    recipe = replace(recipe, start=str(tiny_folder), world=replace(recipe.world, version=2))
    before, after = load_model(find(str(tiny_folder)), "cpu"), continue_model(recipe, tiny_folder)
    old, new = "the same fox walks left in the forest.", "the same fox flies a kite over the forest at sunset."
    torch.testing.assert_close(after.text.encode([old]), before.text.encode([old]))
    unknown = after.text.tokenizer.unk_token_id
    assert unknown in before.text.tokenizer(new).input_ids
    assert unknown not in after.text.tokenizer(new).input_ids
    assert set(after.spec.words or ()) - set(before.spec.words or ()) == {"sunset", "flies", "kite", "over"}
    assert "forest at sunset" in after.spec.phrases


def test_card_lists_the_words_of_the_world_that_was_trained_last(tiny_folder: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(start=str(tiny_folder))
    with_kites = replace(recipe, world=replace(recipe.world, version=2))
    save_model(continue_model(with_kites, tiny_folder), tmp_path / "kites")
    without = replace(with_kites, start=str(tmp_path / "kites"), world=replace(with_kites.world, kites=False))
    model = continue_model(without, tmp_path)
    assert {"kite", "flies", "over"}.isdisjoint(model.spec.words or ())
    assert "sunset" in (model.spec.words or ())
    assert "kite" in model.text.tokenizer.get_vocab()


def test_recipe_turns_on_isolated_context_for_new_and_continued_models(tiny_folder: Path) -> None:
    memory = replace(SIZES.memory, isolated_context=True)
    asking = tiny_recipe(model=replace(SIZES, memory=memory), start=str(tiny_folder))
    for model in (build_model(asking, WORDS), continue_model(asking, tiny_folder)):
        assert model.spec.isolated_context
        assert model.transformer.rope.isolated
    assert not continue_model(tiny_recipe(start=str(tiny_folder)), tiny_folder).spec.isolated_context


def test_long_captions_are_truncated_before_the_end_token() -> None:
    tokenizer = word_tokenizer(WORDS, length=5)
    found = tokenizer("a red fox on a beach", truncation=True).input_ids
    assert tokenizer.convert_ids_to_tokens(found) == ["a", "red", "fox", "on", "</s>"]


def test_folder_is_stock_except_for_the_adapter(tiny_folder: Path) -> None:
    assert (
        json.loads((tiny_folder / "transformer" / "config.json").read_text())["_class_name"] == "WanTransformer3DModel"
    )
    assert json.loads((tiny_folder / "model_index.json").read_text())["transformer"][0] == "diffusers"
    transformer = WanTransformer3DModel.from_pretrained(tiny_folder / "transformer")
    assert type(transformer) is WanTransformer3DModel
    assert transformer.config.num_layers == 2
    vae = AutoencoderKLWan.from_pretrained(tiny_folder / "vae")
    assert list(vae.config.latents_std) == [0.5] * 4
    assert UMT5EncoderModel.from_pretrained(tiny_folder / "text_encoder").config.d_model == 16
    assert FlowMatchEulerDiscreteScheduler.from_pretrained(tiny_folder / "scheduler").config.shift == 2.0
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder / "tokenizer")
    assert tokenizer("A red fox.").input_ids == word_tokenizer(WORDS, length=24)("A red fox.").input_ids
    assert tokenizer.model_max_length == 24


def test_all_weights_are_fp16(tiny_folder: Path, record_property: Callable[[str, object], None]) -> None:
    files = sorted(tiny_folder.rglob("*.safetensors"))
    assert len(files) == 4
    assert {value.dtype for path in files for value in load_file(path).values()} == {torch.float16}
    size = sum(path.stat().st_size for path in tiny_folder.rglob("*"))
    record_property("bytes", size)
    assert size < 2_000_000


def test_loaded_model_is_the_saved_one_rounded(tiny_folder: Path) -> None:
    saved, loaded = state_of(tiny_built()), state_of(load_model(find(str(tiny_folder)), "cpu"))
    assert saved.keys() == loaded.keys()
    for name, value in saved.items():
        expected = value if "rope" in name else value.half().float()
        if name.startswith("text_encoder"):
            mantissas = torch.frexp(loaded[name]).mantissa * 2**9  # 8 bits and the one before them
            assert torch.equal(mantissas, mantissas.round()), name
            torch.testing.assert_close(loaded[name], expected, rtol=2**-9, atol=2**-22)
        else:
            assert torch.equal(loaded[name], expected), name


@pytest.mark.slow
def test_saving_does_not_change_a_model_even_if_compiled(tmp_path: Path) -> None:
    model = tiny_built()
    model.transformer.compile_repeated_blocks(dynamic=True)
    before = state_of(model)
    save_model(model, tmp_path / "model")
    assert same(before, state_of(model))
    stored = load_file(next((tmp_path / "model" / "transformer").glob("*.safetensors")))
    assert set(stored) == set(model.transformer.state_dict())


def test_card_contains_everything_for_planning(tiny_folder: Path) -> None:
    spec = find(str(tiny_folder))
    assert (spec.width, spec.height, spec.frames, spec.fps, spec.scale) == (64, 64, 5, 8, 2)
    assert (spec.steps, spec.guidance, spec.scheduler, spec.shift) == (2, 2.0, "euler", 2.0)
    assert (spec.memory_frames, spec.budget, spec.latent_channels) == (3, 2.0, 4)
    assert spec.words == WORDS
    model = load_model(spec, "cpu")
    assert model.codec.vae.config.scale_factor_spatial == spec.spatial_stride
    assert model.transformer.config.in_channels == spec.latent_channels


def test_card_of_a_loaded_model_contains_no_local_paths(tiny_folder: Path, tmp_path: Path) -> None:
    loaded = load_model(find(str(tiny_folder)), "cpu")
    assert loaded.spec.files.path == str(tiny_folder)
    save_model(loaded, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "onestory.json").read_text()) == json.loads(
        (tiny_folder / "onestory.json").read_text()
    )
    assert str(tiny_folder) not in (tmp_path / "again" / "onestory.json").read_text()


def test_shipped_recipe_fits_the_size_limit_of_the_wheel() -> None:
    with torch.device("meta"):
        model = build_model(read_recipe(RECIPE), WORDS)
    count = sum(weight.numel() for module in parts_of(model).values() for weight in module.parameters())
    assert 2 * count < 30 * 2**20
