"""Mix sounds into the sound of a film: float, 48 kHz, stereo, encoded as AAC.

Works block by block, so memory does not grow with the film. Shapes: N samples, 2 channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from onestory_cli.errors import OnestoryError
from onestory_cli.story.sounds import open_sound

RATE = 48_000
BLOCK = RATE  # samples per block
CODEC, BITS_PER_SECOND = "aac", 192_000
DUCK_DB = -12.0  # of music during narration
ATTACK, RELEASE = RATE // 5, RATE // 2  # samples before and after narration for the fades of music


@dataclass(frozen=True, kw_only=True)
class Track:
    """A sound in a film, from sample `begin` to `limit` at most; all lengths are in samples of the film.

    `ducked` lists the spans [first, last) of narration.
    """

    path: Path
    begin: int
    limit: int
    gain_db: float = 0.0
    fade_in: int = 0
    fade_out: int = 0
    ducked: tuple[tuple[int, int], ...] = ()


def samples_of(seconds: Fraction | float) -> int:
    """Convert seconds to samples."""
    return round(seconds * RATE)


def length_of(path: Path, most: int) -> int:
    """Length of a sound file in samples of the film, at most `most`.

    Raises:
        OnestoryError: M516 for an unreadable sound file.
    """
    count = 0
    for block_N2 in _decode(path):
        count += len(block_N2)
        if count >= most:
            return most
    return count


def mix(tracks: Sequence[Track], samples: int) -> Iterator[np.ndarray]:
    """Mix the tracks: blocks (N, 2) float32 in -1..1, `samples` in total.

    Raises:
        OnestoryError: M516 for an unreadable sound file.
    """
    readers = [_TrackReader(track) for track in tracks]
    for start in range(0, samples, BLOCK):
        end = min(start + BLOCK, samples)
        block_N2 = np.zeros((end - start, 2), np.float32)
        for reader in readers:
            reader.add_to(block_N2, start)
        yield np.clip(block_N2, -1, 1)


class _TrackReader:
    """Reads a track once, in order."""

    def __init__(self, track: Track) -> None:
        self._track = track
        self._end = track.begin + length_of(track.path, track.limit - track.begin)
        self._blocks = _decode(track.path)
        self._rest_N2 = np.zeros((0, 2), np.float32)

    def add_to(self, block_N2: np.ndarray, start: int) -> None:
        """Add the track to a block of the film that begins at sample `start`."""
        first, last = max(start, self._track.begin), min(start + len(block_N2), self._end)
        if first < last:
            sound_N2 = self._take(last - first) * self._envelope(np.arange(first, last))[:, None]
            block_N2[first - start : last - start] += sound_N2

    def _take(self, count: int) -> np.ndarray:
        parts, have = [self._rest_N2], len(self._rest_N2)
        while have < count:
            parts.append(next(self._blocks))
            have += len(parts[-1])
        joined_N2 = np.concatenate(parts)
        self._rest_N2 = joined_N2[count:]
        return joined_N2[:count]

    def _envelope(self, at_N: np.ndarray) -> np.ndarray:
        """Gain of the track at samples of the film."""
        track = self._track
        down_N = np.zeros(len(at_N))
        for first, last in track.ducked:
            rising, falling = (at_N - (first - ATTACK)) / ATTACK, ((last + RELEASE) - at_N) / RELEASE
            down_N = np.maximum(down_N, np.clip(np.minimum(rising, falling), 0, 1))
        loud_N = 10 ** ((track.gain_db + DUCK_DB * down_N) / 20)
        if track.fade_in:
            loud_N = loud_N * np.clip((at_N - track.begin) / track.fade_in, 0, 1)
        if track.fade_out:
            loud_N = loud_N * np.clip((self._end - at_N) / track.fade_out, 0, 1)
        return loud_N.astype(np.float32)


def _decode(path: Path) -> Iterator[np.ndarray]:
    """Decode a sound file to blocks (N, 2) float32 at `RATE`; mono goes to both channels."""
    try:
        with open_sound(path) as container:
            # Converting mono to stereo, FFmpeg would lower both channels by 3 dB.
            layout = "mono" if container.streams.audio[0].channels == 1 else "stereo"
            resampler = av.AudioResampler(format="flt", layout=layout, rate=RATE)
            for frame in container.decode(audio=0):
                frame.pts = None  # place samples by count; timestamps may be wrong
                yield from (_samples(part, path) for part in resampler.resample(frame))
            yield from (_samples(part, path) for part in resampler.resample(None))
    except (av.error.FFmpegError, IndexError) as fault:
        raise _unreadable(path, str(fault)) from fault


def _samples(frame: av.AudioFrame, path: Path) -> np.ndarray:
    samples_NC = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    if not np.isfinite(samples_NC).all():
        raise _unreadable(path, "it has samples that are not numbers")
    return np.broadcast_to(samples_NC, (len(samples_NC), 2))


def _unreadable(path: Path, why: str) -> OnestoryError:
    return OnestoryError("M516", f'"{path.name}" cannot be read as sound: {why}', help="convert it to WAV or FLAC")


class SoundEncoder:
    """Encodes the sound stream of a film and yields packets interleaved with the video."""

    def __init__(self, film: OutputContainer, blocks: Iterator[np.ndarray], *, codec: str = CODEC) -> None:
        stream = film.add_stream(codec, rate=RATE, layout="stereo")
        assert isinstance(stream, AudioStream)
        if codec == CODEC:
            stream.bit_rate = BITS_PER_SECOND
        self._stream = stream
        self._packets = self._encode(blocks)
        self._next: Packet | None = None

    def up_to(self, seconds: Fraction | None) -> Iterator[Packet]:
        """Yield the next packets that begin before `seconds`; all remaining ones for None."""
        packet = self._next or next(self._packets, None)
        while packet and (seconds is None or (packet.dts or 0) * packet.time_base < seconds):
            yield packet
            packet = next(self._packets, None)
        self._next = packet

    def _encode(self, blocks: Iterator[np.ndarray]) -> Iterator[Packet]:
        done = 0
        for block_N2 in blocks:
            frame = av.AudioFrame.from_ndarray(block_N2.reshape(1, -1), format="flt", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, done, Fraction(1, RATE)
            done += len(block_N2)
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)
