"""The sounds of a film as clips of a timeline: how long each is heard, and in which lane it lies beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from onestory_cli.errors import Diagnostic
from onestory_cli.export.cut import Cut
from onestory_cli.export.target import Target
from onestory_cli.rendering.join import PlacedSound

SILENT = {
    Target.EDL: "an EDL has no place for the sounds of the film",
    Target.OTIO: "gain and fades are in the metadata of the clips, which editors do not read",
}


@dataclass(frozen=True, kw_only=True)
class SoundClip:
    """A sound from `begin` on for `length`, in whole samples of the film; `lane` counts from 0.

    Clips of one lane do not overlap.
    """

    sound: PlacedSound
    lane: int
    begin: int
    length: int


def sound_clips(cut: Cut) -> Iterator[SoundClip]:
    """Every sound that is heard, in the order of their beginning.

    Raises:
        OnestoryError: M516 for a file that cannot be read as sound.
    """
    from onestory_cli.media.sound import length_of, samples_of

    ends: list[int] = []
    for sound in sorted(cut.sounds, key=lambda sound: sound.begin):
        begin = samples_of(sound.begin)
        length = length_of(sound.path, samples_of(sound.end) - begin)
        lane = next((lane for lane, end in enumerate(ends) if end <= begin), len(ends))
        ends[lane : lane + 1] = [begin + length]
        yield SoundClip(sound=sound, lane=lane, begin=begin, length=length)


def sound_warnings(cut: Cut, target: Target) -> tuple[Diagnostic, ...]:
    """W802 for what a timeline cannot say of the sounds of a film."""
    if not cut.sounds or target not in (Target.EDL, Target.OTIO, Target.FCPXML):
        return ()
    roles = {sound.audio.role for sound in cut.sounds}
    said = [SILENT[target]] if target in SILENT else []
    if target is not Target.EDL and {"music", "narration"} <= roles:
        said.append("music does not go down for narration")
    help = "`--to prores` and the film itself have the whole mix"
    return tuple(Diagnostic(code="W802", message=message, severity="warning", help=help) for message in said)


def seconds(samples: int) -> Fraction:
    from onestory_cli.media.sound import RATE

    return Fraction(samples, RATE)
