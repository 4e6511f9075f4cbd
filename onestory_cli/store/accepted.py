"""The takes that make the film: one for each shot, and the shots that are left out for want of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.errors import Diagnostic
from onestory_cli.store.layout import SHOTS
from onestory_cli.store.state import RunState
from onestory_cli.store.takes import Damage, Take, read_take
from onestory_cli.utils.text import quoted


@dataclass(frozen=True, kw_only=True)
class MissingShot:
    """A shot without a whole take. `damage` is what became of the one that counted; None where there was none yet."""

    shot: str
    damage: Damage | None = None

    @property
    def why(self) -> str:
        return str(self.damage) if self.damage else "not rendered"


@dataclass(frozen=True, kw_only=True)
class AcceptedTakes:
    """Whole takes by shot, and the other shots; both in film order."""

    takes: Mapping[str, Take]
    left_out: tuple[MissingShot, ...]


def accepted_takes(run: Path, state: RunState, shots: Iterable[str]) -> AcceptedTakes:
    """The take that counts of each of the film's shots, checked byte by byte."""
    entries = {shot: state.shots.get(shot) for shot in shots}
    found = {shot: read_take(run / SHOTS / entry.folder) if entry else None for shot, entry in entries.items()}
    return AcceptedTakes(
        takes={shot: take for shot, take in found.items() if isinstance(take, Take)},
        left_out=tuple(MissingShot(shot=shot, damage=it) for shot, it in found.items() if not isinstance(it, Take)),
    )


@dataclass(frozen=True, kw_only=True)
class PartialFilm:
    """A film as a run directory holds it, of which shots may be left out."""

    run: Path
    left_out: tuple[MissingShot, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(item.shot for item in self.left_out)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """W801, with every shot that is left out and the file that is damaged, or nothing."""
        if not self.left_out:
            return ()
        message = f"left out, for want of a take: {', '.join(map(self._named, self.left_out))}"
        help = f"onestory resume {quoted(self.run)}"
        return (Diagnostic(code="W801", message=message, severity="warning", help=help),)

    def _named(self, item: MissingShot) -> str:
        if item.damage is None:
            return item.shot
        return f"{item.shot} ({item.damage.path.relative_to(self.run)}: {item.damage.why})"
