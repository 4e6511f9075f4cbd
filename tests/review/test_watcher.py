from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onestory_cli.review.effects import ReviewForecast
from onestory_cli.review.render_queue import RenderQueue
from onestory_cli.review.session import ReviewSession
from onestory_cli.review.watcher import CheckedStory, StoryWatcher
from onestory_cli.store.run import Run
from tests.commands.conftest import change
from tests.review.conftest import loader
from tests.sounds import tone, write_sound


class Watching:
    """A watcher with what it reported, and when."""

    def __init__(self, story: Path) -> None:
        self.session = ReviewSession(Path("film.run"), story)
        self.queue = RenderQueue(self.session, "cpu", notify=lambda _: None, loader=loader)
        self.reports: list[tuple[float, CheckedStory]] = []
        self._arrived = threading.Condition()
        self.watcher = StoryWatcher(self.session, self.queue, self._report)
        self.watcher.start()
        self.wait(1)
        self.wait_idle()

    def _report(self, checked: CheckedStory) -> None:
        with self._arrived:
            self.reports.append((time.monotonic(), checked))
            self._arrived.notify()

    def wait(self, count: int) -> CheckedStory:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.reports) >= count, timeout=20)
        return self.reports[-1][1]

    def wait_idle(self) -> None:
        end = time.monotonic() + 20
        while self.queue.progress.state != "idle" or self.queue.progress.queued or not self.rendered():
            assert time.monotonic() < end, self.queue.progress
            time.sleep(0.02)

    def film_after(self, before: bytes) -> bytes:
        """The joined film, when it is another one than before and has sound."""
        end = time.monotonic() + 20
        while True:
            now = self.session.snapshot()
            if now.film and now.film.joined and b"mp4a" in (film := now.film.joined.read_bytes()) and film != before:
                return film
            assert time.monotonic() < end, self.queue.progress
            time.sleep(0.02)

    def rendered(self) -> bool:
        now = self.session.snapshot()
        return now.plan is None or not ReviewForecast(self.session).of_render().shots


@pytest.fixture
def watching(story: Path) -> Iterator[Watching]:
    found = Watching(story)
    yield found
    found.watcher.stop()
    found.queue.close()


def save_atomically(path: Path, text: str) -> None:
    """Write a file as most editors do: a new one takes its place."""
    draft = path.with_name(f".{path.name}.swp")
    draft.write_text(text)
    os.replace(draft, path)


def test_a_save_is_checked_and_rendered(watching: Watching, story: Path) -> None:
    assert Run.open(Path("film.run")).film.exists()
    save_atomically(story, story.read_text().replace("A city at night.", "A city at noon."))
    work = watching.wait(2).work
    assert work is not None
    assert work.shots[:1] == ("city",)
    watching.wait_idle()
    film = watching.session.snapshot().film
    assert film is not None
    assert film.shot("city").caption == "A city at noon."
    assert film.joined


def test_a_broken_story_is_reported_and_still_watched(watching: Watching, story: Path) -> None:
    good = story.read_text()
    save_atomically(story, good.replace("$fox waves", "$fux waves"))
    broken = watching.wait(2)
    assert [item.code for item in broken.findings] == ["S104"]
    assert broken.work is None
    save_atomically(story, "shots: [")
    assert watching.wait(3).work is None
    story.unlink()
    assert [item.code for item in watching.wait(4).findings] == ["S101"]
    save_atomically(story, good)
    work = watching.wait(5).work
    assert work is not None
    assert work.shots == ()


def test_files_that_the_story_names_are_watched(watching: Watching, story: Path) -> None:
    from PIL import Image

    Path("refs").mkdir()
    Image.new("RGB", (32, 32), "red").save("refs/start.png")
    change(story, "    caption: A city at night.", "    caption: A city at night.\n    image: refs/start.png")
    watching.wait(2)
    watching.wait_idle()
    count = len(watching.reports)
    Image.new("RGB", (32, 32), "blue").save("refs/start.png")
    work = watching.wait(count + 1).work
    assert work is not None
    assert work.shots[:1] == ("city",)


def test_a_new_sound_makes_a_new_film(watching: Watching, story: Path) -> None:
    write_sound(Path("tone.wav"), tone(1.0))
    change(story, "model: model", "model: model\naudio: {file: tone.wav}")
    watching.wait(2)
    first = watching.film_after(b"")
    write_sound(Path("new.wav"), tone(1.0, hertz=880.0))
    os.replace("new.wav", "tone.wav")
    work = watching.wait(3).work
    assert work is not None
    assert work.shots == ()
    assert watching.film_after(first) != first


def test_other_files_are_ignored(watching: Watching) -> None:
    Path("notes.txt").write_text("x")
    time.sleep(0.5)
    assert len(watching.reports) == 1
