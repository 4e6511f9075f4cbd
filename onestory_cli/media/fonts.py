"""Find fonts for texts in pictures.

Pillow's built-in font covers English only, not even "é", and draws boxes for other characters. For those, look for a
system font by common file names and by fontconfig. Characters that no font has are replaced by "(?)" and reported.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

NAMES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "msyh.ttc",
    "arial.ttf",
)
UNKNOWN = "(?)"
_PROBE = 16  # pixels: the size at which glyphs are compared
_NOT_A_CHARACTER = "\uffff"  # every font draws its box for it
_MAX_QUERY = 400  # characters per query of fontconfig
_TIMEOUT = 10  # seconds


@dataclass(frozen=True)
class Face:
    """A system font file, or "" for the built-in font of Pillow."""

    file: str

    def load(self, size: int) -> Font:
        """The font at a size in pixels.

        Raises:
            OSError: the file is missing or has no glyphs of that size.
        """
        return ImageFont.truetype(self.file, size) if self.file else ImageFont.load_default(size)

    def lacks(self, text: str) -> str:
        """The characters of `text` that the font does not have, each once."""
        return "".join(letter for letter in dict.fromkeys(text) if _is_drawn(letter) and not self._has(letter))

    def replace_missing(self, text: str) -> str:
        """Replace each run of missing characters by "(?)"."""
        missing = self.lacks(text)
        return re.sub(f"[{re.escape(missing)}]+", UNKNOWN, text) if missing else text

    def _has(self, letter: str) -> bool:
        mask = self._probe.getmask(letter)
        return (mask.size, bytes(mask)) != self._box

    @cached_property
    def _probe(self) -> Font:
        return self.load(_PROBE)

    @cached_property
    def _box(self) -> tuple[tuple[int, int], bytes]:
        mask = self._probe.getmask(_NOT_A_CHARACTER)
        return mask.size, bytes(mask)


BUILT_IN = Face("")


def faces_for(texts: Sequence[str]) -> list[Face]:
    """A face per text: one face for all if it has every character, else the best for each."""
    everything = "".join(texts)
    if not BUILT_IN.lacks(everything):
        return [BUILT_IN] * len(texts)
    found = [BUILT_IN, *_named()]
    for text in (everything, *texts):
        missing = min((face.lacks(text) for face in found), key=len)
        found += _by_fontconfig(missing) if missing else ()
    common = min(found, key=lambda face: len(face.lacks(everything)))
    return [min((common, *found), key=lambda face: len(face.lacks(text))) for text in texts]


def reads_from_right(text: str) -> bool:
    """Whether the first character with a direction belongs to a right-to-left script."""
    directions = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind != "L" for kind in directions if kind in ("L", "R", "AL")), False)


def _is_drawn(letter: str) -> bool:
    """False for spaces and control characters."""
    return not letter.isspace() and unicodedata.category(letter) not in ("Cc", "Cf")


def _named() -> Iterator[Face]:
    return (Face(name) for name in NAMES if _loads(name))


@cache
def _loads(file: str) -> bool:
    try:
        ImageFont.truetype(file, _PROBE)
    except OSError:
        return False
    return True


def _by_fontconfig(letters: str) -> Iterator[Face]:
    """The font that fontconfig suggests. It may lack some of the characters."""
    program = shutil.which("fc-match")
    if program:
        wanted = " ".join(f"{ord(letter):x}" for letter in letters[:_MAX_QUERY])
        command = [program, "--format=%{file}", f"sans:charset={wanted}"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        if answer.returncode == 0 and _loads(answer.stdout):
            yield Face(answer.stdout)
