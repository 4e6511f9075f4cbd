"""A review in a real browser, with real clicks and keys."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.rendering.generator import ShotRequest
from onestory_cli.review.server import ReviewServer
from onestory_cli.review.session import ReviewSession
from tests.commands.conftest import Onestory, change
from tests.films import NumberShot, NumpyGenerator
from tests.report.chromium import Page, browser, find_chromium
from tests.report.test_browser import CONTRAST
from tests.review.conftest import TOKEN, Client, loader, served
from tests.review.test_server import wait_idle
from tests.review.test_session import ids

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium"),
]
ACCEPTED = "document.querySelector('#shot-city .take.accepted')?.dataset.number"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, client: Client) -> Page:
    tab.console.clear()
    tab.requested.clear()
    show(tab, client)
    return tab


def show(tab: Page, client: Client, *, width: int = 1280) -> None:
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    tab.prefer()
    tab.call("Page.navigate", url=client.server.address)
    tab.until("document.readyState === 'complete' && document.querySelectorAll('article.shot').length > 0")


def focus(page: Page, shot: str) -> None:
    page.evaluate(f"document.querySelector('#shot-{shot}').focus(), 0")


def write(page: Page, shot: str, caption: str) -> None:
    focus(page, shot)
    page.press("e")
    page.until("document.activeElement.name === 'caption'")
    page.evaluate("document.activeElement.select(), 0")
    page.call("Input.insertText", text=caption)


def test_a_number_accepts_a_take_after_its_effect_was_shown(page: Page, session: ReviewSession) -> None:
    focus(page, "city")
    page.press("1")
    page.until(f"document.querySelector('#ask')?.open || {ACCEPTED} === '1'")
    if page.evaluate("document.querySelector('#ask').open"):
        assert "stale" in page.evaluate("document.querySelector('#ask-effect').textContent")
        page.click("#ask-yes")
    page.until(f"{ACCEPTED} === '1'")
    state = session.run.state()
    assert state is not None
    assert state.shots["city"].take == 1
    assert state.shots["city"].chosen
    assert page.console == []


def test_another_page_sees_the_accepted_take(page: Page, client: Client, session: ReviewSession) -> None:
    client.post("accept", {"shot": "city", "take": ids(session)[2]})
    page.until(f"{ACCEPTED} === '2'")


def test_a_take_of_a_command_appears(page: Page, client: Client) -> None:
    client.post("new", {"shot": "opening"})
    page.until("document.querySelectorAll('#shot-opening .take').length === 2")


def test_a_click_asks_for_another_seed(page: Page) -> None:
    page.click("#shot-return [data-act=new]")
    page.until("document.querySelectorAll('#shot-return .take').length === 2")
    page.click("#shot-return .in-step")
    videos = "[...document.querySelectorAll('#shot-return .take video')]"
    page.until(f"{videos}.every((video) => video.currentTime > 0)")


def test_a_take_is_rejected_with_a_note(page: Page, session: ReviewSession) -> None:
    page.click("#shot-city .take[data-number='1'] [data-act=reject]")
    page.until("document.querySelector('#ask')?.open")
    page.call("Input.insertText", text="The <moon> is missing.")
    page.click("#ask-yes")
    page.until("document.querySelector('#shot-city .note')?.textContent === 'The <moon> is missing.'")
    assert session.snapshot().notes[f"city/{ids(session)[1]}"].rejected


def test_a_caption_is_checked_while_typed_and_saved(page: Page, story: Path) -> None:
    write(page, "return", "$fux waves.")
    page.until("document.querySelector('#shot-return .findings')?.textContent.includes('S104')")
    assert page.evaluate("document.querySelector('#shot-return [type=submit]').disabled") is True
    write(page, "return", "$fox sleeps on $beach.")
    resolved = "document.querySelector('#shot-return .resolved')?.textContent"
    page.until(f"{resolved} === 'The same fox sleeps on the same beach.'")
    page.until("document.querySelector('#shot-return .effect')?.textContent.startsWith('1 shot stale')")
    page.click("#shot-return [type=submit]")
    page.until("document.querySelector('#shot-return')?.classList.contains('stale')")
    assert "caption: $fox sleeps on $beach." in story.read_text()
    page.until("document.querySelector('#render')?.textContent === 'render 1 stale shot'")
    page.evaluate("document.activeElement.blur(), 0")
    page.press("r")
    page.until("document.querySelector('#shot-return .caption')?.textContent.includes('sleeps')")
    page.until("document.querySelector('#render')?.textContent === 'render'")


def test_a_saved_caption_keeps_the_comments(page: Page, story: Path) -> None:
    change(story, "  - id: return\n", "  - id: return  # the ending\n    # short\n")
    before = story.read_text()
    write(page, "return", "$fox sleeps on $beach.")
    page.press("Enter", control=True)
    page.until("document.querySelector('#shot-return')?.classList.contains('stale')")
    assert story.read_text() == before.replace("$fox waves on $beach.", "$fox sleeps on $beach.")


def test_a_render_that_asks_continues_after_a_click(tab: Page, story: Path) -> None:
    change(story, "  - id: city\n", "  - id: city\n    accept: ask\n")
    session = ReviewSession(Path("film.run"), story)
    with served(ReviewServer(session, token=TOKEN, loader=loader)) as client:
        client.post("render", {})
        wait_idle(client, "asks")
        show(tab, client)
        tab.until("document.querySelector('#message')?.textContent.startsWith('accept a take of city')")
        tab.click("#shot-city [data-act=accept]")
        tab.until("document.querySelector('#shot-return') && document.querySelector('.reel')?.hasAttribute('src')")
    assert session.snapshot().waiting == frozenset()


class PreviewingGenerator(NumpyGenerator):
    """Shows one preview of each shot and waits."""

    seen = threading.Event()

    def generate(self, request: ShotRequest) -> NumberShot:
        assert request.preview is not None
        request.preview(request.job.shot, 1, request.job.steps, np.full((32, 32, 3), 200, np.uint8))
        self.seen.wait(30)
        return super().generate(request)


def test_a_preview_is_shown_until_the_take_is_rendered(tab: Page, session: ReviewSession) -> None:
    server = ReviewServer(session, token=TOKEN, loader=lambda plan, *_: lambda: PreviewingGenerator(plan.model))
    with served(server) as client:
        show(tab, client)
        tab.click("#shot-return [data-act=new]")
        tab.until("document.querySelector('#preview image')?.getAttribute('href')?.startsWith('data:image/webp')")
        assert tab.evaluate("document.querySelector('#preview').checkVisibility()") is True
        assert tab.evaluate("document.querySelector('#shot-return').classList.contains('rendering')") is True
        PreviewingGenerator.seen.set()
        tab.until("document.querySelectorAll('#shot-return .take').length === 2")
        tab.until("!document.querySelector('#preview').checkVisibility()")


def test_two_browsers_and_a_command_agree(
    page: Page, client: Client, session: ReviewSession, onestory: Onestory, tmp_path: Path
) -> None:
    with browser(tmp_path / "profile") as other:
        show(other, client)
        for number, act in (
            (1, lambda: accept_by_key(page, 1)),
            (2, lambda: onestory("take", "accept", "film.run", "city", ids(session)[2])),
            (0, lambda: accept_by_key(other, 0)),
        ):
            act()
            for each in (page, other):
                each.until(f"{ACCEPTED} === '{number}'")
            assert session.run.accepted()["city"].take == number


def accept_by_key(page: Page, number: int) -> None:
    focus(page, "city")
    page.press(str(number))
    page.until(f"document.querySelector('#ask')?.open || {ACCEPTED} === '{number}'")
    if page.evaluate("document.querySelector('#ask').open"):
        page.click("#ask-yes")


def test_a_draft_survives_changes_by_others(page: Page, client: Client, session: ReviewSession) -> None:
    write(page, "city", "A city in rain.")
    client.post("accept", {"shot": "city", "take": ids(session)[1]})
    page.until(f"{ACCEPTED} === '1'")
    assert page.evaluate("document.querySelector('#shot-city textarea').value") == "A city in rain."
    page.until("document.querySelector('#reload')?.hidden === false")


def test_the_page_fits_a_phone_and_can_be_read(tab: Page, client: Client) -> None:
    show(tab, client, width=360)
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    for dark in (False, True):
        tab.prefer(dark=dark)
        assert tab.evaluate(CONTRAST.read_text()) == []


def test_a_read_only_page_ignores_the_keys_of_changes(tab: Page, session: ReviewSession, onestory: Onestory) -> None:
    with served(ReviewServer(session, token=TOKEN, read_only=True, loader=loader)) as client:
        show(tab, client)
        focus(tab, "city")
        tab.press("1")
        tab.press("n")
        onestory("take", "accept", "film.run", "city", ids(session)[2])
        tab.until(f"{ACCEPTED} === '2'")
        assert len(ids(session)) == 3
