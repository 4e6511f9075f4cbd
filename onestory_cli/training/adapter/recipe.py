"""The recipe of an adapter: a base, training data and settings, read from YAML. No torch here.

A recipe with the key `base` is an adapter recipe. Any other trains a whole model (`onestory_cli.training.recipe`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.levels import FINE, LEVELS, PATCHES
from onestory_cli.training.recipe import DTYPES
from onestory_cli.utils.parsing import parse
from onestory_cli.utils.untrusted import read_yaml

DELTAS = ("none", "lora", "full")
EXPERTS = ("", "high", "low")
SHORT = ("refuse", "drop")
TRACKERS = ("tensorboard", "wandb")
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass(frozen=True, kw_only=True)
class WorldShots:
    """Shots of the procedural storyworld, drawn at the recipe's size; their labels are its ground truth."""

    stories: int
    shots: int = 3
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class AdapterData:
    """The source of shots: a manifest (JSON lines; the path is absolute or relative to the recipe) or the storyworld.

    `labels` are image encoders (hub ids or folders). The relevance of a frame is its mean similarity to the target shot
    over these encoders. Shots of a manifest that state their relevance need no encoder.
    `short`: "refuse" or "drop" shots that are shorter than the recipe's frames.
    `validation`: share of the video files that are held out; their losses, and the selector's recall on them, are
    logged at every checkpoint.
    `windows`: parts of each shot that are encoded if it is longer than its frames. Each step uses a random one.
    """

    manifest: str | None = None
    storyworld: WorldShots | None = None
    labels: tuple[str, ...] = ("facebook/dinov2-base", "openai/clip-vit-base-patch32")
    short: str = "refuse"
    validation: float = 0.0
    windows: int = 1


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A low-rank delta on the linear layers of the transformer with names that end in one of `modules`."""

    rank: int = 32
    alpha: int = 32
    modules: tuple[str, ...] = ATTENTION


@dataclass(frozen=True, kw_only=True)
class AdapterMemory:
    """Sizes of the selector, and the numbers of frames and budgets to draw from in each training step.

    The first entry of each is the default of a film.
    `levels`: patch sizes of the conditioner in latent cells, the finest first, from 2, 3, 4, 6 and 8. A budget counts
    tokens of patch 2.
    `noise`: standard deviation of noise that is added to remembered frames, because generated frames are less clean
    than real ones. With `noise_min` the deviation is drawn for each target, between the two.
    `negatives`: share of remembered frames that are replaced by frames of another video. The transformer then learns
    to ignore frames that the caption does not describe, which the selector sometimes chooses.
    `isolated_context`: context tokens attend only to each other, so rendering computes them once per shot. The base
    must take one timestep per token.
    """

    remembered: tuple[int, ...] = (8,)
    budgets: tuple[float, ...] = (1.0,)
    selector_width: int = 512
    queries: int = 8
    levels: tuple[int, ...] = tuple(level.patch for level in LEVELS)
    noise: float = 0.0
    noise_min: float | None = None
    negatives: float = 0.0
    isolated_context: bool = False


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How the adapter is trained. `batch` is per process; `accumulate` batches make one optimiser step.

    `uniform_steps`: length of the warm-up. During warm-up every triple contains a synthetic shot, and random frames of
    the real shot condition the target. Afterwards the selector chooses the frames (decoupled conditioning).
    `inflation`: after warm-up, the share of targets with two earlier shots that get a synthetic one anyway. A target
    with a single earlier shot always gets one (Eq. 9).
    `alone`: share of steps without memory. They train first shots and the unconditional branch of guidance, and need a
    delta. `drop_text` is the share of those steps that also have no caption.
    `first_frame`: share of targets with a given first frame, on bases that accept one.
    `rate_delta`: learning rate of the transformer's delta; None means `rate`.
    `shift`, `noise_mean`, `noise_std`: noise levels are the sigmoid of a normal variable, shifted as in rendering
    (None: the base's default shift).
    """

    steps: int
    batch: int = 1
    accumulate: int = 1
    rate: float = 5e-4
    rate_delta: float | None = None
    weight_decay: float = 0.01
    warmup: int = 100
    cooldown: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    uniform_steps: int = 0
    inflation: float = 0.5
    alone: float = 0.1
    drop_text: float = 0.5
    first_frame: float = 0.5
    selection_weight: float = 1.0
    shift: float | None = None
    noise_mean: float = 0.0
    noise_std: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Train a LoRA of the base that needs few steps and one pass per step, instead of an adapter.

    The student takes `steps` Euler steps with the flow shift `shift` (None: the base's). It learns the mean velocity
    over each step of the base with `guidance` (None: the base's) and `memory_guidance`, from `teacher_steps` Euler
    steps of the base within that step.
    """

    steps: int = 4
    guidance: float | None = None
    memory_guidance: float = 0.0
    teacher_steps: int = 2
    shift: float | None = None


@dataclass(frozen=True, kw_only=True)
class AdapterRecipe:
    """All settings of an adapter training, or of the distillation of a base.

    `base`: a name of the catalogue or a folder.
    `size` (width, height), `frames` (4k + 1) and `fps` apply to every shot; None means the base's default.
    `buckets`: numbers of frames, one of them `frames`. Each shot has the largest that it is long enough for, and all
    targets of a batch have the same. An empty list means `frames` for all.
    `expert`: "high" or "low", the transformer to train of a base that has two (Wan 2.2). `other_expert`: the model
    folder of the finished training of the other one. Its selector is reused, and the result is one adapter for both.
    `cache`: a folder of encoded shots and captions that several trainings can share; None means a private one.
    `distil`: train a few-step LoRA for the base; its memory adapter, if it has one, is frozen and used by both student
    and teacher.
    `track`: also log to TensorBoard or Weights & Biases.
    `read_ahead`: number of batches that a thread reads from the cache while the device computes.
    """

    name: str
    base: str
    data: AdapterData
    train: Learning
    size: tuple[int, ...] | None = None
    frames: int | None = None
    buckets: tuple[int, ...] = ()
    fps: int | None = None
    expert: str = ""
    other_expert: str | None = None
    delta: str = "none"
    lora: Lora = Lora()
    memory: AdapterMemory = AdapterMemory()
    distil: Distillation | None = None
    cache: str | None = None
    seed: int = 0
    dtype: str = "bfloat16"
    gradient_checkpointing: bool = True
    checkpoint_every: int = 250
    log_every: int = 10
    sample_every: int = 0
    sample_steps: int = 20
    track: tuple[str, ...] = ()
    read_ahead: int = 2


def is_adapter_recipe(path: Path) -> bool:
    """Whether a file is a recipe that names a base. False for an unreadable file; reading the recipe reports it."""
    try:
        tree = read_yaml(path)
    except (OSError, ValueError):
        return False
    return isinstance(tree, dict) and "base" in tree


def read_adapter_recipe(path: Path) -> AdapterRecipe:
    """Read an adapter recipe from a YAML file.

    Raises:
        OnestoryError: T601 for an unreadable file, an entry that is unknown, missing or of the wrong type, or values
            that conflict.
    """
    try:
        recipe: AdapterRecipe = parse(AdapterRecipe, read_yaml(path), where="recipe")
        if faults := [*_faults(recipe)]:
            raise ValueError("; ".join(faults))
    except (OSError, ValueError) as fault:
        help = "compare with examples/recipes/wan2.1-t2v-1.3b.yaml"
        raise OnestoryError("T601", f"{path}: {getattr(fault, 'strerror', None) or fault}", help=help) from fault
    return recipe


def _faults(recipe: AdapterRecipe) -> Iterator[str]:
    """Yield the faults of a well-formed recipe that do not depend on the base."""
    data, memory, lora = recipe.data, recipe.memory, recipe.lora
    named: list[tuple[str, str, tuple[str, ...]]] = [
        ("delta", recipe.delta, DELTAS),
        ("expert", recipe.expert, EXPERTS),
        ("dtype", recipe.dtype, DTYPES),
        ("data.short", data.short, SHORT),
        *(("track", name, TRACKERS) for name in recipe.track),
    ]
    for key, value, allowed in named:
        if value not in allowed:
            yield f"{key}: {value!r} is not one of {', '.join(item for item in allowed if item)}"
    if (data.manifest is None) == (data.storyworld is None):
        yield "data: either a manifest or the storyworld is needed"
    if data.storyworld and (data.storyworld.stories < 2 or data.storyworld.shots < 2 or data.storyworld.seed < 0):
        yield "data.storyworld: at least 2 stories of 2 shots are needed, and a seed of at least 0"
    if data.windows < 1 or (data.storyworld and (data.windows > 1 or recipe.buckets)):
        yield "data.windows must be at least 1; the storyworld has one window and no buckets"
    if not 0 <= data.validation <= 0.5:
        yield f"data.validation is a share, from 0 to 0.5, not {data.validation}"
    if recipe.size is not None and (len(recipe.size) != 2 or min(recipe.size) < 1):
        yield "size: width and height are needed"
    if min(recipe.checkpoint_every, recipe.log_every, recipe.sample_steps) < 1 or recipe.sample_every < 0:
        yield "checkpoint_every, log_every and sample_steps must be at least 1"
    if recipe.read_ahead < 0:
        yield "read_ahead must be at least 0"
    yield from (f"memory: {fault}" for fault in _memory_faults(memory))
    if lora.rank < 1 or lora.alpha < 1 or not lora.modules:
        yield "lora: rank and alpha must be at least 1, and modules name at least one layer"
    yield from (f"train: {fault}" for fault in _learning_faults(recipe.train))
    if recipe.distil:
        yield from (f"distil: {fault}" for fault in _distil_faults(recipe, recipe.distil))


def _distil_faults(recipe: AdapterRecipe, distil: Distillation) -> Iterator[str]:
    if min(distil.steps, distil.teacher_steps) < 1:
        yield "steps and teacher_steps must be at least 1"
    if (distil.guidance is not None and distil.guidance < 1) or distil.memory_guidance < 0:
        yield "guidance must be at least 1, and memory_guidance at least 0"
    if distil.shift is not None and distil.shift <= 0:
        yield f"shift must be above 0, not {distil.shift:g}"
    if recipe.delta != "lora":
        yield f"the student is a LoRA; set `delta: lora` instead of {recipe.delta}"
    if recipe.other_expert:
        yield "each expert has its own student; remove other_expert"
    if recipe.memory.isolated_context:
        yield "a student keeps the attention of the base; remove memory.isolated_context"
    if recipe.train.uniform_steps:
        yield "the selector of the base is not trained; remove train.uniform_steps"


def _memory_faults(memory: AdapterMemory) -> Iterator[str]:
    if min(min(memory.remembered, default=0), min(memory.budgets, default=0)) <= 0:
        yield "remembered and budgets need values above 0"
    if memory.queries < 1 or memory.selector_width < 4 or memory.selector_width % 4:
        yield "queries must be at least 1, and selector_width a multiple of 4"
    sizes = set(memory.levels)
    if memory.levels[:1] != (FINE.patch,) or not sizes <= set(PATCHES) or list(memory.levels) != sorted(sizes):
        yield f"levels must be ascending patch sizes from {', '.join(map(str, PATCHES))}, and begin with {FINE.patch}"
    if not 0 <= (memory.noise_min or 0) <= memory.noise or not 0 <= memory.negatives <= 1:
        yield "noise must be at least noise_min, noise_min at least 0, and negatives a share from 0 to 1"


def _learning_faults(learning: Learning) -> Iterator[str]:
    if min(learning.steps, learning.batch, learning.accumulate) < 1 or learning.uniform_steps < 0:
        yield "steps, batch and accumulate must be at least 1, and uniform_steps at least 0"
    for name in ("inflation", "alone", "drop_text", "first_frame", "cooldown", "ema"):
        if not 0 <= getattr(learning, name) <= 1:
            yield f"{name} must be a share from 0 to 1, not {getattr(learning, name)}"
    if learning.rate <= 0 or learning.clip <= 0 or learning.noise_std <= 0:
        yield "rate, clip and noise_std must be above 0"
