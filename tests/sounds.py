"""Write test sounds, and read the sound of a film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 48_000


def tone(
    seconds: float, *, hertz: float = 440.0, level: float = 0.25, rate: int = RATE, channels: int = 2
) -> np.ndarray:
    """A sine of a peak level as (N, channels) float32."""
    times_N = np.arange(round(seconds * rate)) / rate
    return np.repeat((level * np.sin(2 * np.pi * hertz * times_N))[:, None], channels, axis=1).astype(np.float32)


def write_sound(path: Path, samples_NC: np.ndarray, *, rate: int = RATE) -> Path:
    """A WAV or FLAC file of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = {1: "mono", 2: "stereo"}[samples_NC.shape[1]]
    codec = {".wav": "pcm_s16le", ".flac": "flac"}[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        data = (np.clip(samples_NC, -1, 1) * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sound_of_film(path: Path) -> np.ndarray:
    """The decoded sound of a film, (N, 2) float32."""
    with av.open(str(path)) as film:
        blocks = [frame.to_ndarray().T for frame in film.decode(audio=0)]
    return np.concatenate(blocks)


def loudness(samples_N2: np.ndarray, start: float, end: float) -> float:
    """The RMS level between two times in seconds."""
    return float(np.sqrt(np.mean(samples_N2[round(start * RATE) : round(end * RATE)] ** 2)))
