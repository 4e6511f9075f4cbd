"""Letters that a picture can show. Pillow's own font has those of English alone, not even "é", and draws boxes for all
others; for these a font of the system is looked for, by fontconfig where it is there and by the names that systems use.

What no font has is written as "(?)" and told, never drawn as a box.
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
_NOBODYS = "\uffff"  # no letter, so every font draws its box for it
_MOST = 400  # letters that fontconfig is asked about at once
_PATIENCE = 10  # seconds


@dataclass(frozen=True)
class Face:
    """A font file of the system; "" is Pillow's own."""

    file: str

    def at(self, size: int) -> Font:
        """The font at a size in pixels.

        Raises:
            OSError: the file is not there, or has no letters of that size.
        """
        return ImageFont.truetype(self.file, size) if self.file else ImageFont.load_default(size)

    def lacks(self, text: str) -> str:
        """The letters of a text that it would draw as boxes, each once."""
        return "".join(letter for letter in dict.fromkeys(text) if _is_drawn(letter) and not self._has(letter))

    def written(self, text: str) -> str:
        """The text with "(?)" for every stretch that it lacks."""
        missing = self.lacks(text)
        return re.sub(f"[{re.escape(missing)}]+", UNKNOWN, text) if missing else text

    def _has(self, letter: str) -> bool:
        mask = self._probe.getmask(letter)
        return (mask.size, bytes(mask)) != self._box

    @cached_property
    def _probe(self) -> Font:
        return self.at(_PROBE)

    @cached_property
    def _box(self) -> tuple[tuple[int, int], bytes]:
        mask = self._probe.getmask(_NOBODYS)
        return mask.size, bytes(mask)


OWN = Face("")


def faces_for(texts: Sequence[str]) -> list[Face]:
    """A face for each text: one for all of them where one has all letters, else for each the one that lacks fewest."""
    everything = "".join(texts)
    if not OWN.lacks(everything):
        return [OWN] * len(texts)
    found = [OWN, *_named()]
    for text in (everything, *texts):
        missing = min((face.lacks(text) for face in found), key=len)
        found += _by_fontconfig(missing) if missing else ()
    common = min(found, key=lambda face: len(face.lacks(everything)))
    return [min((common, *found), key=lambda face: len(face.lacks(text))) for text in texts]


def reads_from_right(text: str) -> bool:
    """Whether the first letter with a direction is one of a script that runs from right to left."""
    directions = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind != "L" for kind in directions if kind in ("L", "R", "AL")), False)


def _is_drawn(letter: str) -> bool:
    """Not so: spaces, and marks that only steer how others are set."""
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
    """The font that fontconfig knows for letters; it names its best even where that lacks them."""
    program = shutil.which("fc-match")
    if program:
        wanted = " ".join(f"{ord(letter):x}" for letter in letters[:_MOST])
        command = [program, "--format=%{file}", f"sans:charset={wanted}"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        if answer.returncode == 0 and _loads(answer.stdout):
            yield Face(answer.stdout)
