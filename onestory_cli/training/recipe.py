"""Training recipes: all settings of a training run, as frozen dataclasses. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from onestory_cli.storyworld.world import WorldConfig

KINDS = ("vae", "decoder", "text", "base", "adapter", "distil")
TARGETS = ("image", "shot")
CONDITIONINGS = ("uniform", "labels", "selector")
DTYPES = ("bfloat16", "float32")


@dataclass(frozen=True, kw_only=True)
class WorldSubset:
    """The part of the storyworld to train on; an empty tuple means all of it. See `WorldConfig`."""

    version: int = 1
    kites: bool = True
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
    `character_weight`, `accent_weight` and `accessory_weight`: additional weight in the flow loss of cells that show a
    character, a kite or the accent object of a place, or an accessory. In a vae or decoder stage `character_weight`,
    `outline_weight` and `face_weight` are added to the weight 1 of a pixel that shows a character, an outline, or an
    eye or mouth.
    `kites` and `kite_weight`: in a vae or decoder stage, the share of clips that are chosen to show a kite, and what is
    added to the weight of a kite's pixels.
    `keep_latents`: weight of a vae stage's loss that keeps latents, except those of kites, as they were before the
    stage, so that a transformer which was trained on them still fits.
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
    accessory_weight: float = 0.0
    first_weight: float = 1.0
    noise_mean: float = 0.6
    noise_std: float = 1.1
    kites: float = 0.0
    kite_weight: float = 0.0
    keep_latents: float = 0.0
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


def world_config(world: WorldSubset) -> WorldConfig:
    """The renderer's config; empty tuples of the recipe mean the whole world.

    Raises:
        ValueError: a name that the storyworld does not have.
    """
    names = {name: getattr(world, name) for name in ("species", "colours", "accessories", "settings")}
    chosen = {name: value for name, value in names.items() if value}
    same = {name: getattr(world, name) for name in ("version", "kites", "size", "frames", "fps")}
    return WorldConfig(**chosen, **same)
