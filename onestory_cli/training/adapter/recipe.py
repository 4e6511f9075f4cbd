"""The recipe of an adapter: a base, shots to learn from, and how; read once from YAML. No torch here.

A recipe with the key `base` is one of these; any other trains a model from the start (`onestory_cli.training.recipe`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
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
    """Where shots come from: a manifest (JSON lines, beside the recipe or absolute) or the storyworld.

    `labels` are image encoders, hub ids or folders, whose mean similarity of a frame to the target shot is the frame's
    relevance; shots of a manifest that state their own relevance need none. `short` says what becomes of shots that
    are shorter than the recipe's frames.
    """

    manifest: str | None = None
    storyworld: WorldShots | None = None
    labels: tuple[str, ...] = ("facebook/dinov2-base", "openai/clip-vit-base-patch32")
    short: str = "refuse"


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A low-rank delta on the transformer's linear layers whose names end as in `modules`."""

    rank: int = 32
    alpha: int = 32
    modules: tuple[str, ...] = ATTENTION


@dataclass(frozen=True, kw_only=True)
class AdapterMemory:
    """Sizes of the selector, and what conditions a training step: counts of frames and budgets to draw from.

    A film remembers the first of each by default. `noise` roughens remembered frames: made ones are never as clean as
    real ones.
    """

    remembered: tuple[int, ...] = (8,)
    budgets: tuple[float, ...] = (1.0,)
    selector_width: int = 512
    queries: int = 8
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How the adapter is fitted. `batch` is per process and `accumulate` the batches of one optimiser step.

    `uniform_steps`: the warm-up, in which every triple holds a synthetic shot and frames of the real one condition it
    by chance; afterwards the selector chooses (decoupled conditioning). `inflation` is then the share of targets with
    two real shots before them that get a synthetic one all the same; a target with one always does (Eq. 9).
    `alone`: share of steps without memory, which keep first shots and the unconditional branch of guidance; of those
    the share `drop_text` has no caption either. They need a delta.
    `first_frame`: share of targets whose first frame is given, on bases that take one.
    `rate_delta` is the learning rate of the transformer's part, None for the same `rate`.
    `shift`, `noise_mean`, `noise_std`: noise levels are the sigmoid of a normal number, shifted as in rendering
    (None: as the base's default).
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
class AdapterRecipe:
    """A whole fitting of an adapter.

    `base` is a name of the catalogue or a folder; `size` is (width, height) and `frames` 4k + 1, of every shot, at
    `fps` frames per second; None takes the base's.
    `expert` is which transformer of a base that has two (Wan 2.2), for high noise or for low; `other_expert` is the
    model folder that the training of the other one wrote: its selector is taken over, and both come into one adapter.
    `cache` is a folder of encoded shots and captions that trainings may share, None for one of this training's own.
    `track` also logs to TensorBoard or Weights & Biases.
    """

    name: str
    base: str
    data: AdapterData
    train: Learning
    size: tuple[int, ...] | None = None
    frames: int | None = None
    fps: int | None = None
    expert: str = ""
    other_expert: str | None = None
    delta: str = "none"
    lora: Lora = Lora()
    memory: AdapterMemory = AdapterMemory()
    cache: str | None = None
    seed: int = 0
    dtype: str = "bfloat16"
    gradient_checkpointing: bool = True
    checkpoint_every: int = 250
    log_every: int = 10
    sample_every: int = 0
    sample_steps: int = 20
    track: tuple[str, ...] = ()


def is_adapter_recipe(path: Path) -> bool:
    """Whether a file is a recipe that names a base; what cannot be read is left to be refused by a reader."""
    try:
        tree = read_yaml(path)
    except (OSError, ValueError):
        return False
    return isinstance(tree, dict) and "base" in tree


def read_adapter_recipe(path: Path) -> AdapterRecipe:
    """The adapter's recipe in a YAML file.

    Raises:
        OnestoryError: T601 for a file that cannot be read, an entry that is unknown, missing or of a wrong kind, or
            values that do not go together.
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
    """What in a well-formed recipe cannot be trained, whatever the base."""
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
            yield f"{key}: {value!r} is none of {', '.join(item for item in allowed if item)}"
    if (data.manifest is None) == (data.storyworld is None):
        yield "data: either a manifest or the storyworld is needed"
    if data.storyworld and (data.storyworld.stories < 2 or data.storyworld.shots < 2 or data.storyworld.seed < 0):
        yield "data.storyworld: at least 2 stories of 2 shots are needed, and a seed of at least 0"
    if recipe.size is not None and (len(recipe.size) != 2 or min(recipe.size) < 1):
        yield "size: width and height are needed"
    if min(recipe.checkpoint_every, recipe.log_every, recipe.sample_steps) < 1 or recipe.sample_every < 0:
        yield "checkpoint_every, log_every and sample_steps must be at least 1"
    counts = (min(memory.remembered, default=0), min(memory.budgets, default=0))
    if min(counts) <= 0 or memory.noise < 0:
        yield "memory: remembered and budgets need values above 0, and noise is at least 0"
    if memory.queries < 1 or memory.selector_width < 4 or memory.selector_width % 4:
        yield "memory: queries must be at least 1, and selector_width a multiple of 4"
    if lora.rank < 1 or lora.alpha < 1 or not lora.modules:
        yield "lora: rank and alpha must be at least 1, and modules name at least one layer"
    yield from (f"train: {fault}" for fault in _learning_faults(recipe.train))


def _learning_faults(learning: Learning) -> Iterator[str]:
    if min(learning.steps, learning.batch, learning.accumulate) < 1 or learning.uniform_steps < 0:
        yield "steps, batch and accumulate must be at least 1, and uniform_steps at least 0"
    for name in ("inflation", "alone", "drop_text", "first_frame", "cooldown", "ema"):
        if not 0 <= getattr(learning, name) <= 1:
            yield f"{name} is a share, from 0 to 1, not {getattr(learning, name)}"
    if learning.rate <= 0 or learning.clip <= 0 or learning.noise_std <= 0:
        yield "rate, clip and noise_std must be above 0"
