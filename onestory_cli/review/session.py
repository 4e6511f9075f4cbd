"""A review without its web pages: one run, its story, and the changes to them.

Every method may be called from any thread; changes take the run's lock, as the commands do.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from onestory_cli.errors import Diagnostic, ExitCode, OnestoryError, convert_machine_errors
from onestory_cli.planning.compile import compile_story
from onestory_cli.planning.jobs import Plan
from onestory_cli.review.snapshot import Snapshot, SnapshotStamps, read_snapshot
from onestory_cli.review.stamps import Stamp, stamp
from onestory_cli.review.verified import VerifiedRun
from onestory_cli.store.layout import FILM, NOTES, SHOTS, STATE
from onestory_cli.store.notes import MAX_NOTE, TakeNote, write_note
from onestory_cli.store.take_query import acceptable_take, find_take
from onestory_cli.store.takes import Take
from onestory_cli.store.writer import lock_run
from onestory_cli.story.edit import caption_of, replace_caption
from onestory_cli.story.load import read_bytes
from onestory_cli.story.source import parse
from onestory_cli.utils.atomic import write_atomic


class ReviewSession:
    """A run that is reviewed. `story` is the file it was rendered from, None if captions cannot be edited."""

    def __init__(self, run: Path, story: Path | None, *, profile: str | None = None) -> None:
        self.run, self.story, self._profile = VerifiedRun(run), story, profile
        self._lock = threading.RLock()
        self._inputs = frozenset([story.absolute()] if story else [])
        self._snapshot: Snapshot | None = None
        self._planned: tuple[object, Plan] | None = None

    @property
    def profile(self) -> str | None:
        """The profile to render with: the given one, or that of the last render."""
        state = self.run.state()
        return self._profile or (state.profile if state else None)

    def inputs(self) -> dict[Path, Stamp | None]:
        """The story and the files that it names, with their stamps; empty without a story."""
        return {path: stamp(path) for path in self._inputs}

    def stamps(self) -> SnapshotStamps:
        """The stamps of all files that a snapshot depends on. Cheap enough to be computed often.

        Raises:
            OnestoryError: U608 if the run directory cannot be listed.
        """
        path = self.run.path
        with convert_machine_errors():
            files = [*(path / name for name in (STATE, FILM, NOTES)), *(path / SHOTS).glob("*")]
        return SnapshotStamps(inputs=self.inputs(), run={file: stamp(file) for file in files})

    def snapshot(self) -> Snapshot:
        """The current state; computed again only after a change.

        Raises:
            OnestoryError: the run cannot be read.
        """
        with self._lock, convert_machine_errors():
            stamps = self.stamps()
            if self._snapshot is None or self._snapshot.stamps != stamps:
                self._snapshot = self._read(stamps)
            return self._snapshot

    def current_plan(self) -> Plan:
        """The plan of the story file, or of the run without one.

        Raises:
            OnestoryError: its findings.
        """
        if self.story is None:
            return self.run.plan()
        plan, _ = compile_story(self.story, profile=self.profile)
        return plan

    def accept(self, shot: str, id: str) -> Take:
        """Accept a take, as `onestory take accept` does.

        Raises:
            OnestoryError: R401 if another process writes to the run, R411 or S230 for a take that does not fit.
        """
        with self._lock, lock_run(self.run) as writer:
            take = acceptable_take(self.run.plan(), self.run, shot, id)
            writer.accept(shot, take, chosen=True)
            return take

    def note(self, shot: str, id: str, text: str, *, rejected: bool) -> None:
        """Note something about a take. A rejected take stays on disk and can still be accepted.

        Raises:
            OnestoryError: R401 if another process writes to the run, R411 for an unknown take.
        """
        with self._lock, lock_run(self.run) as writer:
            take = find_take(self.run.plan(), self.run, shot, id)
            write_note(writer, take, TakeNote(text=text.strip()[:MAX_NOTE], rejected=rejected))

    def save_caption(self, shot: str, caption: str, *, before: str) -> None:
        """Replace a caption in the story file. `before` is the caption that the author started from.

        Raises:
            OnestoryError: R419 if the caption in the file is another one by now, and what `replace_caption` raises.
        """
        with self._lock:
            assert self.story is not None
            if caption_of(parse(read_bytes(self.story), str(self.story)), shot).split() != before.split():
                raise OnestoryError(
                    "R419",
                    f'the caption of "{shot}" changed in the story file since you started to edit it',
                    help="copy your text, reload the page and edit it again",
                    exit=ExitCode.PARTIAL,
                )
            write_atomic(Path(os.path.realpath(self.story)), self.edited(shot, caption))

    def edited(self, shot: str, caption: str) -> bytes:
        """The text of the story file with another caption.

        Raises:
            OnestoryError: what `read_bytes` and `replace_caption` raise.
        """
        assert self.story is not None
        return replace_caption(read_bytes(self.story), str(self.story), shot, caption)

    def _read(self, before: SnapshotStamps) -> Snapshot:
        plan, findings = self._plan(before)
        if plan and self.story:
            self._inputs = frozenset([self.story.absolute(), *(item.file.absolute() for item in plan.inputs)])
        inputs = {path: before.inputs.get(path, now) for path, now in self.inputs().items()}
        stamps = SnapshotStamps(inputs=inputs, run=before.run)
        version = self._snapshot.version + 1 if self._snapshot else 0
        return read_snapshot(self.run, self.story, plan, version=version, findings=findings, stamps=stamps)

    def _plan(self, now: SnapshotStamps) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
        """The plan of the story, or its errors. The plan is kept until a file or the profile changes."""
        key = (now.inputs, self.profile)
        if self.story is None or self._planned is None or self._planned[0] != key:
            self._planned = None
            try:
                self._planned = key, self.current_plan()
            except OnestoryError as fault:
                return None, fault.diagnostics
        return self._planned[1], ()
