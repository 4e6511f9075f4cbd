"""Training recipes: all settings of a training run, read from YAML into frozen dataclasses. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.schedulers import FIXED_STEPS, SCHEDULERS
from onestory_cli.storyworld.world import HELD_OUT, WorldConfig
from onestory_cli.utils.parsing import parse
from onestory_cli.utils.untrusted import read_yaml

KINDS = ("vae", "decoder", "text", "base", "adapter", "distil")
TARGETS = ("image", "shot")
CONDITIONINGS = ("uniform", "labels", "selector")
DTYPES = ("bfloat16", "float32")


@dataclass(frozen=True, kw_only=True)
class WorldSubset:
    """The part of the storyworld to train on; an empty tuple means all of it. See `WorldConfig`."""

    version: int = 1
    species: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    accessories: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    size: int = 64
    frames: int = 17
    fps: int = 8


@dataclass(frozen=True, kw_only=True)
class StoryData:
    """How many stories to render, of how many shots. Story seeds start at `seed` and must stay below `HELD_OUT`."""

    stories: int
    vae_stories: int
    shots: int = 6
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class VaeSize:
    """An AutoencoderKLWan that halves space and time twice: 8x or 16x in space by its patch of 2 or 4, 4x in time.

    `residual`: use Wan 2.2's shortcuts around the stages that change the resolution.
    """

    base_dim: int = 24
    dim_mult: tuple[int, ...] = (1, 2, 4)
    residual_blocks: int = 1
    patch_size: int = 2
    latent_channels: int = 16
    residual: bool = False

    @property
    def stride(self) -> int:
        """Pixels per latent cell in each direction."""
        return 4 * self.patch_size


@dataclass(frozen=True, kw_only=True)
class TransformerSize:
    width: int = 256
    heads: int = 8
    layers: int = 8
    feed_forward: int = 4


@dataclass(frozen=True, kw_only=True)
class TextSize:
    width: int = 192
    heads: int = 4
    layers: int = 2
    tokens: int = 40


@dataclass(frozen=True, kw_only=True)
class MemorySettings:
    """Sizes of selector and conditioner, and the default memory settings of a film.

    `isolated_context`: train context tokens that attend only to each other. Rendering then computes them once per shot.
    """

    frames: int = 8
    budget: float = 4.0
    selector_width: int = 128
    queries: int = 4
    share_finest: bool = True
    isolated_context: bool = False


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The model's default settings for rendering."""

    steps: int = 24
    guidance: float = 3.0
    memory_guidance: float = 0.0
    scheduler: str = "euler"
    shift: float = 2.0
    scale: int = 8


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    name: str
    vae: VaeSize = VaeSize()
    transformer: TransformerSize = TransformerSize()
    text: TextSize = TextSize()
    memory: MemorySettings = MemorySettings()
    sampling: Sampling = Sampling()


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Weights of the auxiliary losses of a stage, and the blocks (counted from 0) that they probe.

    `looks_weight`, `roles_weight`, `setting_weight`: losses of `probes/token_probe.py` on the tokens after the block
    `looks_block`, `roles_block` or `setting_block`.
    `match_weight`, `match_setting_weight`: loss of `probes/attention.py` for characters and for settings, on the
    attention of the block `match_block`.
    `words_weight`: loss of `probes/labels.py` on the words of captions.
    """

    looks_weight: float = 0.0
    looks_block: int = 0
    roles_weight: float = 0.0
    roles_block: int = 0
    setting_weight: float = 0.0
    setting_block: int = 0
    match_weight: float = 0.0
    match_setting_weight: float = 0.0
    match_block: int = 0
    words_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Stage(Probes):
    """One stage of training.

    `kind`: vae; decoder (only the VAE's decoder, so latents do not change); text (only the text encoder, which learns
    the character that each word describes); base (text and first frame -> picture or shot, no memory); adapter (with
    memory, all weights); distil (the transformer learns to reproduce guided sampling in `model.sampling.steps` unguided
    steps).
    `target`: train on single latent frames (which teach appearance several times cheaper) or on whole shots.
    `conditioning`: how to choose the frames of the history that condition the target: uniform from the real shots (the
    paper's warm-up, since an untrained selector would mislead), by label, or the selector's own top-K.
    `rate` is the learning rate of AdamW; with a `matrix_rate` above 0, matrices use Muon at that rate.
    `places_rate`, if above 0, is the rate of the text encoder's relative position biases: attention logits, which must
    reach five or more to select a neighbour. That takes thousands of steps at the common rate.
    `cooldown`: the last share of the steps, in which the rate falls to zero; before it the rate is constant.
    `memory`: share of batches with memory; the others train first shots and the unconditional branch.
    `inflation`: share of memory batches whose history is inflated (a foreign shot or an augmented copy, Eq. 9).
    `earlier`: weights of 1, 2, 3, ... earlier shots. The paper trains on triples, which always have 2.
    `remembered` and `budgets`: numbers of frames and budgets to draw from, so that one model supports all of them.
    `full_caption`: share of captions that describe every look; `full_caption_alone`: the same without memory.
    `stories` and `skip`: the stage draws from the stories `skip` to `stories` - 1; `stories: 0` is all from `skip` on.
    `pairs`: share of targets that are chosen to show two characters; of the others, one in seven does.
    `spread` is subtracted from the labels by position in the shot: frames of one shot are near copies of each other.
    `text_layers`: number of layers of the text encoder from this stage on; 0 means unchanged.
    `decoder_dim`: width of the decoder's last level from a decoder stage on; 0 means unchanged.
    `keep_weight`: weight of the loss that keeps an encoder's states (text stage) or generated clips close to their old
    values.
    `character_weight` and `accent_weight`: additional weight in the flow loss of cells that show a character, or a
    kite or the accent object of a place. In a vae or decoder stage `character_weight`, `outline_weight` and
    `face_weight` are added to the weight 1 of a pixel that shows a character, an outline, or an eye or mouth.
    `adversarial`: weight of a decoder stage's adversarial loss; `discriminator_rate`: the rate of its discriminator.
    `generated`: clips per step that are decoded without true frames, from latents generated for the stories of `data`.
    `guidance`, `memory_guidance` and `teacher_steps`: in a distil stage, the teacher's guidance scales and its number
    of Euler steps per step of the student.
    `noise_mean` and `noise_std`: the time is the sigmoid of a normal variable with this mean and standard deviation; 1
    is pure noise.
    """

    name: str
    kind: str
    steps: int
    batch: int
    rate: float
    matrix_rate: float = 0.0
    places_rate: float = 0.0
    weight_decay: float = 0.01
    warmup: int = 100
    cooldown: float = 0.5
    clip: float = 1.0
    ema: float = 0.999
    target: str = "image"
    frames: int = 9
    memory: float = 0.6
    conditioning: str = "labels"
    inflation: float = 0.25
    earlier: tuple[float, ...] = (0.0, 1.0)
    remembered: tuple[int, ...] = (8,)
    budgets: tuple[float, ...] = (4.0,)
    memory_noise: float = 0.2
    label_noise: float = 0.15
    spread: tuple[float, ...] = (0.0, 0.4, 0.2, 0.4, 0.1)
    selection_weight: float = 0.5
    drop_text: float = 0.1
    full_caption: float = 0.15
    full_caption_alone: float = 0.8
    stories: int = 0
    skip: int = 0
    pairs: float = 0.0
    text_layers: int = 0
    decoder_dim: int = 0
    keep_weight: float = 0.3
    first_frame: float = 0.15
    character_weight: float = 4.0
    outline_weight: float = 0.0
    face_weight: float = 0.0
    accent_weight: float = 0.0
    first_weight: float = 1.0
    noise_mean: float = 0.6
    noise_std: float = 1.1
    kl: float = 5e-4
    gradient: float = 0.5
    adversarial: float = 0.0
    discriminator_rate: float = 0.0005
    generated: int = 0
    guidance: float = 3.0
    memory_guidance: float = 0.0
    teacher_steps: int = 2
    sample_every: int = 0

    @property
    def story_slice(self) -> slice:
        """The stories that the stage draws from."""
        return slice(self.skip, self.stories or None)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a training run.

    `start`: the model to continue from, a name of the catalogue or a folder. Its own sizes apply; only the name,
    `sampling` and `memory.isolated_context` of `model` are read. If empty, training starts from random weights. A
    `world.size` that is a multiple of the model's enlarges its pictures and keeps its latents: train the decoder for
    them in a decoder stage.
    `dtype`: the autocast type, float32 or bfloat16 (used where the device supports it).
    """

    name: str
    model: ModelRecipe
    data: StoryData
    stages: tuple[Stage, ...]
    world: WorldSubset = WorldSubset()
    start: str = ""
    seed: int = 0
    dtype: str = "bfloat16"
    compile: bool = True
    checkpoint_every: int = 200
    log_every: int = 50


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


def world_config(world: WorldSubset) -> WorldConfig:
    """The renderer's config; empty tuples of the recipe mean the whole world.

    Raises:
        ValueError: a name that the storyworld does not have.
    """
    names = {name: getattr(world, name) for name in ("species", "colours", "accessories", "settings")}
    chosen = {name: value for name, value in names.items() if value}
    return WorldConfig(**chosen, size=world.size, frames=world.frames, fps=world.fps, version=world.version)


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
    if model.memory.isolated_context and not any(stage.kind == "adapter" for stage in recipe.stages):
        yield "model.memory: isolated_context needs a stage of kind adapter, which trains it"
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
    if stage.generated and not stage.adversarial:
        yield "generated needs adversarial: generated clips have no true frames"
    if not 0 <= stage.pairs <= 1:
        yield f"pairs must be a share from 0 to 1, not {stage.pairs}"
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
