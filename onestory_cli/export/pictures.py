"""Export PNG frames, ProRes, GIF, WebP and a film with subtitles. Clips are decoded one after another.

Clips have 8 bits and 4:2:0; ProRes adds no detail. Shapes: H W 3, uint8.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from av.video.stream import VideoStream
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.export.cut import Cut
from onestory_cli.export.mark import MARK
from onestory_cli.export.subtitles import subtitled_shots
from onestory_cli.media.sound import SoundEncoder
from onestory_cli.media.subtitled import Cue, add_subtitles
from onestory_cli.media.video import decode_clip, to_rgb
from onestory_cli.rendering.join import mixed
from onestory_cli.utils.text import shell_quote

_BT709 = 1  # the number of BT.709 for primaries, transfer and matrix
_LIMITED_RANGE = 1
_PCM = "pcm_s24le"
_HQ = "3"  # the profile of ProRes 422 HQ
# One palette per frame: a palette for the film would need all frames in memory.
_GIF = (("split", ""), ("palettegen", "stats_mode=single"), ("paletteuse", "new=1:dither=bayer:bayer_scale=3"))


def write_frames(cut: Cut, folder: Path) -> None:
    """Write every frame as PNG, numbered from 1, into a folder per shot: `01-opening/0001.png`."""
    note = PngInfo()
    note.add_text("Software", MARK.decode())
    for shot in cut.shots:
        place = folder / f"{shot.number:0{len(str(cut.shots[-1].number)) + 1}}-{shot.id}"
        place.mkdir(parents=True)
        for number, frame in enumerate(decode_clip(shot.take.clip, shot.take.record.clip_size), start=1):
            Image.fromarray(to_rgb(frame)).save(place / f"{number:04}.png", pnginfo=note)


def write_prores(cut: Cut, path: Path) -> None:
    """Write ProRes 422 HQ in QuickTime: BT.709, title, a chapter per shot, the mixed sound as 24-bit PCM.

    Raises:
        OnestoryError: M505 if PyAV has no ProRes encoder, M508 or M516 for an unreadable clip or sound.
    """
    _require("prores_ks")
    with av.open(str(path.absolute()), "w", format="mov") as film:
        stream = _stream(film, "prores_ks", cut, "yuv422p10le")
        stream.codec_context.options = {"profile": _HQ, "vendor": "apl0"}
        codec = stream.codec_context
        codec.color_primaries = codec.color_trc = codec.colorspace = _BT709
        codec.color_range = _LIMITED_RANGE
        film.metadata["title"] = cut.title
        film.set_chapters(
            [
                {
                    "id": shot.number,
                    "start": shot.start,
                    "end": shot.end,
                    "time_base": Fraction(1, cut.fps),
                    "metadata": {"title": shot.id},
                }
                for shot in cut.shots
            ]
        )
        voice = SoundEncoder(film, mixed(cut.sounds, cut.seconds), codec=_PCM) if cut.sounds else None
        for number, frame in enumerate(_numbered(cut), start=1):
            film.mux(stream.encode(_to_422(frame)))
            if voice:
                film.mux([*voice.up_to(Fraction(number, cut.fps))])
        film.mux(stream.encode())
        if voice:
            film.mux([*voice.up_to(None)])


def write_gif(cut: Cut, path: Path) -> None:
    """Write a GIF that repeats forever, with 256 colours per frame.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """
    with av.open(str(path.absolute()), "w", format="gif", options={"loop": "0"}) as film:
        stream = _stream(film, "gif", cut, "pal8")
        graph = _palette_graph(cut)
        for frame in _numbered(cut):
            graph.vpush(frame.reformat(format="rgb24", dst_color_range=ColorRange.JPEG, threads=1))
            film.mux(stream.encode(graph.vpull()))
        film.mux(stream.encode())


def write_webp(cut: Cut, path: Path) -> None:
    """Write the film as an animated WebP that repeats forever, at its own size.

    Raises:
        OnestoryError: M505 if PyAV has no WebP encoder, M508 for an unreadable clip.
    """
    _require("libwebp_anim")
    with av.open(str(path.absolute()), "w", format="webp", options={"loop": "0"}) as film:
        stream = _stream(film, "libwebp_anim", cut, "bgra")
        stream.codec_context.options = {"quality": "75"}  # FFmpeg's default; 2 kB per frame of the embedded model
        for frame in _numbered(cut):
            film.mux(stream.encode(frame.reformat(format="bgra", dst_color_range=ColorRange.JPEG, threads=1)))
        film.mux(stream.encode())


def write_subtitled(cut: Cut, path: Path) -> None:
    """Write a copy of the run's film with its subtitles as a track.

    Raises:
        OnestoryError: X803 if no shot has a subtitle, X805 if the run has no complete film of these shots.
    """
    cues = [
        Cue(start=Fraction(shot.start, cut.fps), end=Fraction(shot.end, cut.fps), text=shot.subtitle)
        for shot in subtitled_shots(cut)
    ]
    if cut.film is None:
        help = f"onestory resume {shell_quote(cut.run)}"
        raise OnestoryError("X805", f'"{cut.run}" has no complete film of its shots', help=help)
    add_subtitles(cut.film, path, cues)


def _palette_graph(cut: Cut) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=cut.width, height=cut.height, format=av.VideoFormat("rgb24"), time_base=Fraction(1, cut.fps)
    )
    split, palette, use = (graph.add(name, options) for name, options in _GIF)
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    return graph


def _stream(film: OutputContainer, codec: str, cut: Cut, format: str) -> VideoStream:
    stream = film.add_stream(codec, rate=cut.fps)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = cut.width, cut.height, format
    stream.codec_context.time_base, stream.codec_context.thread_count = Fraction(1, cut.fps), 1
    return stream


def _numbered(cut: Cut) -> Iterator[av.VideoFrame]:
    """All frames of the film, timed at its rate."""
    number = 0
    for shot in cut.shots:
        for frame in decode_clip(shot.take.clip, shot.take.record.clip_size):
            frame.pts, frame.time_base, frame.duration = number, Fraction(1, cut.fps), 1
            number += 1
            yield frame


def _to_422(frame: av.VideoFrame) -> av.VideoFrame:
    return frame.reformat(
        format="yuv422p10le",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA,
        threads=1,
    )


def _require(encoder: str) -> None:
    try:
        av.codec.Codec(encoder, "w")
    except av.codec.codec.UnknownCodecError as fault:
        raise OnestoryError(
            "M505",
            f"this build of PyAV {av.__version__} has no encoder {encoder}",
            help="install PyAV from its wheel: pip install --force-reinstall --only-binary av av",
            exit=ExitCode.MACHINE,
        ) from fault
