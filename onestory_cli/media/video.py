"""Encode and decode clips: H.264 in mp4, 8 bit 4:2:0, BT.709 converted and tagged.

A clip has no B-frames and its headers depend on nothing but size and rate, so that `mux.py` can join clips by copying
packets. Equal pixels and settings give equal bytes with equal library versions.

Shapes: P pixel frames, H W height and width, 3 red green blue (uint8).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from PIL import Image

from onestory_cli.errors import ExitCode, OnestoryError, machine_error

ENCODER = "libx264"
# stitchable: otherwise x264 writes the crf into the headers, and clips of different crf cannot be joined by copying.
# bframes=0: pts equals dts, so durations are exact without an edit list.
# The rest: on enlarged shots half the CPU time of preset "medium" at equal PSNR, for files 25 % larger. Without trellis
# it is another quarter less, for 0.2 dB and files 4 % larger.
_X264 = "bframes=0:stitchable=1:ref=1:me=dia:subme=4:mbtree=0:rc-lookahead=0:trellis=0"
# The output of x264 depends on the thread count. With four threads on a busy machine, one clip in about 100,000
# differed from an earlier encoding of the same frames.
_THREADS = 1
_BT709 = 1  # the number of BT.709 in H.264 for primaries, transfer and matrix
_LIMITED_RANGE = 1
MAX_PIXELS = 8192 * 8192  # of a picture; a film in 8K has half as many
# Self-contained formats only: others (HLS, DASH, concat, SDP) list addresses, so an untrusted file could name any file
# or host.
_OPENING = {
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,gif,h264,hevc,ivf",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),  # opening may decode a first picture
}
_RESAMPLING = {"nearest": Image.Resampling.NEAREST, "lanczos": Image.Resampling.LANCZOS}


@dataclass(frozen=True, kw_only=True)
class ClipInfo:
    """Properties of a video file: `width` and `height` in pixels as encoded, `fps` frames per second."""

    frames: int
    width: int
    height: int
    fps: float
    seconds: float


def require_encoder() -> None:
    """Check, before any work, that this machine can encode clips.

    Raises:
        OnestoryError: M505 if PyAV was built without x264.
    """
    try:
        av.codec.Codec(ENCODER, "w")
    except av.codec.codec.UnknownCodecError as fault:
        raise OnestoryError(
            "M505",
            f"this build of PyAV {av.__version__} has no H.264 encoder ({ENCODER})",
            help="install PyAV from its wheel: pip install --force-reinstall --only-binary av av",
            exit=ExitCode.MACHINE,
        ) from fault


def write_clip(
    path: Path, pixels_PHW3: np.ndarray, *, fps: int, scale: int = 1, filter: str = "nearest", crf: int = 16
) -> ClipInfo:
    """Encode frames (P, H, W, 3) uint8 at a fixed rate, each enlarged `scale` times with "nearest" or "lanczos".

    `crf`: 0 is lossless, 16 visually lossless, 51 the worst. Overwrites an existing file.

    Raises:
        OnestoryError: M505 without an encoder, M506 for a size that H.264 cannot hold.
        OSError: the file cannot be written.
    """
    frames, height, width, channels = pixels_PHW3.shape
    assert frames > 0
    assert (channels, pixels_PHW3.dtype) == (3, np.uint8)
    size = width * scale, height * scale
    _require_even(*size)
    require_encoder()
    with av.open(str(path.absolute()), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = _add_stream(container, *size, fps=fps, crf=crf)
        for index, pixels_HW3 in enumerate(pixels_PHW3):
            frame = _to_bt709(_resize(pixels_HW3, size, filter))
            # Not stream.time_base: it changes when the first packet writes the header.
            frame.pts, frame.time_base, frame.duration = index, Fraction(1, fps), 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return ClipInfo(frames=frames, width=size[0], height=size[1], fps=float(fps), seconds=frames / fps)


def read_clip(path: Path, size: tuple[int, int, int] | None = None) -> np.ndarray:
    """Decode a clip: (P, H, W, 3) uint8 at the encoded size.

    Raises:
        OnestoryError: M508 for an unreadable video, or one of another size than `size` = (P, W, H).
    """
    frames = [to_rgb(frame) for frame in decode_clip(path, size)]
    return np.stack(frames)


def decode_clip(path: Path, size: tuple[int, int, int] | None = None) -> Iterator[av.VideoFrame]:
    """Decode a clip frame by frame; refuse more or larger frames than `size` = (P, W, H).

    Without `size`, all frames must be as large as the header says, at most `MAX_PIXELS`.

    Raises:
        OnestoryError: M508 for an unreadable video, or one of another size.
    """
    with open_video(path) as container:
        stream = container.streams.video[0]
        most, *picture = size or (None, stream.width, stream.height)
        _require_picture(path, [stream.width, stream.height], picture)
        number = 0
        for number, frame in enumerate(container.decode(stream), start=1):
            # A frame may have another size than the header says.
            _require_picture(path, [frame.width, frame.height], picture)
            if most is not None and number > most:
                raise _unreadable(path, f"it has more than {most} frames")
            yield frame
        _require_whole(container, number)


def _require_picture(path: Path, found: list[int], expected: list[int]) -> None:
    if found != expected:
        raise _unreadable(path, "its frames have {}x{} pixels, not {}x{}".format(*found, *expected))


def probe(path: Path) -> ClipInfo:
    """Size, rate and exact length of a video file, from its packets, without decoding.

    Raises:
        OnestoryError: M508 for an unreadable video.
    """
    with open_video(path) as container:
        frames, seconds = count_packets(container)
        stream = container.streams.video[0]
        rate = stream.average_rate or Fraction(frames) / (seconds or 1)
        return ClipInfo(
            frames=frames, width=stream.width, height=stream.height, fps=float(rate), seconds=float(seconds)
        )


def count_packets(container: InputContainer) -> tuple[int, Fraction]:
    """Number of frames and exact length in seconds; the duration in the header may be rounded.

    Raises:
        OnestoryError: M508 for a truncated file.
    """
    stream = container.streams.video[0]
    durations = [packet.duration or 0 for packet in container.demux(stream) if packet.size and not packet.is_corrupt]
    _require_whole(container, len(durations))
    return len(durations), sum(durations) * (stream.time_base or Fraction(0))


@contextmanager
def open_video(path: Path, content: bytes | None = None) -> Iterator[InputContainer]:
    """Open a video file; FFmpeg errors, now or later in the block, become M508, those of the disk U608.

    With `content`, read these bytes instead of the file; `path` only names it in errors.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would block
            raise _unreadable(path, "it is not a regular file")
        source = str(path.absolute()) if content is None else io.BytesIO(content)
        with av.open(source, "r", options=_OPENING) as container:
            # A file truncated inside its index still opens, with a stream without a codec.
            if not any(stream.codec_context for stream in container.streams.video):
                raise _unreadable(path, "it has no video stream")
            _require_bounded(path, container.streams.video[0])
            yield container
    except av.error.FFmpegError as fault:
        # A disk that fails for a moment says nothing about the file, which may be stored as damaged otherwise.
        raise machine_error(fault) or _unreadable(path, fault.strerror or str(fault)) from fault


