"""The pictures that a story names: inside its folder, there, and pictures. Refused before any work."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic, did_you_mean, shorten
from onestory_cli.story.source import KeyPath, Source

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 64 * 1024 * 1024
MOST_FILES, MOST_BYTES = 1000, 256 * 1024 * 1024  # of all pictures of a story
MAX_PIXELS = 2**25  # an 8K picture; a small file can unpack to far more


def check_images(
    source: Source, named: Iterable[tuple[KeyPath, str]], *, folder: Path, allow_outside: bool
) -> Iterator[Diagnostic]:
    """S150 to S156 for pictures, given as (where the story names it, path as written). Each file is read once.

    A file may be named in many ways (`a.png`, `./a.png`), and a story may name thousands: what is read is counted.
    """
    faults: dict[str, Diagnostic | None] = {}
    sizes: dict[str, int] = {}
    for path, image in named:
        if image not in faults:
            faults[image] = _fault(image, folder, allow_outside)
            sizes[image] = 0 if faults[image] else _size(folder / image)
        if fault := faults[image]:
            yield Diagnostic(code=fault.code, message=fault.message, help=fault.help, place=source.place(path))
        if len(sizes) > MOST_FILES or sum(sizes.values()) > MOST_BYTES:
            message = f"the pictures up to this one are more than {MOST_FILES} or {MOST_BYTES // 1024**2} MiB"
            help = "save them smaller, or name fewer of them"
            yield Diagnostic(code="S156", message=message, help=help, place=source.place(path))
            return


def _size(file: Path) -> int:
    """The bytes of a file; 0 for one that is gone since."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _fault(image: str, folder: Path, allow_outside: bool) -> Diagnostic | None:
    """What is wrong with a picture, without a place."""
    name = f'"{shorten(image)}"'
    try:
        if not allow_outside and (fault := leaves(image, name, folder)):
            return fault
        return _missing(folder / image, name) or not_a_picture(folder / image, name)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        why = getattr(error, "strerror", None) or str(error)
        return _finding("S153", f"{name} cannot be read: {why}", "check the path and the permissions of the file")


def _finding(code: str, message: str, help: str) -> Diagnostic:
    return Diagnostic(code=code, message=message, help=help)


def leaves(image: str, name: str, folder: Path) -> Diagnostic | None:
    """S150 or S151 for a path, shown as `name`, that leads out of the story's folder; no place yet."""
    help = "copy it beside the story, or allow it with `--allow-outside`"
    windows = PureWindowsPath(image)
    rooted = PurePosixPath(image).is_absolute() or windows.drive or windows.root
    if rooted or os.path.normpath(image).split(os.sep)[0] == os.pardir:
        return _finding("S150", f"{name} is outside of the story's folder", help)
    if not _real(folder / image).is_relative_to(_real(folder)):
        return _finding("S151", f"{name} leads out of the story's folder through a link", help)
    return None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _missing(file: Path, name: str) -> Diagnostic | None:
    if file.exists():
        return None
    beside = [item.name for item in file.parent.iterdir()] if file.parent.is_dir() else []
    near = did_you_mean(file.name, sorted(beside))
    return _finding("S152", f"no picture {name}", near or "the path is relative to the story file")


def open_upright(file: Path) -> Image:
    """A picture as people see it: in red, green and blue, turned as its camera says (EXIF).

    Raises:
        OSError: it cannot be read.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def not_a_picture(file: Path, name: str) -> Diagnostic | None:
    """S153 or S154, as far as header and checksums tell; the pixels are not unpacked."""
    from PIL import Image

    if not file.is_file():
        return _finding("S153", f"{name} is not a file", "name a picture, not a folder")
    if file.stat().st_size > MAX_BYTES:
        return _finding("S154", f"{name} is larger than {MAX_BYTES // 1024**2} MiB", "save it smaller")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # said below, as a finding
            with Image.open(file, formats=FORMATS) as picture:
                width, height = picture.size
                picture.verify()
    except Image.DecompressionBombError:
        width = height = MAX_PIXELS
    except (OSError, SyntaxError, ValueError, EOFError):  # what a broken file makes Pillow say
        help = f"save it as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        return _finding("S153", f"{name} is not a picture that can be read", help)
    if width * height > MAX_PIXELS:
        return _finding("S154", f"{name} has more than {MAX_PIXELS} pixels", "save it smaller: 4096x4096 is enough")
    return None
