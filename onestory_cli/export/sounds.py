"""Lay out the sounds of a film as timeline clips in lanes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from onestory_cli.errors import Diagnostic
from onestory_cli.export.cut import Cut
from onestory_cli.export.target import Target
from onestory_cli.rendering.join import PlacedSound

_LOSSES = {
    Target.EDL: "an EDL cannot hold the sounds of the film",
    Target.OTIO: "editors ignore gain and fades, which are stored as metadata of the clips",
}


@dataclass(frozen=True, kw_only=True)
class SoundClip:
    """A sound from `begin` for `length`, in samples of the film. Clips of a lane (from 0) do not overlap."""

    sound: PlacedSound
    lane: int
    begin: int
    length: int


def sound_clips(cut: Cut) -> Iterator[SoundClip]:
    """Every audible sound, ordered by start.

    Raises:
        OnestoryError: M516 for an unreadable sound file.
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
    """W802 for properties of sounds that the target cannot hold."""
    if not cut.sounds or target not in (Target.EDL, Target.OTIO, Target.FCPXML):
        return ()
    roles = {sound.audio.role for sound in cut.sounds}
    losses = [_LOSSES[target]] if target in _LOSSES else []
    if target is not Target.EDL and {"music", "narration"} <= roles:
        losses.append("music is not lowered during narration")
    help = "use `--to prores` or the film itself for the complete mix"
    return tuple(Diagnostic(code="W802", message=message, severity="warning", help=help) for message in losses)


def seconds(samples: int) -> Fraction:
    from onestory_cli.media.sound import RATE

    return Fraction(samples, RATE)
