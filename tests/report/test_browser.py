"""The page in a real browser, with real clicks and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onestory_cli.planning.compile import compile_story
from onestory_cli.report.page import render_page
from onestory_cli.report.page_views import HEATS
from onestory_cli.report.scores import Scores
from tests.commands.conftest import change
from tests.films import render_with
from tests.report.chromium import Page, browser, find_chromium
from tests.report.conftest import film_of, render_story
from tests.report.test_page import ARABIC, HOSTILE
from tests.sounds import tone, write_sound

CONTRAST = Path(__file__).with_name("contrast.js")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, story: Path, tmp_path: Path) -> Page:
    """The page of a film of three shots, opened from a file; one caption is hostile, one reads from right to left."""
    text = HOSTILE.replace("'", "''")
    change(story, "A city at night.", f"'{text}'")
    change(story, "$fox waves on $beach.", f"$fox {ARABIC}")
    film = render_story(story, Path("film.run"))
    file = tmp_path / "page.html"
    file.write_text(render_page(film), encoding="utf-8")
    tab.console.clear()
    tab.requested.clear()
    tab.open(file)
    return tab


def test_the_page_opens_without_messages_or_requests(page: Page) -> None:
    assert page.console == []
    assert [url for url in page.requested if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.querySelectorAll('article.shot').length") == 3


def test_captions_do_not_run(page: Page) -> None:
    assert page.evaluate("document.title") == "The Lost Kite · onestory report"
    assert page.evaluate("document.querySelector('#shot-city .caption').textContent") == " ".join(HOSTILE.split())
    assert page.evaluate("document.images.length") == 0
    blocked = "document.body.appendChild(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
    page.evaluate(f"{blocked}, 0")
    assert page.evaluate("document.title") != "1"


def test_a_click_plays_the_film_shot_after_shot(page: Page) -> None:
    page.click("#play")
    page.until("document.querySelector('.chapter[data-shot=city]')?.getAttribute('aria-current') === 'true'")
    assert page.evaluate("document.querySelectorAll('.chapter[aria-current]').length") == 1
    assert page.evaluate("document.querySelector('.cue').dataset.shot") == "city"
    assert page.evaluate("document.querySelector('#play').getAttribute('aria-label')") == "Pause the film"
    page.until("document.querySelector('#play')?.getAttribute('aria-label') === 'Play the film'")
    assert page.evaluate("document.querySelector('.chapter[data-shot=return] progress').value") == 1


def test_a_chapter_plays_from_there_and_highlights_its_memory(page: Page) -> None:
    page.click(".chapter[data-shot=return]")
    page.until("document.querySelector('.reel.front')?.currentTime > 0")
    lit = "[...document.querySelectorAll('.arcs path.into')].every((arc) => arc.dataset.shot === 'return')"
    assert page.evaluate("document.querySelectorAll('.arcs path.into').length") > 0
    assert page.evaluate(lit) is True


def test_choosing_chapters_quickly_keeps_playing(page: Page) -> None:
    stage = "document.querySelector('.stage')"
    count = f"() => {{ if (!{stage}.classList.contains('playing')) window.stops += 1; }}"
    watch = f"new MutationObserver({count}).observe({stage}, {{attributes: true, attributeFilter: ['class']}})"
    page.evaluate(f"window.stops = 0, document.querySelector('.reel').playbackRate = 0.25, {watch}, 0")
    page.press("m")  # sound plays only after the reader did something
    clicks = (f"document.querySelector('.chapter[data-shot={shot}]').click()" for shot in ("return", "opening"))
    page.evaluate(f"{', '.join(clicks)}, 0")
    page.until("document.querySelector('.chapter[data-shot=city]')?.hasAttribute('aria-current')")
    assert page.evaluate("window.stops") == 0


def test_a_shot_plays_in_its_card_and_stops_the_film(page: Page) -> None:
    page.click("#play")
    page.until("document.querySelector('.stage')?.classList.contains('playing')")
    page.press("j")
    page.press(" ")
    page.until("document.querySelector('#shot-opening video')?.currentTime > 0")
    assert page.evaluate("document.querySelector('.stage').classList.contains('playing')") is False


def test_keys_move_between_shots_with_visible_focus(page: Page) -> None:
    focused = "document.activeElement.id"
    page.press("j")
    assert page.evaluate(focused) == "shot-opening"
    page.press("ArrowRight")
    page.press("j")
    page.press("j")
    assert page.evaluate(focused) == "shot-return"
    page.press("k")
    assert page.evaluate(focused) == "shot-city"
    page.press("ArrowLeft")
    assert page.evaluate(focused) == "shot-opening"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    top = page.evaluate("document.activeElement.getBoundingClientRect().top")
    assert 0 <= top < 450


def test_the_list_of_keys_opens_and_closes(page: Page) -> None:
    page.press("?")
    assert page.evaluate("document.querySelector('#keys').open") is True
    page.click("#keys button")
    assert page.evaluate("document.querySelector('#keys').open") is False


def test_dark_and_light_follow_the_system_until_chosen(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.prefer(dark=True)
    dark = page.evaluate(ground)
    assert light != dark
    page.click("#theme")
    assert page.evaluate(ground) == light
    page.press("t")
    assert page.evaluate(ground) == dark
    page.press("t")
    page.call("Page.reload")
    page.until("document.readyState === 'complete' && document.documentElement.dataset.theme === 'light'")
    page.evaluate("localStorage.clear()")


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_enough_contrast(page: Page, dark: bool) -> None:
    shades = "".join(f'<td><a class="cell h{shade}"><b>2</b><i>8</i></a></td>' for shade in range(HEATS))
    page.evaluate(f"document.querySelector('.matrix tbody').insertAdjacentHTML('beforeend', '<tr>{shades}</tr>')")
    page.evaluate("document.querySelector('.heats').closest('tr').id = 'here', location.hash = '#here'")
    page.prefer(dark=dark)
    assert page.evaluate(CONTRAST.read_text()) == []


def test_a_cell_of_the_matrix_links_to_the_shot(page: Page) -> None:
    page.click(".cell[data-shot=return]")
    page.until("location.hash.startsWith('#from-3-')")
    row = "document.querySelector(':target')"
    assert page.evaluate(f"{row}.closest('article').id") == "shot-return"
    page.until(f"{row}.getBoundingClientRect().top < innerHeight && {row}.getBoundingClientRect().top >= 0")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_is_never_wider_than_the_window(page: Page, width: int) -> None:
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    parts = "[...document.querySelectorAll('.caption, .flow, .stage, h1')]"
    wide = f"{parts}.filter((e) => e.getBoundingClientRect().right > innerWidth)"
    assert page.evaluate(f"{wide}.map((e) => e.className)") == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.slow
def test_a_long_film_fits_the_window(tab: Page, story: Path, tmp_path: Path, width: int) -> None:
    more = "".join(f"  - id: a-shot-with-a-long-name-{number}\n    caption: A city.\n" for number in range(30))
    story.write_text(story.read_text() + more)
    film = render_story(story, Path("film.run"))
    scores = Scores(by="eyes", identity={"fox": {shot.id: 0.5 for shot in film.shots}})
    file = tmp_path / "page.html"
    file.write_text(render_page(film, scores=scores), encoding="utf-8")
    tab.open(file, width=width)
    ends = "[...document.querySelectorAll('.plot svg, .ticks a, .shot')].map((e) => e.getBoundingClientRect().right)"
    assert tab.evaluate(f"Math.max(...{ends})") <= width
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.evaluate("document.querySelectorAll('.plot .ticks:first-of-type a').length") < 3 * 13
    tab.press("j")
    tab.press("j")
    tab.until("document.activeElement.id === 'shot-city'")
    tab.click(".map [data-shot=a-shot-with-a-long-name-29] .cell")
    row = "document.querySelector(':target')?.getBoundingClientRect().top"
    tab.until(f"{row} >= 0 && {row} < innerHeight")


def test_a_right_to_left_caption_has_its_direction(page: Page) -> None:
    page.click(".chapter[data-shot=return]")
    direction = "getComputedStyle(document.querySelector('.cue[data-shot=return] .caption')).direction"
    assert page.evaluate(direction) == "ltr"  # it begins with "The same fox"
    page.evaluate(f"document.querySelector('.cue[data-shot=return] .caption').textContent = {ARABIC!r}")
    assert page.evaluate(direction) == "rtl"


def test_the_page_prints(page: Page, tmp_path: Path) -> None:
    page.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_linked_clips_play(tab: Page, story: Path) -> None:
    film = render_story(story, Path("film.run"))
    file = Path("film.run/report.html")
    file.write_text(render_page(film, link_from=film.run), encoding="utf-8")
    tab.console.clear()
    tab.open(file)
    tab.click("#play")
    tab.until("document.querySelector('.reel.front')?.currentTime > 0")
    assert tab.console == []


def test_the_film_plays_with_sound_and_subtitles(tab: Page, story: Path, tmp_path: Path) -> None:
    write_sound(tmp_path / "tone.wav", tone(2.0))
    change(story, "model: model", "model: model\naudio: {file: tone.wav}")
    change(story, "caption: A city at night.", "caption: A city at night.\n    subtitle: Where <b>are</b> you?")
    film = render_story(story, Path("film.run"))
    file = tmp_path / "page.html"
    file.write_text(render_page(film), encoding="utf-8")
    tab.open(file)
    reel = "document.querySelector('.reel.front')"
    tab.click("#play")
    tab.until(f"{reel}?.webkitAudioDecodedByteCount > 0 && !{reel}.muted")
    subtitle = "document.querySelector('.subtitle')"
    assert tab.evaluate(f"{subtitle}.hidden") is True
    tab.until(f"!{subtitle}.hidden")
    assert tab.evaluate(f"{subtitle}.textContent") == "Where <b>are</b> you?"
    tab.press("c")
    assert tab.evaluate(f"{subtitle}.hidden") is True


@pytest.mark.slow
def test_the_film_can_be_searched_looped_slowed_down_and_saved(page: Page) -> None:
    reel, total = "document.querySelector('.reel')", page.evaluate("Number(document.querySelector('#seek').max)")
    drag = f"document.querySelector('#seek').value = {total * 0.9}"
    page.evaluate(f"{drag}, document.querySelector('#seek').dispatchEvent(new Event('input')), 0")
    page.until(f"{reel}.readyState >= 2 && !{reel}.seeking")  # the frame is shown, though nothing was played
    page.until(f"Math.abs({reel}.currentTime - {total * 0.9}) < 0.05")
    assert page.evaluate("document.querySelector('.cue').dataset.shot") == "return"
    page.evaluate("document.querySelector('#speed').value = '2'")
    page.evaluate("document.querySelector('#speed').dispatchEvent(new Event('change'))")
    assert page.evaluate(f"{reel}.playbackRate") == 2
    page.click("#loop")
    page.click("#play")
    page.until("document.querySelector('.cue')?.dataset.shot === 'opening'")
    assert page.evaluate("document.querySelector('.stage').classList.contains('playing')") is True
    assert page.evaluate("document.querySelector('#download').href === document.querySelector('.reel').src") is True
    assert page.evaluate("document.querySelector('#download').download") == "The Lost Kite.mp4"


@pytest.fixture
def takes(tab: Page, story: Path, tmp_path: Path) -> Page:
    """The page of a film with three takes of `city`."""
    plan, _ = compile_story(story)
    render_with(plan, Path("film.run"), takes={"city": 3})
    file = tmp_path / "page.html"
    file.write_text(render_page(film_of(Path("film.run"))), encoding="utf-8")
    tab.open(file)
    return tab


@pytest.mark.slow
def test_all_takes_of_a_shot_play_in_step(takes: Page) -> None:
    takes.click("#shot-city .in-step")
    videos = "[...document.querySelectorAll('#shot-city .take video')]"
    takes.until(f"{videos}.every((video) => video.currentTime > 0)")
    assert takes.evaluate(f"{videos}.length") == 3
    takes.until(f"{videos}.every((video) => Math.abs(video.currentTime - {videos}[0].currentTime) < 0.15)")


@pytest.mark.slow
def test_two_takes_are_compared_in_step(takes: Page) -> None:
    takes.press("j")
    takes.press("j")
    takes.press("x")
    takes.until("document.querySelector('#compare')?.open")
    videos = "[...document.querySelectorAll('#compare video')]"
    takes.until(f"{videos}.every((video) => video.currentTime > 0)")
    assert takes.evaluate(f"new Set({videos}.map((video) => video.src)).size") == 2
    labels = "[...document.querySelectorAll('#compare select[aria-label$=take]')].map((e) => e.selectedOptions[0].text)"
    assert takes.evaluate(labels) == ["take 0 (accepted)", "take 2"]


@pytest.mark.slow
def test_a_whole_picture_of_a_long_page_shows_every_card(tab: Page, story: Path, tmp_path: Path) -> None:
    more = "".join(f"  - id: more-{number}\n    caption: A city.\n" for number in range(45))
    story.write_text(story.read_text() + more)
    film = render_story(story, Path("film.run"))
    file = tmp_path / "page.html"
    file.write_text(render_page(film, link_from=tmp_path), encoding="utf-8")
    tab.open(file)
    tab.until("document.querySelectorAll('.shot:not(.settled)').length === 0")
    seen = "(title) => title.checkVisibility({contentVisibilityAuto: true})"
    assert tab.evaluate(f"[...document.querySelectorAll('.shot h3')].every({seen})") is True
