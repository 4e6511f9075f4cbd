"""A recipe: everything that decides what a training run does, read once from YAML into frozen values. No torch here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from onestory_cli.errors import OnestoryError

KINDS = ("vae", "base", "adapter")
TARGETS = ("image", "shot")
CONDITIONINGS = ("uniform", "labels", "selector")


@dataclass(frozen=True, kw_only=True)
class World:
    """The part of the storyworld that the model learns; an empty tuple means all of it."""

    species: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    accessories: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    size: int = 64
    frames: int = 17
    fps: int = 8


@dataclass(frozen=True, kw_only=True)
class Data:
    """How many stories are drawn. Story seeds count up from `seed`; held-out stories use seeds from 1,000,000."""

    stories: int
    vae_stories: int
    shots: int = 6
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class VaeSize:
    """An AutoencoderKLWan with 8x space and 4x time."""

    base_dim: int = 24
    dim_mult: tuple[int, ...] = (1, 2, 4)
    residual_blocks: int = 1
    patch_size: int = 2
    latent_channels: int = 16


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
class Memory:
    """Sizes of selector and conditioner, and what a film remembers by default."""

    frames: int = 8
    budget: float = 4.0
    selector_width: int = 128
    queries: int = 4
    share_finest: bool = True


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The model's defaults for rendering."""

    steps: int = 24
    guidance: float = 3.0
    scheduler: str = "euler"
    shift: float = 2.0
    scale: int = 8


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    vae: VaeSize = VaeSize()
    transformer: TransformerSize = TransformerSize()
    text: TextSize = TextSize()
    memory: Memory = Memory()
    sampling: Sampling = Sampling()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training.

    `kind`: vae; base (text and first frame -> picture or shot, no memory); adapter (with memory, all weights).
    `target`: single latent frames first (appearance is learned several times cheaper), then whole shots.
    `conditioning`: which frames of the real history condition the target: uniform from the real shots (the paper's
    warm-up, since a random selector would mislead), by label, or the selector's own top-K.
    `rate` is the learning rate of AdamW; matrices take Muon with `matrix_rate` when that is above 0.
    `cooldown` is the last part of the steps over which the rate falls to zero; before it the rate is constant.
    `memory`: share of batches that have a memory; the others train first shots and the unconditional branch.
    `inflation`: share of memory batches whose history is inflated (a foreign shot or an augmented copy, Eq. 9).
    `earlier`: weights of having 1, 2, 3, ... earlier shots; the paper trains on triples, that is always 2.
    `remembered` and `budgets`: numbers of frames and budgets to draw from, so that one model serves any of them.
    `full_caption`: share of captions that spell out every look; `full_caption_alone` the same without memory.
    `spread` is taken from the labels by place in the shot: frames of one shot are near copies of each other.
    """

    name: str
    kind: str
    steps: int
    batch: int
    rate: float
    matrix_rate: float = 0.0
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
    first_frame: float = 0.15
    character_weight: float = 4.0
    first_weight: float = 1.0
    noise_mean: float = 0.6
    noise_std: float = 1.1
    kl: float = 5e-4
    gradient: float = 0.5
    sample_every: int = 0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole training run. `dtype` is the autocast type: bfloat16 or float32."""

    name: str
    model: Model
    data: Data
    stages: tuple[Stage, ...]
    world: World = World()
    seed: int = 0
    dtype: str = "bfloat16"
    compile: bool = True
    checkpoint_every: int = 200
    log_every: int = 50


def read_recipe(path: Path) -> Recipe:
    """The recipe in a YAML file.

    Raises:
        OnestoryError: T601 for a file that cannot be read or an entry that is unknown, missing or of a wrong kind.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe = _build(Recipe, tree, where="recipe")
        _check(recipe)
    except (OSError, yaml.YAMLError, TypeError, ValueError) as fault:
        raise OnestoryError(
            "T601", f"{path}: {fault}", help="compare with examples/recipes/storyworld.yaml"
        ) from fault
    return recipe


def _check(recipe: Recipe) -> None:
    for stage in recipe.stages:
        for value, allowed in ((stage.kind, KINDS), (stage.target, TARGETS), (stage.conditioning, CONDITIONINGS)):
            if value not in allowed:
                raise ValueError(f"stage {stage.name}: {value!r} is none of {', '.join(allowed)}")
        if stage.steps < 1 or stage.batch < 1:
            raise ValueError(f"stage {stage.name}: steps and batch must be at least 1")
    if len({stage.name for stage in recipe.stages}) != len(recipe.stages):
        raise ValueError("two stages have the same name")


def _build(kind: type, tree: Any, *, where: str) -> Any:
    """A frozen dataclass from a mapping, field by field; unknown keys are refused by name."""
    if not isinstance(tree, dict):
        raise TypeError(f"{where}: a mapping is needed, not {tree!r}")
    known = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(tree) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(known)}")
    missing = [name for name, field in known.items() if name not in tree and field.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{where}: {missing[0]!r} is missing")
    return kind(**{name: _value(known[name].type, value, f"{where}.{name}") for name, value in tree.items()})


NESTED = {
    "World": World,
    "Data": Data,
    "VaeSize": VaeSize,
    "TransformerSize": TransformerSize,
    "TextSize": TextSize,
    "Memory": Memory,
    "Sampling": Sampling,
    "Model": Model,
}


def _value(kind: Any, value: Any, where: str) -> Any:
    if kind in NESTED:
        return _build(NESTED[kind], value, where=where)
    if kind == "tuple[Stage, ...]":
        return tuple(_build(Stage, item, where=f"{where}[{index}]") for index, item in enumerate(value))
    if kind.startswith("tuple["):
        return tuple(value)
    wanted = {"int": int, "float": (int, float), "str": str, "bool": bool}[kind]
    if not isinstance(value, wanted) or (kind != "bool" and isinstance(value, bool)):
        raise TypeError(f"{where}: {kind} is needed, not {value!r}")
    return float(value) if kind == "float" else value
