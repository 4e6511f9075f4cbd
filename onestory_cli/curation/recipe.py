"""The recipe of a curated set: thresholds and their sources, read once from YAML. No torch here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import OnestoryError
from onestory_cli.utils.parsing import parse
from onestory_cli.utils.untrusted import read_yaml

DETECTORS = ("adaptive", "transnetv2")
LONG = ("trim", "reject")


@dataclass(frozen=True, kw_only=True)
class CutSettings:
    """How shots are found.

    `threshold`: a score above it is a cut; None is the detector's own default (adaptive 3.0, transnetv2 0.5).
    `min_seconds`: cuts that follow the last one sooner are part of a flash. `margin`: frames dropped on either side
    of a cut, where encoders blend neighbours.
    """

    detector: str = "adaptive"
    threshold: float | None = None
    min_seconds: float = 0.2
    margin: int = 1


@dataclass(frozen=True, kw_only=True)
class SequenceSettings:
    """Which runs of shots make a sample. Shots longer than `max_seconds` keep their middle, or are rejected."""

    min_seconds: float = 1.0
    max_seconds: float = 12.0
    min_shots: int = 2
    max_shots: int = 8
    long: str = "trim"


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Which shots are rejected. None switches a filter off.

    black: share of black frames (as FFmpeg's blackdetect counts them). frozen: largest mean change between two frames,
    of 1; below it nothing moves. flash: mean change that is taken back within two frames, of 1 (15 of 255, the default
    of PySceneDetect's AdaptiveDetector). motion: mean change between frames, of 1; below it a shot has little motion.
    shaking: median change of the picture's movement from frame to frame, of its height. text: share of the picture that
    lines of text cover. watermark: share that edges of a logo cover which all shots of the video have.
    unrelated: cosine of image embeddings from which two shots belong together, as they also do with a character or a
    setting in common; shots that belong to none around them are rejected, and sequences end between scenes.
    copy: cosine above which a shot is nearly the same as the one before. keywords: a caption with one is rejected.
    """

    black: float | None = 0.5
    frozen: float | None = 0.001
    flash: float | None = 15 / 255
    motion: float | None = None
    shaking: float | None = 0.045
    text: float | None = 0.004
    watermark: float | None = 0.001
    unrelated: float | None = 0.3
    copy: float | None = 0.97
    keywords: tuple[str, ...] = ("watermark", "subtitle", "logo", "black screen", "end credits", "title card")


@dataclass(frozen=True, kw_only=True)
class CaptionSettings:
    """Who writes captions: `file:PATH`, `endpoint:URL`, `hub:ID` or `readout`; from how many frames of a shot.

    `model` is what an endpoint is asked for. `prompt` and `rewrite_prompt` are files that replace the ones of the
    package. `rewrite` turns captions after the first into referential ones.
    """

    captioner: str = ""
    model: str = ""
    frames: int = 6
    rewrite: bool = True
    prompt: str | None = None
    rewrite_prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class CastSettings:
    """How characters and settings are recognized: `detector` is a D-FINE (a name of `evaluate`, a hub id or a folder),
    "readout" for films of the storyworld, or "none"; `embedder` a DINOv2.

    `same_character` and `same_setting` are mean cosines from which two appearances have one id; None is the default
    of the networks: DINOv2 0.6 and 0.6, readout 0.72 and 0.78.
    """

    detector: str = "dfine-small"
    embedder: str = "dinov2-base"
    same_character: float | None = None
    same_setting: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether characters and settings are recognized at all."""
        return self.detector not in ("", "none")


@dataclass(frozen=True, kw_only=True)
class CurateRecipe:
    """A whole curation. `encoders` are image encoders that measure likeness and relevance: DINOv2 or CLIP by hub
    id or folder, or "readout" for films of the storyworld."""

    cuts: CutSettings = CutSettings()
    sequences: SequenceSettings = SequenceSettings()
    filters: FilterSettings = FilterSettings()
    captions: CaptionSettings = CaptionSettings()
    cast: CastSettings = CastSettings()
    encoders: tuple[str, ...] = ("facebook/dinov2-base", "openai/clip-vit-base-patch32")
    max_hours: float = 6.0

    @property
    def uses_networks(self) -> bool:
        """Whether a stage runs a network of torch in the worker's own process."""
        networks = self.encoders or self.cast.is_on or self.cuts.detector == "transnetv2"
        return bool(networks) or self.captions.captioner.startswith(("hub:", "readout"))


def read_curate_recipe(path: Path | None) -> CurateRecipe:
    """Return the recipe in a YAML file, or the defaults for None.

    Raises:
        OnestoryError: T651 for a file that cannot be read, an unknown key, a wrong type or values out of range.
    """
    if path is None:
        return CurateRecipe()
    try:
        tree = read_yaml(path)
        recipe: CurateRecipe = parse(CurateRecipe, {} if tree is None else tree, where="recipe")
        if faults := [*faults_of(recipe)]:
            raise ValueError("; ".join(faults))
    except (OSError, ValueError) as fault:
        message = f"{path}: {getattr(fault, 'strerror', None) or fault}"
        raise OnestoryError("T651", message, help="see `onestory help curate` for the keys of a recipe") from fault
    return recipe


def faults_of(recipe: CurateRecipe) -> Iterator[str]:
    """Yield what is wrong with the values of a well-formed recipe."""
    cuts, sequences, captions = recipe.cuts, recipe.sequences, recipe.captions
    if cuts.detector not in DETECTORS:
        yield f'cuts.detector: unknown detector "{cuts.detector}"; use {" or ".join(DETECTORS)}'
    if sequences.long not in LONG:
        yield f'sequences.long: unknown value "{sequences.long}"; use {" or ".join(LONG)}'
    if cuts.min_seconds < 0 or cuts.margin < 0:
        yield "cuts: min_seconds and margin must be at least 0"
    if not 0 < sequences.min_seconds <= sequences.max_seconds:
        yield "sequences: min_seconds must be above 0 and at most max_seconds"
    if not 2 <= sequences.min_shots <= sequences.max_shots:
        yield "sequences: min_shots must be at least 2 and at most max_shots"
    if recipe.cast.embedder in ("", "none"):
        yield "cast.embedder: name a DINOv2; to find no characters, use `detector: none`"
    if captions.frames < 1:
        yield "captions.frames must be at least 1"
    if recipe.max_hours <= 0:
        yield "max_hours must be above 0"
