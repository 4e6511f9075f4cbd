"""Names of other tools -> ids: lower-case letters, digits and inner dashes, each of them once."""

from __future__ import annotations

import re
import unicodedata

_MAX_LENGTH = 40  # characters, of 64 that an id may have: a number may follow


class Names:
    """Hands out ids that nobody has yet."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def new(self, name: str, *, otherwise: str) -> str:
        """An id for `name`; of `otherwise` for a name without a Latin letter. A number follows where it is taken."""
        id = stem = slug(name) or otherwise
        while id in self._taken:
            self._next[stem] = self._next.get(stem, 1) + 1
            id = f"{stem}-{self._next[stem]}"
        self._taken.add(id)
        return id


def slug(name: str) -> str:
    """The nearest id: "Café de la Paix" is "cafe-de-la-paix"; "" where nothing is left."""
    plain = unicodedata.normalize("NFKD", name[:1000]).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", re.sub(r"['’]", "", plain))
    return words.lstrip("-0123456789")[:_MAX_LENGTH].strip("-")
