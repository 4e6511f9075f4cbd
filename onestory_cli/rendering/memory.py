"""The memory of a film: what its shots can see. Some takes in it may still be on their way to the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.planning.jobs import ShotJob
from onestory_cli.rendering.references import References
from onestory_cli.store.takes import Take, parse_latents

if TYPE_CHECKING:
    import numpy as np


class VisibleMemory:
    """The digests, `takes` and latents of all sources. Each source is read or encoded once."""

    def __init__(self, references: References) -> None:
        self._references = references
        self.takes: dict[str, Take] = {}
        self._latents: dict[str, np.ndarray] = {}
        self._generated: dict[Path, np.ndarray] = {}  # latents of the takes of this shot that are not on disk yet

    @property
    def digests(self) -> dict[str, str]:
        """The digest of every known source: reference images and shots."""
        return self._references.digests | {shot: take.digest for shot, take in self.takes.items()}

    def of(self, job: ShotJob) -> dict[str, str]:
        """The digests of everything that a shot can see, in film order."""
        digests = self.digests
        return {source: digests[source] for source in job.memory.sources}

    def latents(self, job: ShotJob) -> dict[str, np.ndarray]:
        """The latents of everything that a shot can see, in film order."""
        for source in job.memory.sources:
            if source not in self._latents:
                take = self.takes.get(source)
                self._latents[source] = take.latents() if take else self._references.latents(source, job)
        return {source: self._latents[source] for source in job.memory.sources}

    def add(self, take: Take, latents: bytes) -> None:
        """Add a take that was just generated, with the future content of its latents file."""
        self._generated[take.folder] = parse_latents(latents)

    def accept(self, shot: str, take: Take) -> None:
        """Let later shots see a shot as this take."""
        self.takes[shot] = take
        if take.folder in self._generated:
            self._latents[shot] = self._generated[take.folder]
        self._generated.clear()
