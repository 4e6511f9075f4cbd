"""`--junit FILE`: what came of a render for a build server, however the render ends."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from onestory_cli.commands.runs import existing_run
from onestory_cli.commands.writing import write_result
from onestory_cli.errors import OnestoryError

if TYPE_CHECKING:
    from onestory_cli.plan import Plan
    from onestory_cli.report.junit import Suite


class JUnitFile:
    """Writes `file` at the end of its block, whether that ended well or by an error; without a file it does nothing.

    `plan` and `folder` become known on the way: what ends the block before that is told of the story as a whole.
    """

    def __init__(self, file: Path | None, story: Path) -> None:
        self._file, self._story, self._since = file, story, time.time()
        self._plan: Plan | None = None
        self._folder = story

    def planned(self, plan: Plan, folder: Path) -> None:
        """The plan of the render that begins now, and its run directory."""
        self._plan, self._folder = plan, folder

    def __enter__(self) -> JUnitFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        told = fault if isinstance(fault, OnestoryError) else None
        if self._file and (self._plan or told):
            from onestory_cli.report.junit import junit

            write_result(self._file, junit([self._suite(told)]))

    def _suite(self, fault: OnestoryError | None) -> Suite:
        from onestory_cli.report.junit import suite_of, suite_of_fault
        from onestory_cli.store.reuse import forecast

        if self._plan is None:
            assert fault is not None
            return suite_of_fault(str(self._story), fault)
        decisions = forecast(self._plan, existing_run(self._folder))
        return suite_of(str(self._story), decisions, fault=fault, since=self._since)
