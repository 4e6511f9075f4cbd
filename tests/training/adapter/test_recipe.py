"""Adapter recipes are valid, or rejected with the name of the entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.levels import FINE
from onestory_cli.models.bases import BASES
from onestory_cli.models.catalog import find
from onestory_cli.training.adapter.fit import incompatibilities, student_steps, unused_levels
from onestory_cli.training.adapter.recipe import AdapterMemory, is_adapter_recipe, read_adapter_recipe

RECIPE = """\
name: tiny
base: some/base
data: {manifest: shots.jsonl}
train: {steps: 4}
"""


EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "recipes").glob("*.yaml"))
ADAPTERS = {path: read_adapter_recipe(path) for path in EXAMPLES if is_adapter_recipe(path)}
STUDENTS = [path for path, recipe in ADAPTERS.items() if recipe.distil]
OF_BASES = [path for path, recipe in ADAPTERS.items() if recipe.base in BASES and not recipe.distil]


def test_example_recipe_for_footage_fits_the_embedded_model() -> None:
    (path,) = ADAPTERS.keys() - {*OF_BASES, *STUDENTS}
    recipe = ADAPTERS[path]
    assert [*incompatibilities(recipe, find(recipe.base))] == []


@pytest.mark.parametrize("path", OF_BASES, ids=lambda path: path.stem)
def test_example_recipes_fit_their_bases(path: Path) -> None:
    recipe = read_adapter_recipe(path)
    assert [*incompatibilities(recipe, BASES[recipe.base])] == []
    assert (recipe.train.rate, recipe.train.weight_decay) == (5e-4, 0.01)
    width, height = recipe.size or (BASES[recipe.base].width, BASES[recipe.base].height)
    assert unused_levels(recipe.memory, BASES[recipe.base].with_fields(width=width, height=height)) == []


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_example_recipes_of_students_fit_their_bases(path: Path) -> None:
    recipe = ADAPTERS[path]
    spec = BASES[recipe.base]
    assert [*incompatibilities(recipe, spec)] == []
    assert recipe.distil is not None
    assert len(student_steps(recipe, spec)) == recipe.distil.steps
    assert recipe.distil.guidance == spec.guidance


def test_finest_level_is_unused_where_a_budget_is_shared_by_many_frames() -> None:
    spec = BASES["wan2.1-i2v-14b-480p"]
    assert unused_levels(AdapterMemory(remembered=(8,), budgets=(1.0,)), spec) == [FINE]
    between = AdapterMemory(remembered=(8,), budgets=(1.0,), levels=(2, 3, 8))
    assert [level.patch for level in unused_levels(between, spec)] == [2]
    assert unused_levels(AdapterMemory(remembered=(8, 1), budgets=(1.0,), levels=(2, 3, 8)), spec) == []
    assert unused_levels(AdapterMemory(remembered=(8,), budgets=(2.0,)), spec) == []


def test_isolated_context_needs_one_timestep_per_token(tmp_path: Path) -> None:
    text = RECIPE.replace("name: tiny", "name: tiny\nmemory: {isolated_context: true}")
    recipe = read_adapter_recipe(written(tmp_path, text))
    assert "memory.isolated_context: wan2.1-t2v-1.3b has one timestep for all tokens" in "; ".join(
        incompatibilities(recipe, BASES["wan2.1-t2v-1.3b"])
    )
    assert not [*incompatibilities(recipe, BASES["wan2.2-ti2v-5b"])]


def test_every_base_that_supports_an_adapter_has_a_recipe() -> None:
    named = {read_adapter_recipe(path).base for path in OF_BASES}
    assert named == {name for name, row in BASES.items() if row.task not in ("vace", "m2v")}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return path


def test_defaults_are_the_values_of_the_paper(tmp_path: Path) -> None:
    recipe = read_adapter_recipe(written(tmp_path, RECIPE))
    assert (recipe.train.rate, recipe.train.weight_decay, recipe.memory.budgets) == (5e-4, 0.01, (1.0,))
    assert (recipe.delta, recipe.size, recipe.frames, recipe.expert) == ("none", None, None, "")
    assert recipe.data.labels == ("facebook/dinov2-base", "openai/clip-vit-base-patch32")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base: some/base\n", "", "recipe: 'base' is missing"),
        ("steps: 4", "step: 4", "recipe.train: unknown key 'step'"),
        ("steps: 4", "steps: 0", "train: steps, batch and accumulate must be at least 1"),
        ("steps: 4", "steps: 4, alone: 2", "train: alone must be a share from 0 to 1, not 2"),
        ("steps: 4", "steps: 4, rate: 0", "train: rate, clip and noise_std must be above 0"),
        ("manifest: shots.jsonl", "", "data: either a manifest or the storyworld is needed"),
        ("shots.jsonl", "shots.jsonl, storyworld: {stories: 2}", "data: either a manifest or the storyworld"),
        ("manifest: shots.jsonl", "storyworld: {stories: 1}", "data.storyworld: at least 2 stories of 2 shots"),
        ("shots.jsonl", "shots.jsonl, short: cut", "data.short: 'cut' is not one of refuse, drop"),
        ("name: tiny", "name: tiny\nsize: [832]", "size: width and height are needed"),
        ("name: tiny", "name: tiny\nsize: 832", "recipe.size: expected a list, found 832"),
        ("name: tiny", "name: tiny\ndelta: most", "delta: 'most' is not one of none, lora, full"),
        ("name: tiny", "name: tiny\nexpert: middle", "expert: 'middle' is not one of high, low"),
        ("name: tiny", "name: tiny\ntrack: [mlflow]", "track: 'mlflow' is not one of tensorboard, wandb"),
        ("name: tiny", "name: tiny\nlora: {modules: []}", "lora: rank and alpha must be at least 1, and modules"),
        ("name: tiny", "name: tiny\nmemory: {budgets: []}", "memory: remembered and budgets need values above 0"),
        ("name: tiny", "name: tiny\nmemory: {selector_width: 6}", "selector_width a multiple of 4"),
        (
            "name: tiny",
            "name: tiny\nmemory: {levels: [3, 4]}",
            "memory: levels must be ascending patch sizes from 2, 3,",
        ),
        (
            "name: tiny",
            "name: tiny\nmemory: {levels: [2, 5]}",
            "memory: levels must be ascending patch sizes from 2, 3,",
        ),
        ("name: tiny", "name: tiny\nmemory: {noise_min: 0.2}", "memory: noise must be at least noise_min"),
        ("name: tiny", "name: tiny\nmemory: {negatives: 2}", "negatives a share from 0 to 1"),
        ("name: tiny", "name: tiny\nread_ahead: -1", "read_ahead must be at least 0"),
        ("shots.jsonl", "shots.jsonl, windows: 0", "data.windows must be at least 1"),
        ("manifest: shots.jsonl", "storyworld: {stories: 2}, windows: 2", "the storyworld has one window"),
        ("name: tiny", "name: tiny\ndistil: {}", "distil: the student is a LoRA; set `delta: lora` instead of none"),
        ("name: tiny", "name: tiny\ndistil: {steps: 0}", "distil: steps and teacher_steps must be at least 1"),
        ("name: tiny", "name: tiny\ndistil: {guidance: 0.5}", "distil: guidance must be at least 1"),
        ("name: tiny", "name: tiny\ndistil: {shift: 0}", "distil: shift must be above 0, not 0"),
        ("name: tiny", "name: tiny\ndistil: {step: 4}", "recipe.distil: unknown key 'step'"),
        ("name: tiny", "name: tiny\ndistil: {}\nother_expert: model", "distil: each expert has its own student"),
        (
            "name: tiny",
            "name: tiny\ndistil: {}\nmemory: {isolated_context: true}",
            "distil: a student keeps the attention of the base; remove memory.isolated_context",
        ),
        ("steps: 4", "steps: 4, uniform_steps: 1}\ndistil: {steps: 4", "remove train.uniform_steps"),
        ("name: tiny", "name: tiny\nlog_every: 0", "checkpoint_every, log_every and sample_steps must be at least 1"),
    ],
)
def test_findings_name_the_entry(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert RECIPE.count(old) == 1
    with pytest.raises(OnestoryError) as caught:
        read_adapter_recipe(written(tmp_path, RECIPE.replace(old, new)))
    assert caught.value.code == "T601"
    assert message in caught.value.message


def test_recipe_with_base_is_an_adapter_recipe(tmp_path: Path) -> None:
    assert is_adapter_recipe(written(tmp_path, RECIPE))
    assert not is_adapter_recipe(written(tmp_path, "name: tiny\nmodel: {name: tiny}\n"))
    assert not is_adapter_recipe(written(tmp_path, "a: ["))
    assert not is_adapter_recipe(tmp_path / "nowhere.yaml")
