"""Find all damage in a run directory by its digests. Nothing is changed and no lock is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onestory_cli.errors import OnestoryError
from onestory_cli.store.disk import has_digest, sha256
from onestory_cli.store.layout import SHOTS, STATE, STORY
from onestory_cli.store.notes import damaged_notes
from onestory_cli.store.record import Record
from onestory_cli.store.references import damaged_references
from onestory_cli.store.run import Run
from onestory_cli.store.state import AcceptedTake, RunState
from onestory_cli.store.takes import Damage, ShotTakes, holds_a_take
from onestory_cli.utils.atomic import pending_path

CHANGED = "missing or changed"


def find_damage(run: Run, takes_by_shot: Mapping[str, ShotTakes] | None = None) -> tuple[Damage, ...]:
    """Everything that differs from what was written: takes first, then the files that run.json has digests of.

    Pass `takes_by_shot` if the takes were just read.

    Raises:
        OnestoryError: R403 if a newer version wrote the run.
    """
    takes_by_shot = run.takes_by_shot() if takes_by_shot is None else takes_by_shot
    takes = tuple(damage for shot_takes in takes_by_shot.values() for damage in shot_takes.damages)
    try:
        state = run.state()
    except OnestoryError as fault:
        if fault.code != "R404":
            raise
        return (*takes, Damage(path=run.path / STATE, why=fault.message))
    if state is None:
        lost = Damage(path=run.path / STATE, why="missing, but there are takes")
        return (*takes, lost) if any(shot_takes.takes for shot_takes in takes_by_shot.values()) else takes
    return (
        *takes,
        *_damage_of_state(run, state),
        *damaged_references(run.path, accepted_records(state.shots, takes_by_shot)),
        *damaged_notes(run.path),
    )


def accepted_records(accepted: Mapping[str, AcceptedTake], takes_by_shot: Mapping[str, ShotTakes]) -> Iterator[Record]:
    """The records of the accepted takes."""
    folders = {entry.folder for entry in accepted.values()}
    for shot_takes in takes_by_shot.values():
        yield from (take.record for take in shot_takes.takes if take.path in folders)


def _damage_of_state(run: Run, state: RunState) -> Iterator[Damage]:
    story = run.path / STORY
    if not any(has_digest(path, sha256(state.source)) for path in (story, pending_path(story))):
        yield Damage(path=story, why=CHANGED)
    for path, digest in state.inputs.items():
        if not has_digest(run.input_file(path, digest), digest):
            yield Damage(path=run.input_file(path, digest), why=CHANGED)
    for shot, entry in state.shots.items():
        if not holds_a_take(run.path / SHOTS / entry.folder):
            yield Damage(path=run.path / SHOTS / entry.folder, why=f'the accepted take of "{shot}" is missing')
    if state.film and not has_digest(run.film, state.film.sha256):
        yield Damage(path=run.film, why=CHANGED)
