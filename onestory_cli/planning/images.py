"""The pictures and sounds that a plan needs, read once for their digests. What they are was checked with the story."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from onestory_cli.errors import Diagnostic, Place, shorten
from onestory_cli.planning.jobs import ImageInput


class Pictures:
    """Reads the files of one story and gathers what is wrong with them.

    `folder` is the story's own; `frozen` names other files to read instead, by path as written: the copies in a run.
    """

    def __init__(self, folder: Path, frozen: Mapping[str, Path]) -> None:
        self._folder, self._frozen = folder, frozen
        self._read: dict[str, ImageInput] = {}
        self.findings: list[Diagnostic] = []

    def read(self, path: str, place: Place) -> ImageInput | None:
        """The file at `path`, read once; None, and a finding S216, when it cannot be read."""
        if path in self._read:
            return self._read[path]
        file = self._frozen.get(path, self._folder / path)
        try:
            data = file.read_bytes()
        except OSError as fault:
            message = f'"{shorten(path)}" cannot be read: {fault.strerror}'
            help = "put it back, relative to the story file"
            self.findings.append(Diagnostic(code="S216", message=message, place=place, help=help))
            return None
        self._read[path] = ImageInput(path=path, sha256=hashlib.sha256(data).hexdigest(), file=file.absolute())
        return self._read[path]
