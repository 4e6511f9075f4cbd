"""Which shots are rejected and why. Pure functions of stage results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from onestory_cli.curation.cast import CastAppearance, CastIds
from onestory_cli.curation.embeddings import similarity
from onestory_cli.curation.recipe import CurateRecipe, FilterSettings, SequenceSettings
from onestory_cli.quality import BLACK, FLASH, FROZEN


@dataclass(frozen=True, kw_only=True)
class CuratedShot:
    """A shot with everything that the stages found. Times in seconds from the beginning of the video.

    `caption` describes it on its own, `rewritten` refers to earlier shots; `rewrite_fault` is why a rewrite was
    rejected, `corrected` whether a person wrote the caption. `embeddings` has a packed vector per encoder. `cast` is
    who appears, `place` a packed vector of the background, and `ids` who and where that is in this video. `rejected`
    has the reasons; none means that it is kept.
    """

    id: str
    start: float
    end: float
    begins: str
    measures: dict[str, float]
    caption: str = ""
    rewritten: str = ""
    rewrite_fault: str = ""
    corrected: bool = False
    embeddings: tuple[str, ...] = field(default=(), repr=False)
    cast: tuple[CastAppearance, ...] = ()
    place: str = field(default="", repr=False)
    ids: CastIds = field(default_factory=CastIds)
    rejected: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.end - self.start


def reject_early(shot: CuratedShot, recipe: CurateRecipe) -> CuratedShot:
    """Apply the filters that need no caption and no network, and trim a long shot to its middle."""
    limits = recipe.sequences
    if shot.seconds > limits.max_seconds and limits.long == "trim":
        spare = (shot.seconds - limits.max_seconds) / 2
        shot = replace(shot, start=shot.start + spare, end=shot.end - spare)
    return replace(shot, rejected=(*_by_length(shot, limits), *_by_measures(shot, recipe.filters)))


def _by_length(shot: CuratedShot, limits: SequenceSettings) -> Iterator[str]:
    if shot.seconds < limits.min_seconds:
        yield f"too short: {shot.seconds:.2f} s, below {limits.min_seconds:g} s"
    if shot.seconds > limits.max_seconds + 1e-6:
        yield f"too long: {shot.seconds:.2f} s, above {limits.max_seconds:g} s"


def _by_measures(shot: CuratedShot, limits: FilterSettings) -> Iterator[str]:
    above = {
        BLACK: limits.black,
        FLASH: limits.flash,
        "shaking": limits.shaking,
        "text": limits.text,
        "watermark": limits.watermark,
    }
    below = {FROZEN: limits.frozen, "motion": limits.motion}
    for name, limit in above.items():
        if limit is not None and shot.measures[name] > limit:
            yield f"{name}: {shot.measures[name]:g}, above {limit:g}"
    for name, limit in below.items():
        if limit is not None and shot.measures[name] < limit:
            label = "little motion" if name == "motion" else name
            yield f"{label}: {shot.measures[name]:g}, below {limit:g}"


def reject_late(shots: Sequence[CuratedShot], limits: FilterSettings) -> list[CuratedShot]:
    """Apply the filters by caption and by likeness to the shot before, among shots that are still kept."""
    kept = [shot for shot in shots if not shot.rejected]
    reasons: dict[str, list[str]] = {}
    for index, shot in enumerate(kept):
        words = shot.caption.casefold()
        reasons[shot.id] = [f'keyword: "{word}"' for word in limits.keywords if word.casefold() in words]
        if limits.copy is None or not index or not shot.embeddings:
            continue
        likeness = similarity(kept[index - 1].embeddings, shot.embeddings)
        if likeness > limits.copy:
            reasons[shot.id].append(f"nearly a copy of the shot before: {likeness:.2f}, above {limits.copy:g}")
    return [replace(shot, rejected=tuple(reasons.get(shot.id) or shot.rejected)) for shot in shots]
