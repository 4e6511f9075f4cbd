from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

import numpy as np
import pytest
from rich.console import Console as RichConsole

from onestory_cli import events
from onestory_cli.commands._screen import OutputFormat, Screen
from onestory_cli.console import Console, github_annotation, progress
from onestory_cli.console.progress import RenderBars, TimeLeft
from onestory_cli.errors import Diagnostic, Place

STYLE = re.compile(r"\x1b\[[0-9;]*m")
FINDING = Diagnostic(
    code="S104",
    message='unknown character "foks"',
    place=Place(path="film.story.yaml", line=3, column=5, length=5, source_line="    $foks waves."),
    help='did you mean "fox"?',
)
WARNING = Diagnostic(code="W303", message="no character is called $bear", severity="warning")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Streams:
    """A console that writes into two strings."""

    def __init__(self, *, terminal: bool = False, color: bool = True) -> None:
        make = Terminal if terminal else io.StringIO
        self.out, self.err = make(), make()
        self.console: Screen = Console(stdout=self.out, stderr=self.err, color=color)


def film() -> Iterator[events.Event]:
    """The events of a render of three shots, of which the first is kept."""
    yield events.RunStarted(run="film.run", title="The Lost Kite", model="storyworld", shots=3, kept=1)
    yield events.ShotKept(shot="opening", take="3f9a12c0ffee", reason="kept: still remembers city[2]")
    yield events.ShotStarted(shot="city", index=1, shots=3, reason="new", steps=2)
    yield events.ModelLoading(model="storyworld", device="cpu")
    yield events.ModelLoaded(model="storyworld", seconds=5.0)
    yield events.Remembered(shot="city", frames=(), tokens=0, visible=0)
    yield events.StepDone(shot="city", step=1, steps=2, seconds=60.0)
    yield events.TakeCommitted(shot="city", take="77ab01c0ffee", seconds=7.04, memory_bytes=1_240_000_000)
    yield events.Warned(code="W406", message="clip.mp4 is damaged", help="it is rendered again")
    yield events.ShotStarted(shot="return", index=2, shots=3, reason="memory changed: city[2] differs", steps=2)
    yield events.Remembered(shot="return", frames=(("opening", 2), ("city", 0), ("opening", 4)), tokens=3, visible=10)
    yield events.StepDone(shot="return", step=1, steps=2, seconds=60.0)
    yield events.TakeCommitted(shot="return", take="90cd34c0ffee", seconds=95.4, memory_bytes=1_240_000_000)
    yield events.RunFinished(path="film.run/film.mp4", rendered=2, kept=1, seconds=110.0, faulty=1)


PLAIN = """\
The Lost Kite: 3 shots, 1 kept, model storyworld
[1/3] opening: kept 3f9a12 (still remembers city[2])
[2/3] city: rendered 77ab01 (new) in 7.0 s, remembers nothing, 1.2 GB
warning[W406] clip.mp4 is damaged (it is rendered again)
[3/3] return: rendered 90cd34 (memory changed: city[2] differs) in 1:35, remembers opening[2,4], city[0], 1.2 GB
2 rendered, 1 kept in 1:50
1 kept take has faults: onestory take list film.run
"""


def test_every_shot_is_one_line_without_a_terminal() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        for event in film():
            show(event)
    assert screen.err.getvalue() == PLAIN
    assert screen.out.getvalue() == ""


def test_a_take_committed_during_the_next_shot_is_reported_with_its_own_reason_and_memory() -> None:
    film_events = list(film())
    late = film_events.pop(7)
    assert isinstance(late, events.TakeCommitted)
    film_events.insert(-2, late)  # among the steps of the next shot
    screen, bar = Streams(), RenderBars()
    with screen.console.watch() as show:
        for event in film_events:
            show(event)
            bar(event)
            assert (bar.name == "return") == (event in film_events[8:-2])
    lines, expected = screen.err.getvalue().splitlines(), PLAIN.splitlines()
    assert sorted(lines) == sorted(expected)


def committed(number: int) -> events.TakeCommitted:
    return events.TakeCommitted(shot="city", take=f"77ab0{number}c0ffee", seconds=7.04, memory_bytes=1_240_000_000)


