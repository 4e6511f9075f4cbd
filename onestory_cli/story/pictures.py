"""Check and open the pictures of a story. A picture is decoded once; the digest of a readable one is remembered."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import Diagnostic, unplaced
from onestory_cli.utils.cache import remember_check, was_checked
from onestory_cli.utils.untrusted import file_sha256

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 2**25  # an 8K picture; a small file can decompress to far more
MAX_IMAGE_BYTES = 64 * 1024 * 1024
MAX_DECODED_PIXELS = 2**30  # per story; about ten seconds
MAX_SCANS = 200  # of a progressive JPEG; cameras and encoders write about ten, and each passes over all pixels
_CHECK = "picture-1"  # raise the number when the check finds more
_ORIENTATION = 0x0112  # EXIF
_START_OF_SCAN = b"\xff\xda"  # a JPEG marker, which never occurs in its compressed data


class PictureCheck:
    """Checks the pictures of one story: (file, name for messages) -> S153, S154 or None.

    Pictures beyond `MAX_DECODED_PIXELS` in total are not decoded; their headers and checksums are checked.
    """

    def __init__(self) -> None:
        self._pixels = MAX_DECODED_PIXELS

    def __call__(self, file: Path, name: str) -> Diagnostic | None:
        from PIL import Image

        if not file.is_file():
            return unplaced("S153", f"{name} is not a file", "name a picture, not a folder")
        if file.stat().st_size > MAX_IMAGE_BYTES:
            return unplaced("S154", f"{name} is larger than {MAX_IMAGE_BYTES // 1024**2} MiB", "save it smaller")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # reported below as a finding
                with Image.open(file, formats=IMAGE_FORMATS) as picture:
                    (width, height), format = picture.size, picture.format
                    picture.verify()
        except Image.DecompressionBombError:
            width, height, format = MAX_PIXELS, MAX_PIXELS, ""
        except (OSError, SyntaxError, ValueError, EOFError):  # all that Pillow raises for a broken header
            help = f"save it as {', '.join(IMAGE_FORMATS[:-1])} or {IMAGE_FORMATS[-1]}"
            return unplaced("S153", f"{name} is not a readable picture", help)
        if width * height > MAX_PIXELS:
            return unplaced("S154", f"{name} has more than {MAX_PIXELS} pixels", "save it smaller: 4096x4096 is enough")
        if format == "JPEG" and file.read_bytes().count(_START_OF_SCAN) > MAX_SCANS:
            return unplaced("S154", f"{name} has more than {MAX_SCANS} scans", "save it as PNG or as baseline JPEG")
        if problem := self._decode(file, width * height):
            return unplaced("S153", f"{name} is damaged: {problem}", "copy or save the picture again")
        return None

    def _decode(self, file: Path, pixels: int) -> str:
        """What prevents a picture from being decoded, or ""."""
        digest = file_sha256(file)[0].hex()
        if was_checked(_CHECK, digest) or pixels > self._pixels:
            return ""
        self._pixels -= pixels
        problem = _problem(file)
        if not problem:
            remember_check(_CHECK, digest)
        return problem


def _problem(file: Path) -> str:
    from PIL import Image

    try:
        with Image.open(file, formats=IMAGE_FORMATS) as picture:
            picture.draft("RGB", (picture.width // 8 or 1, picture.height // 8 or 1))  # JPEG: shrunk
            picture.load()
            picture.getexif().get(_ORIENTATION)
    except Exception as fault:  # Pillow's decoders raise anything for damaged data
        return str(fault) or type(fault).__name__
    return ""


def open_upright(file: Path) -> Image:
    """Open a picture in RGB as a viewer shows it: rotated by its EXIF orientation, transparent pixels white.

    Raises:
        OSError: it cannot be read.
    """
    from PIL import Image, ImageOps

    with Image.open(file) as opened:
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I"):  # 16-bit gray; Pillow would clip instead of scaling
        picture = picture.point(lambda value: value / 256).convert("L")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
