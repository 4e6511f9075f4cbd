from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


def test_a_page_in_the_run_directory(onestory: Onestory, film_run: Path) -> None:
    result = onestory("report")
    assert (result.exit, result.out, result.err) == (ExitCode.DONE, "film.run/report.html\n", "")
    assert "data:video/mp4" in Path("film.run/report.html").read_text()


def test_a_page_elsewhere_with_linked_clips(onestory: Onestory, film_run: Path) -> None:
    document = onestory("report", film_run, "--out", "page.html", "--link", "--json").json
    page = Path("page.html").read_bytes()
    assert (document["schema"], document["page"], document["bytes"]) == ("onestory.report.v1", "page.html", len(page))
    assert b'src="film.run/shots/opening/' in page


def test_the_run_is_whole_and_renders_on_with_a_page_in_it(onestory: Onestory, film_run: Path) -> None:
    onestory("report")
    assert onestory("verify", film_run).exit is ExitCode.DONE
    assert "3 kept" in onestory("plan", "film.story.yaml").out


@pytest.mark.parametrize("command", ["report", "contact-sheet"])
def test_a_place_that_is_not_there(onestory: Onestory, film_run: Path, command: str) -> None:
    result = onestory(command, film_run, "--out", "nowhere/file")
    assert result.exit is ExitCode.MACHINE
    assert 'error[U608]: "nowhere/file" cannot be written: No such file or directory' in result.err


@pytest.mark.parametrize(
    "options",
    [
        ("report", "--out", "."),
        ("report", "--out", "film.run"),
        ("report", "--markdown", "."),
        ("inspect-memory", "--html", "."),
        ("contact-sheet", "--out", ""),
    ],
)
def test_a_place_that_is_a_folder(onestory: Onestory, film_run: Path, options: tuple[str, ...]) -> None:
    result = onestory(*options)
    assert result.exit is ExitCode.MACHINE
    assert f'error[U608]: "{options[2] or "."}" cannot be written: Is a directory' in result.err
    assert [path.name for path in Path().glob(".*")] == []


def test_a_page_takes_the_place_of_the_one_before(onestory: Onestory, film_run: Path) -> None:
    Path("page.html").write_text("old")
    onestory("report", film_run, "--out", "page.html")
    assert Path("page.html").read_text().startswith("<!doctype html>")
    assert [path.name for path in Path().glob(".*")] == []


def test_a_link_in_the_way_is_replaced_and_not_followed(onestory: Onestory, film_run: Path) -> None:
    Path("precious").write_text("mine")
    for name in ("report.html", ".report.html.new"):
        (film_run / name).symlink_to(Path("precious").absolute())
        assert onestory("report", film_run).out in ("film.run/report.html\n", "")
        assert Path("precious").read_text() == "mine"
        (film_run / name).unlink(missing_ok=True)


def test_a_damaged_clip_is_left_out(onestory: Onestory, film_run: Path) -> None:
    next(film_run.glob("shots/city/*/clip.mp4")).write_bytes(b"cut")
    result = onestory("report", film_run)
    assert result.exit is ExitCode.DONE
    assert "W801" in result.err
    assert "clip.mp4: 3 bytes instead of " in result.err
    assert "for want of a take: city (clip.mp4: 3 bytes instead of " in Path("film.run/report.html").read_text()


def test_a_summary_has_its_contact_sheet_beside_it(onestory: Onestory, film_run: Path) -> None:
    result = onestory("report", film_run, "--markdown", "summary.md")
    assert (result.exit, result.out) == (ExitCode.DONE, "summary.md\n")
    assert "![contact sheet](<summary.png>)" in Path("summary.md").read_text()
    assert Path("summary.png").read_bytes().startswith(b"\x89PNG")


def test_a_summary_without_a_picture_as_json(onestory: Onestory, film_run: Path) -> None:
    document = onestory("report", film_run, "--markdown", "summary.md", "--no-picture", "--json").json
    assert (document["schema"], document["summary"], document["picture"]) == ("onestory.summary.v1", "summary.md", None)
    assert not Path("summary.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("report", "--scores", "a.json", "--identity"), "one of them"),
        (("report", "--identity", "--markdown", "a.md"), "--identity is for the page"),
        (("report", "--scores", "a.json", "--markdown", "a.md"), "--scores is for the page"),
        (("report", "--out", "a.html", "--markdown", "a.md"), "--out is for the page"),
        (("report", "--link", "--markdown", "a.md"), "--link is for the page"),
        (("report", "--no-picture"), "--no-picture is for the summary"),
        (("report", "--markdown", "a.png"), '"a.png" is where the contact sheet would be'),
        (("inspect-memory", "--scores", "a.json"), "name one with --html"),
        (("inspect-memory", "--html", "a.html", "--shot", "city"), "--shot does nothing to the page"),
        (("inspect-memory", "--html", "a.html", "--frames", "0"), "--frames does nothing to the page"),
        (("inspect-memory", "--html", "a.html", "--policy", "none"), "--policy does nothing to the page"),
        (("inspect-memory", "--html", "a.html", "--budget", "0"), "--budget does nothing to the page"),
        (("inspect-memory", "--html", "a.html", "--scores", "a.json"), "error[R417]"),
    ],
)
def test_options_that_one_would_not_heed_are_refused(
    onestory: Onestory, film_run: Path, options: tuple[str, ...], said: str
) -> None:
    result = onestory(*options)
    assert result.exit is ExitCode.USAGE
    assert said in result.err
    assert not list(Path().glob("a.*"))