def test_other_takes_of_a_shot_are_numbered_separately() -> None:
    screen, bar = Streams(), RenderBars()
    with screen.console.watch() as show:
        for emit in (show, bar):
            emit(events.TakesStarted(run="film.run", title="The Lost Kite", model="storyworld", shot="city", takes=2))
            for number in (
                1,
                2,
                3,
            ):  # one more than asked, for a faulty one; each starts before the previous is committed
                emit(events.ShotStarted(shot="city", index=1, shots=6, reason=f"new: take {number}", steps=2))
                emit(events.Remembered(shot="city", frames=(("opening", number),), tokens=1, visible=5))
                if number > 1:
                    emit(committed(number - 1))
            emit(committed(3))
    first, *lines = screen.err.getvalue().splitlines()
    assert first == "The Lost Kite: 2 other takes of city, model storyworld"
    assert lines == [
        f"[{place}] city: rendered 77ab0{number} (new: take {number}) in 7.0 s, remembers opening[{number}], 1.2 GB"
        for number, place in ((1, "1/2"), (2, "2/2"), (3, "3/3"))
    ]
    assert bar.status == "saving the take"


def test_all_takes_of_a_shot_have_its_number_in_the_film() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        show(events.RunStarted(run="film.run", title="The Lost Kite", model="storyworld", shots=2, kept=0))
        for shot, take in (("opening", "77ab01"), ("opening", "90cd34"), ("city", "3f9a12")):
            show(events.TakeCommitted(shot=shot, take=take, seconds=7.04, memory_bytes=1_240_000_000))
    lines = screen.err.getvalue().splitlines()[1:]
    assert [line.split(" rendered ")[0] for line in lines] == ["[1/2] opening:", "[1/2] opening:", "[2/2] city:"]


def test_an_interrupted_shot_is_reported_even_after_a_later_take() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        show(events.PartialKept(shot="return", step=1, steps=2))
        show(events.TakeCommitted(shot="city", take="77ab01c0ffee", seconds=7.04, memory_bytes=1_240_000_000))
        show(events.RunInterrupted(run="film.run", finished=2, shots=3))
    assert "2 of 3 shots are finished and kept, return up to step 1 of 2;" in screen.err.getvalue()


def test_the_resume_command_quotes_a_path_with_spaces() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        show(events.RunInterrupted(run="my film.run", finished=2, shots=3))
    assert "  onestory resume 'my film.run'\n" in screen.err.getvalue()


def test_json_lines_are_the_events() -> None:
    screen = Streams()
    with screen.console.watch(json=True) as show:
        for event in film():
            show(event)
    lines = [json.loads(line) for line in screen.out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in film()]
    assert lines[5] == {"event": "Remembered", "shot": "city", "frames": [], "tokens": 0, "visible": 0}
    assert screen.err.getvalue() == ""


def test_a_terminal_shows_the_steps_and_keeps_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    screen = Streams(terminal=True)
    with screen.console.watch() as show:
        for event in film():
            show(event)
    text = STYLE.sub("", screen.err.getvalue())
    assert "reading the story" in text
    assert all(line in text for line in PLAIN.splitlines())


def drawn(bars: RenderBars) -> list[str]:
    """The lines of the display, without the bars."""
    rich = RichConsole(file=io.StringIO(), width=100)
    rich.print(bars)
    return [re.sub(r"\s*[━╸╺ ]{2,}", " ", line).strip() for line in rich.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_the_bars_show_progress_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress, "now", lambda: clock[0])
    bars, seen = RenderBars(), []
    for event in film():
        bars(event)
        clock[0] += 2 if isinstance(event, events.ModelLoading) else 0
        seen.append(drawn(bars))
    assert seen[0][0] == "film 0/3"
    assert "reading the story" in seen[0][1]
    assert seen[2] == ["film 1/3", "city step 0/2"]
    assert "loading storyworld on cpu (2.0 s)" in seen[3][1]
    assert seen[6] == ["film 1/3 3:00 left", "city step 1/2 1:00 left", "remembers nothing"]
    assert "joining the film" in seen[7][1]
    assert seen[11] == ["film 2/3 1:00 left", "return step 1/2 1:00 left", "remembers opening[2,4], city[0]"]


