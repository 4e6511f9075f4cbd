from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory


def test_page_is_written_to_the_run_directory(onestory: Onestory, film_run: Path) -> None:
    result = onestory("report")
    assert (result.exit, result.out, result.err) == (ExitCode.DONE, "film.run/report.html\n", "")
    assert "data:video/mp4" in Path("film.run/report.html").read_text()


def test_page_elsewhere_links_its_clips(onestory: Onestory, film_run: Path) -> None:
    document = onestory("report", film_run, "--out", "page.html", "--link", "--json").json
    page = Path("page.html").read_bytes()
    assert (document["schema"], document["page"], document["bytes"]) == ("onestory.report.v1", "page.html", len(page))
    assert b'src="film.run/shots/opening/' in page


def test_page_in_the_run_directory_does_not_damage_the_run(onestory: Onestory, film_run: Path) -> None:
    onestory("report")
    assert onestory("verify", film_run).exit is ExitCode.DONE
    assert "3 kept" in onestory("plan", "film.story.yaml").out


@pytest.mark.parametrize("command", ["report", "contact-sheet"])
def test_missing_folder_is_rejected(onestory: Onestory, film_run: Path, command: str) -> None:
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
def test_folder_is_not_overwritten(onestory: Onestory, film_run: Path, options: tuple[str, ...]) -> None:
    result = onestory(*options)
    assert result.exit is ExitCode.MACHINE
    assert f'error[U608]: "{options[2] or "."}" cannot be written: Is a directory' in result.err
    assert [path.name for path in Path().glob(".*")] == []


RESULTS = [
    ("report", "--out", "page.html"),
    ("report", "--markdown", "summary.md"),
    ("contact-sheet", "--out", "sheet.png"),
    ("inspect-memory", "--html", "memory.html"),
    ("take", "sheet", "--out", "takes.png"),
]


def with_run(command: tuple[str, ...]) -> tuple[str, ...]:
    """The command with the run directory before its options."""
    words = command.index(next(word for word in command if word.startswith("--")))
    return (*command[:words], "film.run", *command[words:])


@pytest.mark.parametrize("command", RESULTS)
def test_result_is_replaced_only_with_force(onestory: Onestory, film_run: Path, command: tuple[str, ...]) -> None:
    file = Path(command[-1])
    assert onestory(*with_run(command)).exit is ExitCode.DONE
    before = file.stat().st_ino
    again = onestory(*with_run(command))
    assert again.exit is ExitCode.FINDINGS
    assert f'error[U605]: "{file}" already exists' in again.err
    assert file.stat().st_ino == before
    assert onestory(*with_run(command), "--force").exit is ExitCode.DONE
    assert file.stat().st_ino != before
    assert [path.name for path in Path().glob(".*")] == []


@pytest.mark.parametrize("victim", ["film.story.yaml", "film.run/run.json", "film.run/film.mp4", "notes.md"])
@pytest.mark.parametrize("command", RESULTS)
def test_force_replaces_only_earlier_results(
    onestory: Onestory, film_run: Path, command: tuple[str, ...], victim: str
) -> None:
    Path("notes.md").write_text("mine: onestory")
    before = Path(victim).read_bytes()
    result = onestory(*with_run(command)[:-1], victim, "--force")
    assert result.exit is ExitCode.FINDINGS
    assert "never replaced" in result.err
    assert Path(victim).read_bytes() == before


def test_link_at_the_default_path_is_replaced_not_followed(onestory: Onestory, film_run: Path) -> None:
    Path("precious").write_text("mine")
    for name in ("report.html", ".report.html.new"):
        (film_run / name).symlink_to(Path("precious").absolute())
        assert onestory("report", film_run).out in ("film.run/report.html\n", "")
        assert Path("precious").read_text() == "mine"
        (film_run / name).unlink(missing_ok=True)


def test_damaged_clip_is_skipped(onestory: Onestory, film_run: Path) -> None:
    next(film_run.glob("shots/city/*/clip.mp4")).write_bytes(b"cut")
    result = onestory("report", film_run)
    assert result.exit is ExitCode.DONE
    assert "W801" in result.err
    assert "clip.mp4: 3 bytes instead of " in result.err
    assert "without a take: city (clip.mp4: 3 bytes instead of " in Path("film.run/report.html").read_text()


def test_summary_has_its_contact_sheet_next_to_it(onestory: Onestory, film_run: Path) -> None:
    result = onestory("report", film_run, "--markdown", "summary.md")
    assert (result.exit, result.out) == (ExitCode.DONE, "summary.md\n")
    assert "![contact sheet](<summary.png>)" in Path("summary.md").read_text()
    assert Path("summary.png").read_bytes().startswith(b"\x89PNG")


def test_summary_without_picture_as_json(onestory: Onestory, film_run: Path) -> None:
    document = onestory("report", film_run, "--markdown", "summary.md", "--no-picture", "--json").json
    assert (document["schema"], document["summary"], document["picture"]) == ("onestory.summary.v1", "summary.md", None)
    assert not Path("summary.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("report", "--scores", "a.json", "--identity"), "use one of the two"),
        (("report", "--identity", "--markdown", "a.md"), "--identity applies to the page"),
        (("report", "--scores", "a.json", "--markdown", "a.md"), "--scores applies to the page"),
        (("report", "--out", "a.html", "--markdown", "a.md"), "--out applies to the page"),
        (("report", "--link", "--markdown", "a.md"), "--link applies to the page"),
        (("report", "--no-picture"), "--no-picture applies to the summary"),
        (("report", "--markdown", "a.png"), 'would overwrite "a.png"'),
        (("inspect-memory", "--scores", "a.json"), "add --html FILE"),
        (("inspect-memory", "--html", "a.html", "--shot", "city"), "--shot has no effect on the page"),
        (("inspect-memory", "--html", "a.html", "--frames", "0"), "--frames has no effect on the page"),
        (("inspect-memory", "--html", "a.html", "--policy", "none"), "--policy has no effect on the page"),
        (("inspect-memory", "--html", "a.html", "--budget", "0"), "--budget has no effect on the page"),
        (("inspect-memory", "--html", "a.html", "--scores", "a.json"), "error[R417]"),
    ],
)
def test_options_without_effect_are_rejected(
    onestory: Onestory, film_run: Path, options: tuple[str, ...], said: str
) -> None:
    result = onestory(*options)
    assert result.exit is ExitCode.USAGE
    assert said in result.err
    assert not list(Path().glob("a.*"))
