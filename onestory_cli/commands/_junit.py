"""`--junit FILE`: what came of films for a build server, however the command ends."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from onestory_cli.commands._output import write_result
from onestory_cli.errors import OnestoryError
from onestory_cli.store.locate import existing_run

if TYPE_CHECKING:
    from onestory_cli.batch.result import BatchResult
    from onestory_cli.commands._batch_options import Plans
    from onestory_cli.planning.jobs import Plan
    from onestory_cli.report.junit import JunitSuite


class _ResultFile:
    """Writes `file` at the end of its block, whether that ended well or by an error; without a file it does nothing."""

    def __init__(self, file: Path | None) -> None:
        self._file, self._since = file, time.time()

    def _suites(self, fault: OnestoryError | None) -> list[JunitSuite]:
        """What came of each film; `fault` is what ended the block. Nothing where nothing was tried."""
        raise NotImplementedError

    def _suite(self, name: str, plan: Plan, folder: Path, fault: OnestoryError | None) -> JunitSuite:
        from onestory_cli.report.junit import suite_of
        from onestory_cli.store.reuse import forecast

        try:
            run = existing_run(folder)
        except OnestoryError:  # told as the fault: something else is there
            run = None
        return suite_of(name, forecast(plan, run), fault=fault, since=self._since)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        if self._file and (suites := self._suites(fault if isinstance(fault, OnestoryError) else None)):
            from onestory_cli.report.junit import junit

            write_result(self._file, junit(suites))


class JUnitFile(_ResultFile):
    """The file of one film. What ends the block before there is a plan is told of the story as a whole."""

    def __init__(self, file: Path | None, story: Path) -> None:
        super().__init__(file)
        self._story, self._folder = story, story
        self._plan: Plan | None = None

    def planned(self, plan: Plan, folder: Path) -> None:
        """The plan of the render that begins now, and its run directory."""
        self._plan, self._folder = plan, folder

    def _suites(self, fault: OnestoryError | None) -> list[JunitSuite]:
        from onestory_cli.report.junit import suite_of_fault

        if self._plan:
            return [self._suite(str(self._story), self._plan, self._folder, fault)]
        return [suite_of_fault(str(self._story), fault)] if fault else []


class BatchJUnitFile(_ResultFile):
    """The file of a batch: a suite per film, called what its folder is. What keeps all of them is told of each."""

    def __init__(self, file: Path | None) -> None:
        super().__init__(file)
        self._plans: Plans | None = None
        self._faults: dict[str, OnestoryError | None] = {}

    def planned(self, plans: Plans) -> None:
        """What came of planning the films."""
        self._plans = plans

    def ended(self, result: BatchResult) -> None:
        """What became of the films."""
        self._faults = {row.film.name: row.outcome.fault for row in result.rows}

    def _suites(self, fault: OnestoryError | None) -> list[JunitSuite]:
        from onestory_cli.report.junit import suite_of_fault

        if self._plans is None:
            return [suite_of_fault("batch", fault)] if fault else []
        refused = [suite_of_fault(name, own) for name, own in self._plans.faults.items()]
        of_all = None if refused else fault
        planned = (
            self._suite(item.film.name, item.plan, item.film.run, self._faults.get(item.film.name) or of_all)
            for item in self._plans.planned
        )
        return [*refused, *planned]