def test_the_bars_fill_the_terminal_and_cut_only_between_words() -> None:
    bars = RenderBars()
    bars(events.RunStarted(run="film.run", title="", model="", shots=9, kept=0))
    bars(events.ShotStarted(shot="a-very-long-name-of-a-shot-on-the-beach", index=0, shots=9, reason="", steps=20))
    frames = tuple((f"shot-{number}", number) for number in range(9))
    bars(events.Remembered(shot="a", frames=frames, tokens=1, visible=9))
    for number in range(8):
        bars(events.ShotKept(shot=f"s{number}", take="", reason=""))
    rich = RichConsole(file=io.StringIO(), width=60)
    rich.print(bars)
    film_bar, shot_bar, memory = rich.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert (len(film_bar), len(shot_bar)) == (60, 60)
    assert "━" in film_bar
    assert "a-very-long-…n-the-beach " in shot_bar
    assert memory == "remembers shot-0[0], shot-1[1], shot-2[2], shot-3[3], ..."


def test_pictures_of_the_finished_shot_and_of_the_estimate_are_side_by_side() -> None:
    bars = RenderBars()
    bars(events.ShotStarted(shot="opening", index=0, shots=2, reason="new", steps=4))
    bars.show_picture("opening", 4, 4, np.zeros((20, 30, 3), np.uint8))
    bars(events.ShotStarted(shot="city", index=1, shots=2, reason="new", steps=4))
    bars.show_picture("city", 2, 4, np.zeros((20, 30, 3), np.uint8))
    for height, lines in ((24, 10), (23, 0)):
        rich = RichConsole(file=io.StringIO(), width=100, height=height)
        rich.print(bars)
        shown = [line for line in rich.file.getvalue().splitlines() if "▀" in line or "finished" in line]  # type: ignore[attr-defined]
        assert len(shown) == lines
        assert not lines or shown[-1].split() == ["opening,", "finished", "city,", "step", "2", "of", "4"]
    bars(events.ShotStarted(shot="return", index=1, shots=2, reason="new", steps=4))
    assert bars.estimate is None