def _require_bounded(path: Path, stream: VideoStream) -> None:
    if stream.width * stream.height > MAX_PIXELS:
        fault = f"its frames have {stream.width}x{stream.height} pixels, more than the limit of {MAX_PIXELS}"
        raise _unreadable(path, fault)
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # the header may be wrong: limit the decoder, too


def _unreadable(path: Path, fault: str) -> OnestoryError:
    return OnestoryError("M508", f'"{path}" cannot be read as video: {fault}', help="rerender that shot")


def _require_whole(container: InputContainer, frames: int) -> None:
    # FFmpeg reports no error at the end of a truncated file; compare with the index.
    announced = container.streams.video[0].frames
    if frames < max(announced, 1):
        raise _unreadable(Path(container.name), f"it is truncated: {frames} of {announced} frames")


def _require_even(width: int, height: int) -> None:
    if width % 2 or height % 2:
        raise OnestoryError(
            "M506",
            f"a clip of {width}x{height} pixels cannot be encoded: H.264 needs an even width and height",
            help="set `output: {scale: 2}`, or give the shots an even width and height",
        )


def _add_stream(container: OutputContainer, width: int, height: int, *, fps: int, crf: int) -> VideoStream:
    options = {"preset": "fast", "crf": str(crf), "x264-params": _X264}
    stream = container.add_stream(ENCODER, rate=fps, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    codec = stream.codec_context
    codec.time_base, codec.thread_count = Fraction(1, fps), _THREADS
    codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
    codec.color_range = _LIMITED_RANGE
    return stream


def _resize(pixels_HW3: np.ndarray, size: tuple[int, int], filter: str) -> np.ndarray:
    height, width, _ = pixels_HW3.shape
    if size == (width, height):
        return pixels_HW3
    return np.asarray(Image.fromarray(pixels_HW3).resize(size, _RESAMPLING[filter]))


def _to_bt709(pixels_HW3: np.ndarray) -> av.VideoFrame:
    # FFmpeg's default matrix is BT.601, up to 12 levels off, and its default filter blurs colour across the edges of
    # enlarged pixels, up to 85 levels. AREA averages each 2x2 block exactly.
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels_HW3), format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA,
        threads=1,  # starting threads costs more than converting a small frame
    )


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as (H, W, 3) uint8."""
    # The tags of the frame select the matrix; without tags, FFmpeg uses its default.
    return frame.reformat(
        format="rgb24", dst_color_range=ColorRange.JPEG, interpolation=Interpolation.AREA, threads=1
    ).to_ndarray()


def upright_size(frame: av.VideoFrame) -> tuple[int, int]:
    """The width and height of a decoded frame, turned as the file's rotation metadata says."""
    turned = round(frame.rotation / 90) % 2
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Return a decoded frame as (H, W, 3) uint8, turned as the file's rotation metadata says."""
    return np.ascontiguousarray(np.rot90(to_rgb(frame), round(frame.rotation / 90)))
