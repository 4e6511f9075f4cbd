"""Turn names of the source into unique ids: lower-case letters, digits and inner dashes."""

from __future__ import annotations

import re
import unicodedata

from onestory_cli.utils.system import WINDOWS_DEVICES

_MAX_LENGTH = 40  # characters; an id may have 64, and a number may follow


class Names:
    """Generates unique ids."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def new(self, name: str, *, otherwise: str) -> str:
        """An id for `name`, or for `otherwise` if the name has no Latin letter. A number is appended if it is taken."""
        id = stem = slug(name) or otherwise
        while id in self._taken or id in WINDOWS_DEVICES:
            self._next[stem] = self._next.get(stem, 1) + 1
            id = f"{stem}-{self._next[stem]}"
        self._taken.add(id)
        return id


def slug(name: str) -> str:
    """`name` as an id: "Café de la Paix" becomes "cafe-de-la-paix". May be empty."""
    plain = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"['’]", "", plain))
    return words.lstrip("-0123456789")[:_MAX_LENGTH].strip("-")
