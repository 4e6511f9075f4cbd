"""ModelSpec: all that planning must know of a model without loading it. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onestory_cli.memory.levels import LEVELS, Level
from onestory_cli.models.offload.config import DEFAULT_EXECUTION, ExecutionConfig

SCHEDULERS = ("euler", "unipc")

Task = Literal["t2v", "i2v", "ti2v", "vace"]
Remembers = Literal["context", "references", "first-frame", "nothing"]
FirstFrame = Literal["held", "channels", "control", "none"]


@dataclass(frozen=True, kw_only=True)
class LoraSpec:
    """A LoRA on a model's transformers: its file, how much of it, and the expert that it is for (high, low or both)."""

    file: str
    weight: float
    expert: str = "both"

    def is_for(self, expert: int) -> bool:
        """Whether it changes an expert: 0 is that for high noise, and the only one where there is one."""
        return self.expert == "both" or self.expert == ("high", "low")[expert]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One row of the catalogue, or what a model folder says of itself.

    Sizes are in pixels, strides in pixels (or pixel frames) per latent cell (or latent frame); `frames` must be
    temporal_stride * k + 1. `shift` is the flow-matching time shift, `budget` is in latent frames of tokens.
    `words` is None for a model with an open vocabulary. `expand_timesteps`: the base takes one timestep per token
    (Wan 2.2 TI2V), so given first frames and context tokens are at time 0.

    `base` is a diffusers folder, "" while it is not fetched; `hub` is where it can be fetched from. `adapter` is a
    folder, "" for a base without one. `path` is the folder or file that `model:` named, "" for names.
    `transformer_file` and `transformer_2_file` replace the base's own weights by a single .safetensors or .gguf.
    With a `boundary_ratio` there are two experts: `transformer` down to that part of the noise, `transformer_2` below
    it, the latter with `guidance_2`. `memory_guidance` is how much further the memory leads than guidance leads it,
    in shots that introduce no character.
    `reuse_context`: keys and values of context tokens are computed in the first step of a shot and reused afterwards.
    `image_tokens`: the base reads CLIP tokens of the first frame (Wan 2.1 I2V).
    `scorer` is the image-text model that judges relevance where there is no adapter: a folder or a hub id.
    `memory_gb` is what the weights take on a GPU, all parts at once, in 10^9 bytes; activations come on top.
    `loras` are a story's own, none of weight 0; `fitting` is how the model is fitted to this machine.
    """

    name: str
    base: str
    adapter: str
    licence: str
    about: str
    width: int
    height: int
    size_multiple: int
    fps: int
    frames: int
    max_frames: int
    temporal_stride: int = 4
    spatial_stride: int = 8
    latent_channels: int = 16
    patch: int = 2
    steps: int
    guidance: float
    guidance_2: float | None = None
    memory_guidance: float = 0.0
    boundary_ratio: float | None = None
    scheduler: str
    shift: float
    memory_frames: int
    budget: float
    policy: str = "adaptive"
    levels: tuple[Level, ...] = LEVELS
    task: Task = "ti2v"
    expand_timesteps: bool = True
    image_tokens: bool = False
    scale: int = 1
    reuse_context: bool = False
    words: tuple[str, ...] | None = None
    negative: str = ""
    dtype: str = "float32"
    hub: str = ""
    path: str = ""
    transformer_file: str = ""
    transformer_2_file: str = ""
    scorer: str = ""
    memory_gb: float = 0.0
    loras: tuple[LoraSpec, ...] = ()
    fitting: ExecutionConfig = DEFAULT_EXECUTION

    def latent_size(self, width: int, height: int) -> tuple[int, int]:
        """(latent height, latent width) of a picture in pixels."""
        return height // self.spatial_stride, width // self.spatial_stride

    def latent_frames(self, frames: int) -> int:
        """T of a clip of `frames` = 4k + 1 pixel frames."""
        return (frames - 1) // self.temporal_stride + 1

    def tokens_per_frame(self, width: int, height: int) -> int:
        """Noise tokens of one latent frame; the unit of a memory budget."""
        rows, columns = self.latent_size(width, height)
        return -(-rows // self.patch) * -(-columns // self.patch)

    @property
    def remembers(self) -> Remembers:
        """What becomes of the selected frames: an adapter makes context tokens of them; a stock base can only take them
        as reference images, or one of them as the first frame of the shot."""
        if self.adapter:
            return "context"
        ways: dict[Task, Remembers] = {"vace": "references", "i2v": "first-frame", "ti2v": "first-frame"}
        return ways.get(self.task, "nothing")

    @property
    def caches_context(self) -> bool:
        """Whether steps after the first reuse its context tokens; the first-block cache needs them in every step."""
        wanted = self.reuse_context or self.fitting.reuse_context
        free = self.fitting.cache is None and not self.fitting.compile_blocks
        return wanted and free and self.remembers == "context"

    @property
    def looks(self) -> bool:
        """Whether a shot looks at pictures of what it remembers, and not at latents alone."""
        return self.remembers in ("references", "first-frame")

    @property
    def first_frame(self) -> FirstFrame:
        """How a given first frame enters: held in the latents, in more input channels, or as a control video."""
        ways: dict[Task, FirstFrame] = {"vace": "control", "i2v": "channels", "ti2v": "held"}
        return ways.get(self.task, "none")

    @property
    def from_text(self) -> bool:
        """Whether a shot can begin from its caption alone; an adapter teaches that to an image-to-video base."""
        return self.task != "i2v" or bool(self.adapter)

    def same_latents(self, other: ModelSpec) -> bool:
        """Whether the latents of two models have one layout, so that one can remember what the other made."""
        layouts = [(item.latent_channels, item.spatial_stride, item.temporal_stride) for item in (self, other)]
        return layouts[0] == layouts[1]

    @property
    def experts(self) -> int:
        return 1 if self.boundary_ratio is None else 2
