"""Valid recipes, and the findings for invalid ones."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import yaml

from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import find
from onestory_cli.storyworld.world import HELD_OUT
from onestory_cli.training.adapter.recipe import is_adapter_recipe
from onestory_cli.training.recipe import Recipe, Stage, WorldSubset, world_config
from onestory_cli.training.recipe_reader import read_recipe

EXAMPLES = Path(__file__).parents[2] / "examples" / "recipes"
FROM_THE_START = [*itertools.filterfalse(is_adapter_recipe, sorted(EXAMPLES.glob("*.yaml")))]
RECIPE = """\
name: tiny
model: {name: tiny}
data: {stories: 3, vae_stories: 2}
stages:
  - {name: vae, kind: vae, steps: 4, batch: 2, rate: 0.001}
  - {name: recall, kind: adapter, steps: 4, batch: 2, rate: 1, earlier: [1, 2], remembered: [3, 4]}
"""


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return read_recipe(path)


def finding(tmp_path: Path, text: str) -> str:
    with pytest.raises(OnestoryError) as caught:
        read(tmp_path, text)
    assert caught.value.code == "T601"
    assert "examples/recipes/storyworld.yaml" in caught.value.help
    return caught.value.message


@pytest.mark.parametrize("path", FROM_THE_START, ids=lambda path: path.stem)
def test_example_recipes_are_valid(path: Path) -> None:
    assert read_recipe(path).stages


def test_recipe_that_continues_an_embedded_model_has_its_size() -> None:
    recipe = read_recipe(EXAMPLES / "storyworld-distil.yaml")
    assert recipe.world.size == find(recipe.start).width


def test_ablation_recipes_differ_only_in_what_they_compare() -> None:
    """Table 2b of the paper: shot inflation, then a warm-up on uniform frames of real shots."""
    names = ("mixed", "inflation", "decoupled")
    recipes = [read_recipe(EXAMPLES / f"ablation-{name}.yaml") for name in names]
    stages = [[(stage.inflation, stage.conditioning) for stage in recipe.stages[2:]] for recipe in recipes]
    assert stages == [
        [(0.0, "selector"), (0.0, "selector")],
        [(0.5, "selector"), (0.5, "selector")],
        [(0.5, "uniform"), (0.5, "selector")],
    ]
    assert len({_leveled(recipe) for recipe in recipes}) == 1


def _leveled(recipe: Recipe) -> Recipe:
    """The recipe without the entries in which the ablation recipes differ."""
    stages = tuple(dataclasses.replace(stage, inflation=0.0, conditioning="labels") for stage in recipe.stages)
    return dataclasses.replace(recipe, name="", model=dataclasses.replace(recipe.model, name=""), stages=stages)


def test_missing_entries_have_defaults(tmp_path: Path) -> None:
    recipe = read(tmp_path, RECIPE)
    assert (recipe.seed, recipe.dtype, recipe.world, recipe.data.shots) == (0, "bfloat16", WorldSubset(), 6)
    assert recipe.stages[0] == Stage(name="vae", kind="vae", steps=4, batch=2, rate=0.001)
    assert recipe.model.transformer.width == 256


def test_lists_become_tuples_and_integers_become_floats_by_field_type(tmp_path: Path) -> None:
    stage = read(tmp_path, RECIPE).stages[1]
    assert (stage.earlier, stage.remembered, stage.rate) == ((1.0, 2.0), (3, 4), 1.0)
    assert isinstance(stage.rate, float)


def test_every_field_can_be_written(tmp_path: Path) -> None:
    recipe = read(tmp_path, RECIPE)
    text = yaml.safe_dump(yaml.safe_load(yaml.safe_dump(_plain(dataclasses.asdict(recipe)))))
    assert read(tmp_path, text) == recipe


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: tiny\n", "", "recipe: 'name' is missing"),
        ("vae, steps: 4, batch", "vae, batch", "recipe.stages[0]: 'steps' is missing"),
        ("name: tiny\n", "name: tiny\ncolour: red\n", "recipe: unknown key 'colour'; known: name, model"),
        ("vae_stories", "vea_stories", "recipe.data: unknown key 'vea_stories'"),
        ("{name: tiny}", "tiny", "recipe.model: expected a mapping, found 'tiny'"),
        ("{name: tiny}", "{name: 3}", "recipe.model.name: expected str, found 3"),
        (
            "steps: 4, batch: 2, rate: 0.001",
            "steps: 4.5, batch: 2, rate: 0.001",
            "recipe.stages[0].steps: expected int",
        ),
        ("rate: 0.001", "rate: fast", "recipe.stages[0].rate: expected float, found 'fast'"),
        ("rate: 0.001", "rate: true", "recipe.stages[0].rate: expected float, found True"),
        ("name: tiny\n", "name: tiny\ncompile: 1\n", "recipe.compile: expected bool, found 1"),
        ("[3, 4]", "3", "recipe.stages[1].remembered: expected a list, found 3"),
        ("[3, 4]", "[3, many]", "recipe.stages[1].remembered[1]: expected int, found 'many'"),
        ("[3, 4]", "[]", "stage recall: earlier needs a weight"),
        ("kind: vae", "kind: vea", "stage vae: 'vea' is not one of vae, decoder, text, base, adapter, distil"),
        ("kind: vae", "kind: vae, adversarial: 0.1", "stage vae: adversarial needs the kind decoder"),
        ("kind: vae", "kind: decoder, generated: 2", "stage vae: generated needs adversarial"),
        ("kind: vae", "kind: decoder, keep_latents: 1.0", "stage vae: keep_latents needs the kind vae"),
        ("kind: vae", "kind: vae, kites: 1.5", "stage vae: kites must be a share from 0 to 1, not 1.5"),
        (
            "kind: vae",
            "kind: vae, kites: 0.5",
            "stage vae: kites needs the kind vae or decoder, and a world of version 2",
        ),
        ("kind: adapter", "kind: distil, teacher_steps: 0", "stage recall: a distil stage needs teacher_steps"),
        ("kind: adapter", "kind: adapter, target: film", "stage recall: 'film' is not one of image, shot"),
        ("kind: adapter", "kind: adapter, conditioning: none", "stage recall: 'none' is not one of uniform, labels"),
        ("steps: 4, batch: 2, rate: 0.001", "steps: 0, batch: 2, rate: 0.001", "stage vae: steps and batch must"),
        ("kind: vae", "kind: vae, frames: 8", "stage vae: frames must be 4k+1 and at most the world's 17, not 8"),
        ("kind: vae", "kind: vae, frames: 21", "stage vae: frames must be 4k+1"),
        ("[1, 2]", "[1, 2, 3, 4, 5, 6]", "stage recall: earlier has 6 weights; stories of 6 shots"),
        ("name: recall", "name: vae", "names must be unique"),
        ("stories: 3", f"seed: {HELD_OUT - 2}, stories: 3", f"data: seeds from {HELD_OUT} on are held out"),
        ("stories: 3", "stories: 0", "data: stories, vae_stories and shots must be at least 1"),
        ("name: tiny\n", "name: tiny\ndtype: float8\n", "dtype 'float8' is not one of bfloat16, float32"),
        ("name: tiny\n", "name: tiny\nlog_every: 0\n", "checkpoint_every and log_every must be at least 1"),
        ("name: tiny\n", "name: tiny\nworld: {size: 60}\n", "world: size must be a multiple of 16"),
        ("name: tiny\n", "name: tiny\nworld: {species: [fix]}\n", "species: unknown name 'fix'"),
        ("name: tiny\n", "name: tiny\nworld: {species: fox}\n", "recipe.world.species: expected a list, found 'fox'"),
        ("{name: tiny}", "{name: tiny, vae: {dim_mult: [1, 2]}}", "model.vae: patch_size must be 2 or 4"),
        ("{name: tiny}", "{name: tiny, vae: {residual: true}}", "the last two entries of dim_mult must be equal"),
        ("{name: tiny}", "{name: tiny, transformer: {heads: 3}}", "model: a width must be a multiple of its number"),
        (
            "{name: tiny}",
            "{name: tiny, sampling: {scheduler: ddim}}",
            "model.sampling: 'ddim' is not one of euler, dmd, unipc",
        ),
        (
            "{name: tiny}",
            "{name: tiny, sampling: {scheduler: dmd, steps: 6}}",
            "model.sampling: the scheduler dmd takes 3 steps",
        ),
        (RECIPE, "a: [", "while parsing"),
        (RECIPE, "", "recipe: expected a mapping, found None"),
    ],
)
def test_findings_name_the_entry(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert RECIPE.count(old) == 1
    assert message in finding(tmp_path, RECIPE.replace(old, new))


def test_isolated_context_needs_an_adapter_stage(tmp_path: Path) -> None:
    asking = RECIPE.replace("{name: tiny}", "{name: tiny, memory: {isolated_context: true}}")
    assert read(tmp_path, asking).model.memory.isolated_context
    found = finding(tmp_path, asking.replace("kind: adapter", "kind: base"))
    assert "model.memory: isolated_context needs a stage of kind adapter" in found


def test_all_conflicts_are_reported_at_once(tmp_path: Path) -> None:
    said = finding(tmp_path, RECIPE.replace("kind: vae", "kind: vea").replace("[3, 4]", "[]"))
    assert "stage vae" in said
    assert "stage recall" in said


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError, match="nowhere") as caught:
        read_recipe(tmp_path / "nowhere.yaml")
    assert caught.value.code == "T601"


def test_empty_list_of_the_world_means_all() -> None:
    config = world_config(WorldSubset(species=("fox", "bear"), size=32))
    assert config.species == ("fox", "bear")
    assert (config.size, len(config.settings)) == (32, 8)
