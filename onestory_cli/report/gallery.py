"""The pictures of a page, each embedded once: posters of takes, and thumbnails of the frames that shots selected."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from onestory_cli.report.data import FilmReport, Frame, MemorySource, ShotMemory
from onestory_cli.report.pictures import ColourStats, decode_take, fitted, source_pictures
from onestory_cli.store.takes import Take

LONG_FILM = 40  # shots; the pictures of a longer film have less detail, so that its page stays small
QUALITY = 72  # of WebP


@dataclass(frozen=True, kw_only=True)
class PictureWidths:
    """Maximum widths in pixels of posters, thumbnails and the posters of takes that are not accepted."""

    poster: int = 320
    thumb: int = 128
    other: int = 192
    quality: int = QUALITY


_LONG = PictureWidths(poster=144, thumb=64, other=112, quality=50)


@dataclass(frozen=True, kw_only=True)
class PagePicture:
    """An embedded picture: element id, data URL, size in pixels."""

    id: str
    address: str
    width: int
    height: int


@dataclass(kw_only=True)
class PictureCache:
    """Pictures and colours by the digest of their source. A server keeps one, so that each clip is decoded once."""

    pictures: dict[tuple[str, int, int], PagePicture] = field(default_factory=dict)
    colours: dict[str, ColourStats] = field(default_factory=dict)


class Gallery:
    """The pictures of a film. Frames whose source is missing have none.

    Raises:
        OnestoryError: M508 for an unreadable clip.
    """

    def __init__(self, film: FilmReport, cache: PictureCache | None = None) -> None:
        self._cache = cache or PictureCache()
        self._drawn: dict[tuple[str, int], PagePicture] = {}
        takes = {take.digest: take for shot in film.shots for take in (shot.take, *shot.takes)}
        sources = {source.digest: source for shot in film.shots for source in shot.memory.sources if source.taken}
        self._widths = _LONG if len(film.shots) > LONG_FILM else PictureWidths()
        for digest, widths in _wanted_frames(film, self._widths).items():
            self._draw(digest, widths, takes.get(digest), sources.get(digest))

    def __iter__(self) -> Iterator[PagePicture]:
        return iter(self._drawn.values())

    def colours(self, take: Take) -> ColourStats:
        """The colour statistics of an accepted take."""
        return self._cache.colours[take.digest]

    def poster(self, take: Take) -> PagePicture:
        """The picture of a take: its middle latent frame."""
        return self._drawn[take.digest, _middle(take)]

    def of(self, memory: ShotMemory, frame: Frame) -> PagePicture | None:
        return self._drawn.get((memory.by_name[frame.source].digest, frame.index))

    def of_shot(self, memory: ShotMemory, takes: tuple[Take, ...]) -> Iterator[PagePicture]:
        """The pictures that the card of one shot uses."""
        yield from dict.fromkeys(
            filter(None, (*map(self.poster, takes), *(self.of(memory, frame) for frame in memory.taken)))
        )

    def _draw(self, digest: str, widths: Mapping[int, int], take: Take | None, source: MemorySource | None) -> None:
        """Draw the frames `widths` (index -> width) of a take or another source; nothing if its file is gone."""
        cached = self._cache.pictures
        if take:  # pictures are never enlarged, so wider ones are the same picture
            widths = {index: min(width, int(take.record.spec["width"] or width)) for index, width in widths.items()}
        missing = {index: width for index, width in widths.items() if (digest, index, width) not in cached}
        if missing or (take and digest not in self._cache.colours):
            if take:
                decoded = decode_take(take)
                frames_THW3, self._cache.colours[digest] = decoded.frames_THW3, decoded.look
            elif source and source.file:
                frames_THW3 = source_pictures(source)
            else:
                return
            for index, width in missing.items():
                id = f"p{digest[:10]}-{index}"
                cached[digest, index, width] = embedded_picture(
                    id, frames_THW3[index], max_width=width, quality=self._widths.quality
                )
        self._drawn |= {(digest, index): cached[digest, index, width] for index, width in widths.items()}


def _wanted_frames(film: FilmReport, widths: PictureWidths) -> dict[str, dict[int, int]]:
    """Digest of a source -> index of a latent frame -> width of its picture."""
    wanted: dict[str, dict[int, int]] = {}
    for shot in film.shots:
        wanted.setdefault(shot.take.digest, {})[_middle(shot.take)] = widths.poster
    for shot in film.shots:
        for take in shot.takes:
            wanted.setdefault(take.digest, {}).setdefault(_middle(take), widths.other)
        for source in shot.memory.sources:
            for frame in source.taken:
                wanted.setdefault(source.digest, {}).setdefault(frame.index, widths.thumb)
    return wanted


def _middle(take: Take) -> int:
    return take.shape[1] // 2


def embedded_picture(id: str, pixels_HW3: np.ndarray, *, max_width: int, quality: int = QUALITY) -> PagePicture:
    """A picture for a page, scaled down to `max_width` pixels if it is wider."""
    if pixels_HW3.shape[1] > max_width:
        pixels_HW3 = fitted(pixels_HW3, max_width)
    height, width = pixels_HW3.shape[:2]
    return PagePicture(id=id, address=webp_address(pixels_HW3, quality=quality), width=width, height=height)


def webp_address(pixels_HW3: np.ndarray, *, quality: int = QUALITY) -> str:
    """A picture as a data URL."""
    stream = io.BytesIO()
    Image.fromarray(pixels_HW3).save(stream, format="WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
