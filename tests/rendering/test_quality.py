"""Quality checks of takes: measured, recorded, reported, and a reason for another take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli import events
from onestory_cli.events import Event, Warned
from onestory_cli.planning.jobs import Plan
from onestory_cli.quality import FROZEN, RULES, SHIFT, Check
from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.rendering.render import RenderOptions
from onestory_cli.rendering.takes import make_takes
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import find_take
from onestory_cli.store.writer import lock_run
from onestory_cli.story.types import Character, Mention, Setting
from tests.films import NumberShot, NumpyGenerator, latents_of, plan_of, render_with, shot


class Faulty(NumpyGenerator):
    """Takes of these numbers are black; with `flashing` a bright frame is in their middle."""

    def __init__(self, *numbers: int, flashing: tuple[int, ...] = ()) -> None:
        super().__init__()
        self._black, self._flashing = numbers, flashing

    def generate(self, request: ShotRequest) -> NumberShot:
        job = request.job
        made = super().generate(request)
        pixels = made.pixels_PHWC.copy()
        if job.shot == "city" and job.take in self._black:
            pixels[:] = 0
        if job.shot == "city" and job.take in self._flashing:
            pixels[:] = np.arange(len(pixels), dtype=np.uint8)[:, None, None, None] + 60
            pixels[2] = 255
        return NumberShot(**{**vars(made), "pixels_PHWC": pixels})


@pytest.fixture
def plan() -> Plan:
    return plan_of(shot("opening"), shot("city"), shot("return"))


def checks_of(folder: Path, name: str) -> dict[str, Check]:
    takes = {take.id: take for take in Run.open(folder).takes_by_shot()[name].takes}
    entry = Run.open(folder).accepted()[name]
    return {check.name: check for check in takes[entry.folder.partition("/")[2]].record.checks}


def accepted(folder: Path) -> int:
    return Run.open(folder).accepted()["city"].take


def test_every_take_is_checked_and_faults_are_reported(plan: Plan, tmp_path: Path) -> None:
    heard: list[Event] = []
    render_with(plan, tmp_path, heard.append, generator=Faulty(0))
    assert list(checks_of(tmp_path, "opening")) == list(RULES)
    assert [check.bad for check in checks_of(tmp_path, "opening").values()] == [False] * 5
    bad = [name for name, check in checks_of(tmp_path, "city").items() if check.bad]
    assert bad == ["frozen", "black"]
    warned = [event for event in heard if isinstance(event, Warned)]
    assert [(event.code, event.shot) for event in warned] == [("W322", "city"), ("W323", "city")]
    assert warned[1].message == 'take 0 of "city": it is black (black 1, limit 0.5)'
    assert "take new" in warned[1].help
    again: list[Event] = []
    assert render_with(plan, tmp_path, again.append, generator=Faulty(0)).made == []
    assert not [event for event in again if isinstance(event, Warned)]
    assert (faulty(heard), faulty(again)) == (0, 1)


def faulty(heard: list[Event]) -> int:
    return next(event.faulty for event in heard if isinstance(event, events.RunFinished))


def test_bad_take_is_replaced_by_the_first_good_one(plan: Plan, tmp_path: Path) -> None:
    generator = render_with(plan, tmp_path, generator=Faulty(0, 1), retry_bad=3)
    assert generator.made == ["opening", "city", "city", "city", "return"]
    assert accepted(tmp_path) == 2
    before = latents_of(tmp_path)
    assert render_with(plan, tmp_path, generator=Faulty(0, 1), retry_bad=3).made == []
    assert latents_of(tmp_path) == before


def test_best_of_bad_takes_is_accepted(plan: Plan, tmp_path: Path) -> None:
    generator = Faulty(0, 2, flashing=(1,))
    render_with(plan, tmp_path, generator=generator, retry_bad=2)
    assert (generator.made.count("city"), accepted(tmp_path)) == (3, 1)
    again = render_with(plan, tmp_path, generator=Faulty(0, 2, flashing=(1,)), retry_bad=2)
    assert (again.made, accepted(tmp_path)) == ([], 1)


def test_good_take_needs_no_retries(plan: Plan, tmp_path: Path) -> None:
    assert render_with(plan, tmp_path / "a", retry_bad=3).made == ["opening", "city", "return"]
    assert render_with(plan, tmp_path / "b", generator=Faulty(0)).made == ["opening", "city", "return"]


def test_take_chosen_by_the_user_is_never_replaced(plan: Plan, tmp_path: Path) -> None:
    render_with(plan, tmp_path, generator=Faulty(0))
    run = Run.open(tmp_path)
    with lock_run(run) as writer:
        writer.accept("city", find_take(plan, run, "city", None), chosen=True)
    heard: list[Event] = []
    assert render_with(plan, tmp_path, heard.append, generator=Faulty(0), retry_bad=3).made == []
    assert faulty(heard) == 0
    make_takes(plan, run, lambda: Faulty(0), shot="city", options=RenderOptions(retry_bad=1))
    assert accepted(tmp_path) == 0
    assert Run.open(tmp_path).accepted()["city"].chosen


def test_accept_ask_is_never_answered_automatically(tmp_path: Path) -> None:
    plan = plan_of(shot("city", accept="ask"))
    with pytest.raises(Exception, match="waits for you"):
        render_with(plan, tmp_path, generator=Faulty(0), retry_bad=3)
    assert len(Run.open(tmp_path).takes_by_shot()["city"].takes) == 1


def test_take_new_retries_until_one_is_good_and_accepts_it(plan: Plan, tmp_path: Path) -> None:
    render_with(plan, tmp_path, generator=Faulty(0))
    made = make_takes(plan, Run.open(tmp_path), lambda: Faulty(0, 1), shot="city", options=RenderOptions(retry_bad=3))
    assert [take.record.take for take in made] == [1, 2]
    assert accepted(tmp_path) == 2


def test_still_settings_and_shifts_between_settings_are_not_faults(tmp_path: Path) -> None:
    fox = Character(id="fox", look="a fox", again="the same fox")
    places = tuple(Setting(id=id, look=id, again=id) for id in ("beach", "cave"))

    def mention(id: str, kind: str) -> Mention:
        return Mention(id=id, kind=kind, full=True, start=0, end=1)  # type: ignore[arg-type]

    on_beach, in_cave, walks = mention("beach", "setting"), mention("cave", "setting"), mention("fox", "character")
    plan = plan_of(
        shot("opening", mentions=(on_beach,)),
        shot("other", mentions=(in_cave, walks)),
        shot("return", mentions=(on_beach, walks)),
        characters=(fox,),
        settings=places,
    )
    heard: list[Event] = []
    render_with(plan, tmp_path, heard.append)
    numbers = {name: checks_of(tmp_path, name) for name in ("opening", "other", "return")}
    assert [numbers[name][FROZEN].value is None for name in numbers] == [True, False, False]
    assert numbers["opening"][SHIFT].value is None
    assert numbers["other"][SHIFT].value is None
    remembered = next(event for event in heard if isinstance(event, events.Remembered) and event.shot == "return")
    assert (numbers["return"][SHIFT].value is None) == ("opening" not in dict(remembered.frames))