@pytest.mark.parametrize(
    ("terminal", "color", "shown"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_pictures_are_for_terminals_with_colours(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, color: bool, shown: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    console = Streams(terminal=terminal, color=color).console
    with console.watch(pictures=True) as wanted, console.watch(json=True, pictures=True) as as_json:
        assert (wanted.preview is not None, as_json.preview) == (shown, None)
    with console.watch() as unwanted:
        assert unwanted.preview is None


def test_no_color_writes_no_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for color in (True, False):
        screen = Streams(terminal=True, color=color)
        screen.console.findings([FINDING], result=True)
        screen.console.table(("code", "meaning"), [("S104", "unknown")])
        screen.console.note("done", style="green")
        text = screen.out.getvalue() + screen.err.getvalue()
        assert bool(STYLE.search(text)) is color


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "200")
    screen = Streams(terminal=True, color=False)
    with screen.console.watch() as show:
        for event in film():
            show(event)
    assert screen.err.getvalue() == PLAIN


def test_findings_are_separated_by_an_empty_line() -> None:
    screen = Streams()
    screen.console.findings([FINDING, WARNING])
    assert screen.err.getvalue() == (
        'error[S104]: unknown character "foks"\n'
        " --> film.story.yaml:3:5\n"
        "  |\n"
        "3 |     $foks waves.\n"
        "  |     ^^^^^\n"
        '  = help: did you mean "fox"?\n'
        "\n"
        "warning[W303]: no character is called $bear\n"
    )


def test_markup_of_the_user_stays_text() -> None:
    screen = Streams()
    screen.console.note("[bold]fox[/bold] :smile:")
    screen.console.table(("[red]",), [("[/]",)])
    assert screen.err.getvalue() == "[bold]fox[/bold] :smile:\n"
    assert screen.out.getvalue() == "[red]\n[/]\n"


def test_tables_in_files_are_not_cut_and_have_no_trailing_spaces() -> None:
    screen = Streams()
    screen.console.table(("shot", "steps", "why"), [("opening", "24", "x" * 300), ("city", "8", "")], right=("steps",))
    assert screen.out.getvalue().splitlines() == [
        "shot      steps   why",
        f"opening      24   {'x' * 300}",
        "city          8",
    ]


def test_github_annotations_are_escaped() -> None:
    finding = Diagnostic(code="S106", message="50% of it", place=Place(path="a,b:c.yaml", line=2, column=7), help="x")
    assert github_annotation(finding) == ("::error file=a%2Cb%3Ac.yaml,line=2,col=7,title=S106::50%25 of it%0Ax")
    assert github_annotation(WARNING) == "::warning title=W303::no character is called $bear"


def test_the_time_of_a_shot_does_not_include_loading() -> None:
    pace = TimeLeft()
    assert pace.film() == ""
    for event in film():
        pace(event)
        if isinstance(event, events.TakeCommitted):
            break
    assert pace.waiting == 1
    assert pace.shot_seconds == [pytest.approx(2.04)]


def test_training_prints_one_line_per_event() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        show(events.StageStarted(stage="vae", step=0, steps=100, parameters=1_900_000))
        show(
            events.TrainingProgress(
                stage="vae", step=50, steps=100, losses={"loss": 0.25}, samples_per_second=12.0, seconds_left=61.0
            )
        )
        show(events.StageFinished(stage="vae", steps=100, seconds=120.0))
    assert screen.err.getvalue() == (
        "vae: 1.9 M parameters, from step 0\n"
        "vae: step 50/100, loss 0.2500, 12.0 samples/s, 1:01 left\n"
        "vae: 100 steps in 2:00\n"
    )


def test_styled_lines_are_plain_without_a_terminal_or_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = [[("opening", "bold"), (" [0]", "")], [], [("x" * 200, "cyan")]]
    plain = "opening [0]\n\n" + "x" * 200 + "\n"
    piped, colored, uncolored = Streams(), Streams(terminal=True), Streams(terminal=True, color=False)
    for screen in (piped, colored, uncolored):
        screen.console.styled(lines)
    assert piped.out.getvalue() == plain
    assert "\x1b[1mopening" in colored.out.getvalue()
    assert "\x1b[3" not in uncolored.out.getvalue()
    assert [screen.console.shows_pictures for screen in (piped, colored, uncolored)] == [False, True, False]


EVIL = "a\x1b[2J\u202e\x9b\n::error::\u2028b"
CLEAN = "a\ufffd[2J\ufffd\ufffd\ufffd::error::\ufffdb"


def test_untrusted_text_is_one_printable_line() -> None:
    streams = Streams(terminal=True, color=False)
    streams.console.line(EVIL)
    streams.console.styled([[(EVIL, "")]])
    streams.console.note(EVIL)
    streams.console.table(["id"], [[EVIL]])
    for format in OutputFormat:
        if format is not OutputFormat.JSON:
            place = Place(path=EVIL, line=3, column=1, source_line=EVIL)
            streams.console.findings([Diagnostic(code="S104", message=EVIL, help=EVIL, place=place)], format=format)
    streams.console.document("new", path=EVIL)
    *lines, document = streams.out.getvalue().splitlines()
    said = "".join([*lines, document, streams.err.getvalue()])
    assert not any(char in said for char in "\u202e\x9b\u2028")
    assert "\x1b[2J" not in said
    assert not re.search(r"^::error::", "\n".join([*lines, streams.err.getvalue()]), re.MULTILINE)
    assert [line.strip() for line in lines] == [CLEAN, CLEAN, "id", CLEAN]
    assert json.loads(document)["path"] == EVIL


def test_untrusted_text_in_events_is_one_printable_line() -> None:
    plain, batch, lines = Streams(), Streams(), Streams()
    with plain.console.watch() as show:
        show(events.RunStarted(run=EVIL, title=EVIL, model=EVIL, shots=1, kept=0))
        show(events.Warned(code="W406", message=EVIL, help=EVIL))
        show(events.RunInterrupted(run=EVIL, finished=0, shots=1))
    with batch.console.watch_films() as show:
        show(events.WorkerLost(worker=EVIL, film=EVIL, why=EVIL))
        show(events.FilmTold(film=EVIL, kind="Warned", told=events.Warned(code="W406", message=EVIL)))
    with lines.console.watch(json=True) as show:
        show(events.Warned(code="W406", message=EVIL))
    assert [len(item.err.getvalue().splitlines()) for item in (plain, batch)] == [4, 2]
    assert json.loads(lines.out.getvalue())["message"] == EVIL
    assert len(lines.out.getvalue().splitlines()) == 1


def test_a_terminal_wraps_between_words_and_never_within_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    streams = Streams(terminal=True, color=False)
    streams.console.note("city: rendered 77ab01 (memory changed: opening[2] differs)")
    streams.console.note("next: onestory take accept the-lost-kite-over-the-harbour.run opening 1")
    assert streams.err.getvalue().splitlines() == [
        "city: rendered 77ab01 (memory changed: ",
        "opening[2] differs)",
        "next: onestory take accept the-lost-kite-over-the-harbour.run opening 1",
    ]
