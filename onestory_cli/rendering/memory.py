"""What the shots of a film can see: pictures, and takes that count, though some may be on their way to the disk yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.references import References
from onestory_cli.store.takes import Take, latents_in

if TYPE_CHECKING:
    import numpy as np


class VisibleMemory:
    """Digests, `takes` and latents by source; each source is read or encoded once."""

    def __init__(self, references: References) -> None:
        self._references = references
        self.takes: dict[str, Take] = {}
        self._latents: dict[str, np.ndarray] = {}
        self._fresh: dict[Path, np.ndarray] = {}  # of the takes of this shot that were made just now

    @property
    def digests(self) -> dict[str, str]:
        """What is known of every source: pictures by their bytes, shots by their takes."""
        return self._references.digests | {shot: take.digest for shot, take in self.takes.items()}

    def of(self, job: ShotJob) -> dict[str, str]:
        """The digests of all that a shot can see, in film order."""
        digests = self.digests
        return {source: digests[source] for source in job.memory.sources}

    def latents(self, job: ShotJob) -> dict[str, np.ndarray]:
        """The latents of all that a shot can see, in film order."""
        for source in job.memory.sources:
            if source not in self._latents:
                take = self.takes.get(source)
                self._latents[source] = take.latents() if take else self._references.latents(source, job)
        return {source: self._latents[source] for source in job.memory.sources}

    def add(self, take: Take, latents: bytes) -> None:
        """A take that was made just now, from the bytes of the latents file that it will have."""
        self._fresh[take.folder] = latents_in(latents)

    def accept(self, shot: str, take: Take) -> None:
        """From now on a shot is seen as this take."""
        self.takes[shot] = take
        if take.folder in self._fresh:
            self._latents[shot] = self._fresh[take.folder]
        self._fresh.clear()
