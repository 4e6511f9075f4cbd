"""ModelSpec: what planning needs to know about a model, without loading it. No torch here."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from onestory_cli.memory.levels import LEVELS, Level
from onestory_cli.models.offload.config import DEFAULT_EXECUTION, ExecutionConfig

Task = Literal["t2v", "i2v", "ti2v", "vace", "m2v"]
TASKS: tuple[Task, ...] = get_args(Task)
# How a model remembers; the one that remembers most comes first.
MemoryInput = Literal["context", "references", "keyframes", "first-frame", "nothing"]
FirstFrameInput = Literal["held", "channels", "keyframes", "control", "none"]


@dataclass(frozen=True, kw_only=True)
class LoraSpec:
    """A LoRA on a model's transformers: its file, its weight, and the expert it applies to (high, low or both).

    `file` is "" until `hub_file` of the repository `hub` is downloaded.
    """

    file: str
    weight: float
    expert: str = "both"
    hub: str = ""
    hub_file: str = ""

    def applies_to(self, expert: int) -> bool:
        """Whether it changes an expert; 0 is the high-noise expert, or the only transformer."""
        return self.expert == "both" or self.expert == ("high", "low")[expert]


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """Where the parts of a model are on this machine.

    `base` is a diffusers folder, "" until it is downloaded from `hub`. `adapter` is a folder, "" without one. `path` is
    the folder or file that `model:` names, "" for names of the catalog. `transformer_file` and `transformer_2_file`
    replace the base's own weights by one .safetensors or .gguf file. `loras` come from the story; none has weight 0.
    """

    base: str = ""
    hub: str = ""
    path: str = ""
    adapter: str = ""
    transformer_file: str = ""
    transformer_2_file: str = ""
    loras: tuple[LoraSpec, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExternalModel:
    """A model that another program runs: a ComfyUI `workflow` on a `server`, or a `command`.

    `folder` is where relative paths of the command start, and where it runs. `card` is its card as JSON. `inputs` are
    the values that it takes, `references` the number of reference pictures. `identity` is a digest of the workflow or
    command and of the card. `allowed` is true once the user has allowed to run commands of stories.
    """

    workflow: str = ""
    server: str = ""
    command: tuple[str, ...] = ()
    folder: str = ""
    card: str = "{}"
    inputs: tuple[str, ...] = ()
    references: int = 0
    identity: str = ""
    remembers: MemoryInput = "nothing"
    from_text: bool = True
    allowed: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Facts about one model, `files` on this machine, and the `execution` chosen for it.

    `width` and `height` are in pixels, `size_multiple` too. `frames` are pixel frames and must be
    `temporal_stride` * k + 1. Strides are pixels per latent cell and pixel frames per latent frame. `shift` is the flow
    shift of the sigmas: sigma -> shift * sigma / (1 + (shift - 1) * sigma). `guidance` is the classifier-free guidance
    scale (1 is off); `memory_guidance` is an additional scale for the memory, in shots that introduce no character.
    `budget` is in latent frames of tokens. `words` is None for a model with an open vocabulary.
    `phrases` are settings as captions name them: a word of one is known within phrases only, unless it is one itself.

    `expand_timesteps`: the base takes one timestep per token (Wan 2.2 TI2V). `image_tokens`: the base reads CLIP tokens
    of the first frame (Wan 2.1 I2V). With a `boundary_ratio` there are two experts: `transformer` for timesteps down to
    this fraction of 1000, `transformer_2` below it with `guidance_2`. `scorer` is the image-text model that scores
    relevance if there is no adapter: a folder or a hub id. `memory_gb` is the size of all weights on a GPU, in 10^9
    bytes, without activations. `distilled`: it was trained to sample in `steps` steps without guidance.
    `reuse_context`: the keys and values of context tokens are computed in the first step of a shot and reused
    afterwards. `isolated_context`: the adapter was trained with context tokens that attend only to each other, so this
    reuse is exact and always on; needs `expand_timesteps`.
    """

    name: str
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
    isolated_context: bool = False
    distilled: bool = False
    words: tuple[str, ...] | None = None
    phrases: tuple[str, ...] = ()
    negative: str = ""
    dtype: str = "float32"
    scorer: str = ""
    memory_gb: float = 0.0
    files: ModelFiles = ModelFiles()
    execution: ExecutionConfig = DEFAULT_EXECUTION
    external: ExternalModel | None = None

    @classmethod
    def from_fields(cls, **values: Any) -> ModelSpec:
        """A spec from the fields of a card: those of a spec and those of `files`, in one level."""
        files = {name: values.pop(name) for name in FILE_FIELDS & values.keys()}
        return cls(**values, files=ModelFiles(**files))

    def with_fields(self, **values: Any) -> ModelSpec:
        """A copy with changed fields: those of a spec and those of `files`, in one level."""
        files = {name: values.pop(name) for name in FILE_FIELDS & values.keys()}
        return replace(self, **values, files=replace(self.files, **files))

    @property
    def facts(self) -> dict[str, Any]:
        """All fields except `files`, `execution` and `external`, as JSON."""
        return {name: value for name, value in asdict(self).items() if name not in ("files", "execution", "external")}

    @property
    def as_json(self) -> dict[str, Any]:
        """All fields in one level; `execution` is named "fitting", as in run.json."""
        return {**self.facts, **asdict(self.files), "fitting": asdict(self.execution)}

    def latent_size(self, width: int, height: int) -> tuple[int, int]:
        """(latent height, latent width) of a picture of `width` x `height` pixels."""
        return height // self.spatial_stride, width // self.spatial_stride

    def latent_frames(self, frames: int) -> int:
        """Latent frames T of a clip of `frames` = 4k + 1 pixel frames."""
        return (frames - 1) // self.temporal_stride + 1

    def tokens_per_frame(self, width: int, height: int) -> int:
        """Noise tokens of one latent frame; the unit of a memory budget."""
        rows, columns = self.latent_size(width, height)
        return -(-rows // self.patch) * -(-columns // self.patch)

    @property
    def remembers(self) -> MemoryInput:
        """How selected frames enter the transformer.

        An adapter turns them into context tokens. A base without one reads them as reference images (VACE), as
        keyframes before the video (M2V), or the most relevant one as the first frame (I2V, TI2V), or not at all (T2V).
        """
        if self.external:
            return self.external.remembers
        if self.files.adapter:
            return "context"
        inputs: dict[Task, MemoryInput] = {
            "vace": "references",
            "m2v": "keyframes",
            "i2v": "first-frame",
            "ti2v": "first-frame",
        }
        return inputs.get(self.task, "nothing")

    @property
    def needs_pixels(self) -> bool:
        """Whether a shot reads pictures of its memory; with an adapter it reads latents only."""
        return self.remembers in ("references", "keyframes", "first-frame")

    @property
    def caches_context(self) -> bool:
        """Whether steps after the first reuse its context tokens; the first-block cache needs them in every step."""
        requested = self.reuse_context or self.execution.reuse_context or self.isolated_context
        possible = self.execution.cache is None and not self.execution.compile_blocks
        return requested and possible and self.remembers == "context"

    @property
    def first_frame(self) -> FirstFrameInput:
        """How a given first frame enters: held in the latents, in more input channels (of M2V behind its keyframes), or
        in a control video."""
        if self.external:
            return "held" if "first_frame" in self.external.inputs else "none"
        inputs: dict[Task, FirstFrameInput] = {
            "vace": "control",
            "m2v": "keyframes",
            "i2v": "channels",
            "ti2v": "held",
        }
        return inputs.get(self.task, "none")

    @property
    def from_text(self) -> bool:
        """Whether a shot can start from its caption alone; an adapter trains an image-to-video base to do that."""
        if self.external:
            return self.external.from_text
        return self.task not in ("i2v", "m2v") or bool(self.files.adapter)

    def same_latents(self, other: ModelSpec) -> bool:
        """Whether two models share a latent layout, so that one can remember what the other generated."""
        layouts = [(item.latent_channels, item.spatial_stride, item.temporal_stride) for item in (self, other)]
        return layouts[0] == layouts[1]

    @property
    def experts(self) -> int:
        """Number of transformers."""
        return 1 if self.boundary_ratio is None else 2


FILE_FIELDS = frozenset(item.name for item in fields(ModelFiles))
