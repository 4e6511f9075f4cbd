from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from onestory_cli.planning.compile import compile_story
from onestory_cli.quality import BLACK, FLASH, Check, judge
from onestory_cli.report.data import FilmReport
from onestory_cli.report.page import render_page
from onestory_cli.report.page_views import MAX_SOURCES, chapters, duration, heats, listed_sources, words
from onestory_cli.report.scores import Scores
from tests.commands.conftest import change
from tests.films import render_with
from tests.report.conftest import film_of, render_story, without_token_costs

HOSTILE = (
    """<script>document.title = "run"</script> <img src=x onerror="document.title='run'"> """
    """"quoted" & 'more' {{ 7*7 }} </style></script><!--"""
)
ARABIC = "ثعلب أحمر يمشي على الشاطئ"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and all text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(page)
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.mark.slow
def test_the_page_requests_nothing(film: FilmReport) -> None:
    page = Elements(render_page(film))
    addresses = [
        value or ""
        for _, attributes in page.found
        for name, value in attributes.items()
        if name in ("src", "href", "poster", "srcset", "action", "data", "xlink:href")
    ]
    assert len(addresses) > 10
    assert [
        item for item in addresses if not item.startswith(("#", "data:image/webp;base64,", "data:video/mp4;"))
    ] == []
    style = render_page(film).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_only_the_style_and_script_of_the_page(film: FilmReport) -> None:
    page = render_page(film)
    policy = Elements(page).all("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (text,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not any(name == "style" or name.startswith("on") for _, found in Elements(page).found for name in found)


def test_captions_are_data(story: Path) -> None:
    plain = Elements(render_page(render_story(story, Path("plain.run"))))
    text = HOSTILE.replace("'", "''")
    change(story, "A city at night.", f"'{text} {ARABIC}'")
    change(story, "title: The Lost Kite", f"title: '{text}'")
    page = Elements(render_page(render_story(story, Path("film.run"))))
    shown = " ".join(HOSTILE.split())
    assert f"{shown} {ARABIC}" in page.text
    assert [tag for tag, _ in page.found if tag in ("script", "img")] == ["script", "script"]  # one holds JSON
    assert {tag for tag, _ in page.found} == {tag for tag, _ in plain.found}
    assert any(item.get("dir") == "auto" for item in page.all("p"))
    assert page.all("h1")[0]["dir"] == "auto"


def test_very_long_captions_are_whole_and_can_be_scrolled(story: Path) -> None:
    change(story, "A city at night.", "A city at night" + ", and night" * 700 + ".")
    page = Elements(render_page(render_story(story, Path("film.run"))))
    assert page.text.count(", and night" * 700) == 1
    assert [item for item in page.all("p") if item.get("class") == "caption" and item.get("tabindex") == "0"]


def test_linked_clips_keep_the_page_small(film: FilmReport) -> None:
    page = render_page(film, link_from=film.run)
    joined, *sources = [item["src"] for item in Elements(page).all("video") if "src" in item]
    assert joined == "film.mp4"
    assert sources == [f"shots/{shot.id}/{shot.take.id}/clip.mp4" for shot in film.shots]
    assert all((film.run / str(item)).is_file() for item in sources)
    elsewhere = Elements(render_page(film, link_from=film.run.parent / "pages")).all("video")
    assert f"../{film.run.name}/{sources[0]}" in [item.get("src") for item in elsewhere]
    assert "data:video" not in page


def test_clips_are_in_the_page_once(film: FilmReport) -> None:
    page = render_page(film)
    for shot in film.shots:
        assert page.count(base64.b64encode(shot.take.clip.read_bytes()).decode()) == 1


def test_every_shot_shows_seed_take_reason_and_tokens(film: FilmReport) -> None:
    page = Elements(render_page(film))
    for shot in film.shots:
        assert str(shot.take.record.spec["seed"]) in page.text
        assert shot.take.id in page.text
    assert page.text.count("2 of 4 tokens") == 2
    cells = [item for item in page.all("a") if "cell" in (item.get("class") or "")]
    targets = {item["id"] for _, item in page.found if "id" in item}
    assert cells
    assert all((item["href"] or "").removeprefix("#") in targets for item in cells)


def test_page_supports_frames_without_token_costs(film: FilmReport) -> None:
    page = Elements(render_page(without_token_costs(film)))
    assert any((item.get("title") or "").endswith(", 0 tokens") for item in page.all("a"))


@pytest.mark.parametrize(
    ("checks", "text"),
    [
        ((judge(FLASH, 0.5), judge(BLACK, 0.0)), '<dd class="bad">flash 0.5</dd>'),
        ((judge(FLASH, 0.0), judge(BLACK, 0.0)), "<dd>2 passed</dd>"),
        ((), ""),
    ],
)
def test_a_take_says_which_checks_it_fails(film: FilmReport, checks: tuple[Check, ...], text: str) -> None:
    shot = film.shot("city")
    checked = replace(shot, take=replace(shot.take, record=replace(shot.take.record, checks=checks)))
    page = render_page(replace(film, shots=(checked,)))
    assert text in page
    assert ("<dt>checks</dt>" in page) is bool(text)


def test_words_from_ids_are_marked(film: FilmReport) -> None:
    pieces = [(piece.text, piece.mention and piece.mention.id) for piece in words(film.shot("return"))]
    assert pieces == [
        ("", None),
        ("The same fox", "fox"),
        (" waves on ", None),
        ("the same beach", "beach"),
        (".", None),
    ]


@pytest.mark.slow
def test_drawings_have_a_label_or_are_hidden(film: FilmReport) -> None:
    page = Elements(render_page(film))
    pictures = [item for _, item in page.found if item.get("role") == "img"]
    assert [item for item in pictures if not item["aria-label"]] == []


def test_every_source_has_the_scores_of_its_frames(film: FilmReport) -> None:
    page = Elements(render_page(film))
    rows = [(item["data-scores"] or "").split() for _, item in page.found if item.get("class") == "heats"]
    for source in film.shot("return").memory.sources:
        assert [f"{frame.score:.2f}" for frame in source.frames] in rows


def test_heat_is_the_place_between_the_least_and_the_most_relevant(film: FilmReport) -> None:
    memory = film.shot("return").memory
    ranked = sorted(memory.visible, key=lambda frame: frame.score or 0)
    assert [heats(memory)(ranked[0]), heats(memory)(ranked[-1])] == [0, 8]


def test_memory_guidance_is_shown_if_set(story: Path) -> None:
    change(story, "shots:\n", "defaults: {memory: {guidance: 2.5}}\nshots:\n")
    text = Elements(render_page(render_story(story, Path("film.run")))).text
    assert text.count("guidance 4, memory guidance 2.5") == 2  # the first shot has no memory
    assert text.count("guidance 4") == 3


def test_incomplete_film_lists_missing_shots(film_run: Path) -> None:
    next(film_run.glob("shots/city/*/record.json")).write_text("{}")
    page = Elements(render_page(film_of(film_run)))
    assert "Shots without a take: city (record.json: " in page.text


@pytest.mark.parametrize("gone", ["opening", "*"])
def test_the_first_shot_or_all_may_be_missing(film_run: Path, gone: str) -> None:
    for record in film_run.glob(f"shots/{gone}/*/record.json"):
        record.write_text("{}")
    text = Elements(render_page(film_of(film_run))).text
    assert "opening" in text
    assert ("from film.run with model" in text) is (gone == "*")  # no date, rather than 1970


def test_a_run_that_is_the_current_folder_has_its_name(film_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(film_run)
    page = Elements(render_page(film_of(Path())))
    assert page.text.count("film.run") == 2  # in the masthead and in the footer


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (2.14, "2.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00"),
        (119.6, "2:00"),
        (185.0, "3:05"),
        (3599.9, "1:00:00"),
        (7384.0, "2:03:04"),
    ],
)
def test_durations_are_rounded_before_they_are_split(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_identity_is_drawn_for_measured_shots(film: FilmReport) -> None:
    identity = {
        "fox": {"opening": 1.0, "city": None, "return": 0.25},
        "owl": {"opening": None, "return": None},
        "<b>crow</b>": {"city": 1.0},
    }
    page = Elements(render_page(film, scores=Scores(by="<i>eyes</i>", identity=identity)))
    assert "measured by <i>eyes</i>." in page.text
    assert "fox similarity to its first shot, 1 is identical −0.75 from first to last" in page.text
    assert "owl was not detected in any of the 2 shots that name it." in page.text
    assert "<b>crow</b> is named in only one shot, so there is nothing to compare." in page.text
    (label,) = (item["aria-label"] for item in page.all("svg") if (item.get("aria-label") or "").startswith("fox: "))
    assert label == "fox: opening 1.00, city not found, return 0.25"
    assert "Identity" not in Elements(render_page(film)).text
    unnamed = Elements(render_page(film, scores=Scores(by="eyes", identity={})))
    assert "No caption names a character." in unnamed.text


def test_no_character_is_missing_without_a_detector(film: FilmReport) -> None:
    for identity in ({}, {"fox": {"opening": None, "return": None}}):  # the latter was written before
        page = Elements(render_page(film, scores=Scores(by="", identity=identity)))
        assert "Not measured: onestory evaluate needs a detector" in page.text
        assert "found in none" not in page.text
        assert "No caption" not in page.text


def test_the_same_run_gives_the_same_page(film: FilmReport) -> None:
    assert render_page(film) == render_page(film)


def test_page_has_every_take_of_a_shot(story: Path) -> None:
    plan, _ = compile_story(story)
    render_with(plan, Path("film.run"), takes={"city": 3})
    film = film_of(Path("film.run"))
    page = Elements(render_page(film))
    assert "3 takes" in page.text
    takes = [item for _, item in page.found if "data-number" in item and "take" in str(item.get("class"))]
    assert [item["data-number"] for item in takes] == ["0", "1", "2"]
    assert sorted(take.id for take in film.shot("city").takes) == sorted(str(item["data-take"]) for item in takes)
    assert [item["class"] for item in takes] == ["take accepted", "take", "take"]


def test_a_take_of_another_version_of_the_shot_is_marked(story: Path) -> None:
    render_story(story, Path("film.run"))
    change(story, "A city at night.", "A city at noon.")
    page = Elements(render_page(render_story(story, Path("film.run"))))
    assert [item["class"] for _, item in page.found if "data-number" in item and "take" in str(item.get("class"))] == [
        "take accepted",
        "take old",  # of city
        "take accepted",
        "take",  # of return, which remembered the old city
    ]


def test_the_film_is_embedded_only_if_it_has_the_accepted_takes(film: FilmReport) -> None:
    (reel, _) = (item for item in Elements(render_page(film)).all("video") if item.get("class") == "reel")
    assert (reel["src"] or "").startswith("data:video/mp4;base64,")
    Path("film.run/film.mp4").write_bytes(b"another film")
    page = Elements(render_page(film_of(Path("film.run"))))
    assert [item for item in page.all("video") if item.get("class") == "reel" and "src" in item] == []
    assert "The film is not joined yet" in page.text


def test_subtitles_cannot_end_the_script_that_holds_them(story: Path) -> None:
    change(story, "caption: A city at night.", "caption: A city at night.\n    subtitle: '</script><b>x'")
    film = render_story(story, Path("film.run"))
    page = render_page(film)
    assert "</script><b>" not in page
    assert chapters(film)[1].subtitle == "</script><b>x"


@pytest.mark.slow
def test_the_size_of_a_page_is_linear_in_the_film(story: Path) -> None:
    sizes = []
    for number, count in enumerate((15, 30, 60)):
        path = Path(f"long{number}.story.yaml")
        more = "".join(f"  - id: more-{index}\n    caption: $fox walks on $beach.\n" for index in range(count - 3))
        path.write_text(story.read_text() + more)
        film = render_story(path, Path(f"long{number}.run"))
        sizes.append(len(render_page(film, link_from=film.run)))
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert second < 2.5 * first  # twice for a linear size, four times for a square
    assert second / 30 < 12_000


def test_a_card_lists_all_selected_sources_and_few_others(story: Path) -> None:
    more = "".join(f"  - id: more-{index}\n    caption: $fox walks on $beach.\n" for index in range(12))
    story.write_text(story.read_text() + more)
    memory = render_story(story, Path("film.run")).shot("more-11").memory
    listed = listed_sources(memory)
    assert len(listed) == MAX_SOURCES
    assert {source.name for source in memory.sources if source.taken} <= {source.name for source in listed}
    assert [source.name for source in memory.sources if source in listed] == [source.name for source in listed]
