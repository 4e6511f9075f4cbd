"""Read a training recipe from YAML and check it. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.schedulers import FIXED_STEPS, SCHEDULERS
from onestory_cli.storyworld.world import HELD_OUT
from onestory_cli.training.recipe import CONDITIONINGS, DTYPES, KINDS, TARGETS, Recipe, Stage, world_config
from onestory_cli.utils.parsing import parse
from onestory_cli.utils.untrusted import read_yaml


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Raises:
        OnestoryError: T601 for an unreadable file, an entry that is unknown, missing or of the wrong type, or values
            that conflict.
    """
    try:
        recipe = parse(Recipe, read_yaml(path), where="recipe")
        faults = [*_faults(recipe)]
        if faults:
            raise ValueError("; ".join(faults))
    except (OSError, ValueError) as fault:
        raise OnestoryError(
            "T601",
            f"{path}: {getattr(fault, 'strerror', None) or fault}",
            help="compare with examples/recipes/storyworld.yaml",
        ) from fault
    return recipe


def _faults(recipe: Recipe) -> Iterator[str]:
    """Yield what makes a well-formed recipe unusable."""
    world, data, model = recipe.world, recipe.data, recipe.model
    world_config(world)
    vae, transformer, text = model.vae, model.transformer, model.text
    multiple = 2 * vae.stride
    if world.size % multiple or world.frames % 4 != 1:
        yield f"world: size must be a multiple of {multiple} and frames 4k+1, not {world.size} and {world.frames}"
    if min(data.stories, data.vae_stories, data.shots) < 1 or data.seed < 0:
        yield "data: stories, vae_stories and shots must be at least 1, and seed at least 0"
    if data.seed + max(data.stories, data.vae_stories) > HELD_OUT:
        yield f"data: seeds from {HELD_OUT} on are held out"
    if vae.patch_size not in (2, 4) or len(vae.dim_mult) != 3:
        yield "model.vae: patch_size must be 2 or 4, and dim_mult needs three entries"
    elif vae.residual and vae.dim_mult[-1] != vae.dim_mult[-2]:
        yield "model.vae: with residual, the last two entries of dim_mult must be equal"
    if transformer.width % (2 * transformer.heads) or text.width % text.heads:
        yield "model: a width must be a multiple of its number of heads (of twice that for the transformer)"
    if model.sampling.scheduler not in SCHEDULERS:
        yield f"model.sampling: {model.sampling.scheduler!r} is not one of {', '.join(SCHEDULERS)}"
    elif model.sampling.steps != (steps := FIXED_STEPS.get(model.sampling.scheduler, model.sampling.steps)):
        yield f"model.sampling: the scheduler {model.sampling.scheduler} takes {steps} steps"
    if model.memory.isolated_context and not any(stage.kind in ("adapter", "distil") for stage in recipe.stages):
        yield "model.memory: isolated_context needs a stage of kind adapter or distil, which trains it"
    if recipe.dtype not in DTYPES:
        yield f"dtype {recipe.dtype!r} is not one of {', '.join(DTYPES)}"
    if min(recipe.checkpoint_every, recipe.log_every) < 1:
        yield "checkpoint_every and log_every must be at least 1"
    if not recipe.stages or len({stage.name for stage in recipe.stages}) != len(recipe.stages):
        yield "stages: at least one is needed, and names must be unique"
    for stage in recipe.stages:
        yield from (f"stage {stage.name}: {fault}" for fault in _stage_faults(stage, recipe))


def _stage_faults(stage: Stage, recipe: Recipe) -> Iterator[str]:
    for value, allowed in ((stage.kind, KINDS), (stage.target, TARGETS), (stage.conditioning, CONDITIONINGS)):
        if value not in allowed:
            yield f"{value!r} is not one of {', '.join(allowed)}"
    if stage.steps < 1 or stage.batch < 1:
        yield "steps and batch must be at least 1"
    if stage.kind == "distil" and (stage.teacher_steps < 1 or recipe.model.sampling.scheduler != "euler"):
        yield "a distil stage needs teacher_steps of at least 1 and the scheduler euler in model.sampling"
    if stage.kind in ("vae", "decoder") and (stage.frames % 4 != 1 or stage.frames > recipe.world.frames):
        yield f"frames must be 4k+1 and at most the world's {recipe.world.frames}, not {stage.frames}"
    if stage.kind in ("adapter", "distil") and len(stage.earlier) >= recipe.data.shots:
        yield f"earlier has {len(stage.earlier)} weights; stories of {recipe.data.shots} shots have fewer earlier ones"
    for name in ("decoder_dim", "adversarial"):
        if getattr(stage, name) and stage.kind != "decoder":
            yield f"{name} needs the kind decoder"
    if stage.keep_latents and stage.kind != "vae":
        yield "keep_latents needs the kind vae"
    if stage.kites and (recipe.world.version < 2 or not recipe.world.kites or stage.kind not in ("vae", "decoder")):
        yield "kites needs the kind vae or decoder, and a world of version 2 with kites"
    for name in ("kites", "pairs"):
        if not 0 <= getattr(stage, name) <= 1:
            yield f"{name} must be a share from 0 to 1, not {getattr(stage, name)}"
    if stage.generated and not stage.adversarial:
        yield "generated needs adversarial: generated clips have no true frames"
    if not 0 <= stage.stories <= recipe.data.stories:
        yield f"stories must be 0 (all) or at most the {recipe.data.stories} of data, not {stage.stories}"
    elif not 0 <= stage.skip < (stage.stories or recipe.data.stories):
        yield f"skip must leave some of the {stage.stories or recipe.data.stories} stories, not {stage.skip}"
    layers = recipe.model.transformer.layers
    for name in ("looks_block", "roles_block", "setting_block", "match_block"):
        block = getattr(stage, name)
        if not 0 <= block < layers:
            yield f"{name} must be from 0 to {layers - 1}, not {block}"
    if sum(stage.earlier) <= 0 or not (stage.remembered and stage.budgets and stage.spread):
        yield "earlier needs a weight above 0; remembered, budgets and spread must not be empty"
