from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.report.page import render_page
from onestory_cli.review.effects import ReviewForecast
from onestory_cli.review.session import ReviewSession
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.commands.conftest import Onestory, change
from tests.report.conftest import film_of
from tests.report.test_page import Elements


def ids(session: ReviewSession, shot: str = "city") -> list[str]:
    film = session.snapshot().film
    assert film is not None
    return [take.id for take in film.shot(shot).takes]


def test_a_take_is_accepted_as_by_the_command(session: ReviewSession, onestory: Onestory) -> None:
    one, two = ids(session)[1:]
    session.accept("city", one)
    by_session = Path("film.run/run.json").read_bytes()
    assert onestory("take", "accept", "film.run", "city", two).exit == 0
    assert onestory("take", "accept", "film.run", "city", one).exit == 0
    assert Path("film.run/run.json").read_bytes() == by_session


def test_a_change_by_a_command_is_seen(session: ReviewSession, onestory: Onestory) -> None:
    before = session.snapshot()
    assert session.snapshot() is before
    onestory("take", "accept", "film.run", "city", ids(session)[2])
    now = session.snapshot()
    assert now is not before
    assert now.film is not None
    assert now.film.shot("city").take.id == ids(session)[2]
    assert set(now.stale) <= {"return"}


def test_the_effect_of_accepting_is_known_before(session: ReviewSession) -> None:
    effect = ReviewForecast(session).of_accepting("city", ids(session)[1])
    session.accept("city", ids(session)[1])
    assert set(effect.shots) == set(session.snapshot().stale)
    assert str(ReviewForecast(session).of_accepting("city", ids(session)[1])) == "nothing becomes stale"


def test_the_effect_of_a_caption_is_known_before(session: ReviewSession, story: Path) -> None:
    before = story.read_text()
    resolved, findings, effect = ReviewForecast(session).of_caption("return", "$fox sleeps on $beach.")
    assert (resolved, findings) == ("The same fox sleeps on the same beach.", ())
    assert effect is not None
    assert effect.shots == ("return",)
    assert effect.certain
    assert str(effect).startswith("1 shot stale, about ")
    assert story.read_text() == before
    resolved, findings, effect = ReviewForecast(session).of_caption("return", "$fux sleeps.")
    assert (resolved, [item.code for item in findings], effect) == ("", ["S104"], None)


def test_a_caption_is_saved_to_the_story(session: ReviewSession, story: Path) -> None:
    story.write_text("# mine\n" + story.read_text())
    session.save_caption("city", "A city at noon.", before="A city at night.")
    assert story.read_text().startswith("# mine\n")
    assert "caption: A city at noon." in story.read_text()
    assert "city" in session.snapshot().stale
    with pytest.raises(OnestoryError, match="changed in the story file") as fault:
        session.save_caption("city", "A city at dusk.", before="A city at night.")
    assert fault.value.code == "R419"


def test_a_story_with_errors_is_still_shown(session: ReviewSession, story: Path) -> None:
    change(story, "$fox waves", "$fux waves")
    now = session.snapshot()
    assert now.plan is None
    assert [item.code for item in now.findings] == ["S104"]
    assert now.film is not None
    assert len(now.film.shots) == 3


def test_a_rejected_take_keeps_its_note(session: ReviewSession, takes_run: Path) -> None:
    take = ids(session)[1]
    session.note("city", take, " the <b>moon</b> is missing ", rejected=True)
    assert session.snapshot().notes[f"city/{take}"].rejected
    assert "the <b>moon</b> is missing" in Elements(render_page(film_of(takes_run))).text
    session.note("city", take, "", rejected=False)
    assert session.snapshot().notes == {}


def test_nothing_changes_while_another_process_writes(session: ReviewSession, takes_run: Path) -> None:
    take = ids(session)[1]
    with lock_run(Run.open(takes_run)):
        for act in (
            lambda: session.accept("city", take),
            lambda: session.note("city", take, "x", rejected=True),
        ):
            with pytest.raises(OnestoryError) as fault:
                act()
            assert fault.value.code == "R401"
    assert session.snapshot().film is not None


def test_takes_are_verified_once_and_again_after_a_change(session: ReviewSession, takes_run: Path) -> None:
    take = ids(session)[1]
    assert len(session.run.known) == 5
    (takes_run / "shots" / "city" / take / "clip.mp4").write_bytes(b"damaged")
    assert take not in [item.id for item in session.run.takes_by_shot()["city"].takes]


def test_a_story_that_was_not_rendered_has_no_shots(story: Path) -> None:
    now = ReviewSession(Path("film.run"), story).snapshot()
    assert now.film is not None
    assert now.film.missing == ("opening", "city", "return")
    assert not Path("film.run").exists()
