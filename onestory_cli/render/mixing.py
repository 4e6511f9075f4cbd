"""The sounds of a plan as tracks of its film: when each begins and ends, and what goes down for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.plan import ImageInput, Plan, Sound

if TYPE_CHECKING:
    import numpy as np

    from onestory_cli.media.sound import Track


def sound_of(plan: Plan, file: Callable[[ImageInput], Path]) -> Iterator[np.ndarray] | None:
    """The sound of a film as blocks of samples; None where the story names none. `file` says where each file is."""
    if not plan.sounds:
        return None
    from onestory_cli.media.sound import mix, samples_of

    return mix(tracks_of(plan, file), samples_of(_starts(plan)[-1]))


def tracks_of(plan: Plan, file: Callable[[ImageInput], Path]) -> list[Track]:
    """A track for each sound that is heard. Music goes down in the spans of narration."""
    from onestory_cli.media.sound import length_of

    found = [(sound, _track(plan, sound, file(sound.input))) for sound in plan.sounds]
    heard = [(sound, track) for sound, track in found if track.begin < track.limit]
    spoken = tuple(
        (track.begin, track.begin + length_of(track.path, track.limit - track.begin))
        for sound, track in heard
        if sound.audio.role == "narration"
    )
    return [replace(track, ducked=spoken) if sound.audio.role == "music" else track for sound, track in heard]


def _track(plan: Plan, sound: Sound, path: Path) -> Track:
    """Where a sound lies in the film: that of a shot within its shot."""
    from onestory_cli.media.sound import Track, samples_of

    starts, audio = _starts(plan), sound.audio
    place = plan.job(sound.shot).index if sound.shot else None
    start, end = (starts[0], starts[-1]) if place is None else starts[place : place + 2]
    return Track(
        path=path,
        begin=samples_of(start + Fraction(audio.offset)),
        limit=samples_of(end),
        gain_db=audio.gain,
        fade_in=samples_of(audio.fade_in),
        fade_out=samples_of(audio.fade_out),
    )


def _starts(plan: Plan) -> list[Fraction]:
    """When each shot begins, in seconds, and when the film ends."""
    return list(accumulate((Fraction(job.frames, job.fps) for job in plan.jobs), initial=Fraction(0)))
