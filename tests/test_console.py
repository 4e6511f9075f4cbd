from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

import pytest
from rich.console import Console as RichConsole
from rich.spinner import Spinner

from onestory_cli import events
from onestory_cli.commands._screen import Screen
from onestory_cli.console import Console, github_annotation
from onestory_cli.console.progress import Bar, Pace, remembers
from onestory_cli.errors import Diagnostic, Place
from onestory_cli.utils.text import duration

STYLE = re.compile(r"\x1b\[[0-9;]*m")
FINDING = Diagnostic(
    code="S104",
    message='unknown character "foks"',
    place=Place(path="film.story.yaml", line=3, column=5, length=5, source_line="    $foks waves."),
    help='did you mean "fox"?',
)
WARNING = Diagnostic(code="W303", message="nobody is called $bear", severity="warning")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Streams:
    """A console over two texts."""

    def __init__(self, *, terminal: bool = False, color: bool = True) -> None:
        make = Terminal if terminal else io.StringIO
        self.out, self.err = make(), make()
        self.console: Screen = Console(stdout=self.out, stderr=self.err, color=color)


def film() -> Iterator[events.Event]:
    """What a render of three shots says; the first is kept."""
    yield events.RunStarted(run="film.run", title="The Lost Kite", model="storyworld", shots=3, kept=1)
    yield events.ShotKept(shot="opening", take="3f9a12c0ffee", reason="kept: still remembers city[2]")
    yield events.ShotStarted(shot="city", index=1, shots=3, reason="new", steps=2)
    yield events.ModelLoading(model="storyworld", device="cpu")
    yield events.ModelLoaded(model="storyworld", seconds=5.0)
    yield events.Remembered(shot="city", frames=(), tokens=0, visible=0)
    yield events.StepDone(shot="city", step=1, steps=2, seconds=60.0)
    yield events.TakeCommitted(shot="city", take="77ab01c0ffee", seconds=7.04, memory_bytes=1_240_000_000)
    yield events.Warned(code="W406", message="clip.mp4 is damaged", help="it is made again")
    yield events.ShotStarted(shot="return", index=2, shots=3, reason="memory changed: city[2] differs", steps=2)
    yield events.Remembered(shot="return", frames=(("opening", 2), ("city", 0), ("opening", 4)), tokens=3, visible=10)
    yield events.StepDone(shot="return", step=1, steps=2, seconds=60.0)
    yield events.TakeCommitted(shot="return", take="90cd34c0ffee", seconds=95.4, memory_bytes=1_240_000_000)
    yield events.RunFinished(path="film.run/film.mp4", rendered=2, kept=1, seconds=110.0, faulty=1)


PLAIN = """\
The Lost Kite: 3 shots, 1 kept, model storyworld
[1/3] opening: kept 3f9a12 (still remembers city[2])
[2/3] city: rendered 77ab01 (new) in 7.0 s, remembers nothing, 1.2 GB
warning[W406] clip.mp4 is damaged (it is made again)
[3/3] return: rendered 90cd34 (memory changed: city[2] differs) in 1:35, remembers opening[2,4], city[0], 1.2 GB
2 rendered, 1 kept in 1:50
1 kept take has faults: onestory take list film.run
"""


def test_without_a_terminal_every_shot_is_one_line() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        for event in film():
            show(event)
    assert screen.err.getvalue() == PLAIN
    assert screen.out.getvalue() == ""


def test_a_take_that_is_committed_while_the_next_shot_is_made_is_told_with_its_own_words() -> None:
    told = list(film())
    late = told.pop(7)
    assert isinstance(late, events.TakeCommitted)
    told.insert(-2, late)  # among the steps of the next shot
    screen, bar = Streams(), Bar(spinner=Spinner("dots"))
    with screen.console.watch() as show:
        for event in told:
            show(event)
            bar(event)
            assert (bar.name == "return") == (event in told[8:-2])
    lines, expected = screen.err.getvalue().splitlines(), PLAIN.splitlines()
    assert sorted(lines) == sorted(expected)


def committed(number: int) -> events.TakeCommitted:
    return events.TakeCommitted(shot="city", take=f"77ab0{number}c0ffee", seconds=7.04, memory_bytes=1_240_000_000)


def test_other_takes_of_a_shot_are_counted_by_themselves() -> None:
    screen, bar = Streams(), Bar(spinner=Spinner("dots"))
    with screen.console.watch() as show:
        for emit in (show, bar):
            emit(events.TakesStarted(run="film.run", title="The Lost Kite", model="storyworld", shot="city", takes=2))
            for number in (1, 2, 3):  # one more, as the others have faults; each begins before the one before is whole
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
    assert bar.status == "keeping the take"


def test_takes_of_a_shot_of_a_film_have_the_number_of_the_shot() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        show(events.RunStarted(run="film.run", title="The Lost Kite", model="storyworld", shots=2, kept=0))
        for shot, take in (("opening", "77ab01"), ("opening", "90cd34"), ("city", "3f9a12")):
            show(events.TakeCommitted(shot=shot, take=take, seconds=7.04, memory_bytes=1_240_000_000))
    lines = screen.err.getvalue().splitlines()[1:]
    assert [line.split(" rendered ")[0] for line in lines] == ["[1/2] opening:", "[1/2] opening:", "[2/2] city:"]


def test_a_shot_that_was_cut_off_is_told_though_a_take_came_later() -> None:
    screen = Streams()
    with screen.console.watch() as show:
        show(events.PartialKept(shot="return", step=1, steps=2))
        show(events.TakeCommitted(shot="city", take="77ab01c0ffee", seconds=7.04, memory_bytes=1_240_000_000))
        show(events.RunInterrupted(run="film.run", finished=2, shots=3))
    assert "2 of 3 shots are finished and kept, return up to step 1 of 2;" in screen.err.getvalue()


def test_the_way_on_can_be_pasted_where_the_path_has_spaces() -> None:
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
    screen = Streams(terminal=True)
    with screen.console.watch() as show:
        for event in film():
            show(event)
    text = STYLE.sub("", screen.err.getvalue())
    assert "reading the story" in text
    assert all(line in text for line in PLAIN.splitlines())


def test_the_bar_says_how_far_and_how_long() -> None:
    bar, seen = Bar(spinner=Spinner("dots")), []
    for event in film():
        bar(event)
        rich = RichConsole(file=io.StringIO(), width=100)
        rich.print(bar)
        seen.append(rich.file.getvalue())  # type: ignore[attr-defined]
    assert "reading the story" in seen[0]
    assert seen[2].startswith("city ")
    assert "loading storyworld on cpu" in seen[3]
    assert "step 1/2 shot 1:00 left, film 3:00\n  remembers nothing" in seen[6]
    assert "joining the film" in seen[7]
    assert "step 1/2 shot 1:00 left, film 1:00\n  remembers opening[2,4], city[0]" in seen[11]


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
    screen = Streams(terminal=True, color=False)
    with screen.console.watch() as show:
        for event in film():
            show(event)
    assert screen.err.getvalue() == PLAIN


def test_findings_have_a_line_between_them() -> None:
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
        "warning[W303]: nobody is called $bear\n"
    )


def test_markup_of_the_user_stays_text() -> None:
    screen = Streams()
    screen.console.note("[bold]fox[/bold] :smile:")
    screen.console.table(("[red]",), [("[/]",)])
    assert screen.err.getvalue() == "[bold]fox[/bold] :smile:\n"
    assert screen.out.getvalue() == "[red]\n[/]\n"


def test_tables_for_files_are_not_cut_and_have_no_blanks_at_the_end() -> None:
    screen = Streams()
    screen.console.table(("shot", "steps", "why"), [("opening", "24", "x" * 300), ("city", "8", "")], right=("steps",))
    assert screen.out.getvalue().splitlines() == [
        "shot      steps   why",
        f"opening      24   {'x' * 300}",
        "city          8",
    ]


def test_github_annotations_escape_what_they_must() -> None:
    finding = Diagnostic(code="S106", message="50% of\nit", place=Place(path="a,b:c.yaml", line=2, column=7), help="x")
    assert github_annotation(finding) == ("::error file=a%2Cb%3Ac.yaml,line=2,col=7,title=S106::50%25 of%0Ait%0Ax")
    assert github_annotation(WARNING) == "::warning title=W303::nobody is called $bear"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.94, "0.9 s"),
        (9.96, "10 s"),
        (42.4, "42 s"),
        (59.7, "1:00"),
        (185, "3:05"),
        (3723, "1:02:03"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_remembers() -> None:
    assert remembers([]) == "remembers nothing"
    assert remembers([("a", 2), ("b", 0), ("a", 3)]) == "remembers a[2,3], b[0]"


def test_pace_leaves_the_loading_out() -> None:
    pace = Pace()
    assert pace.left() == ""
    for event in film():
        pace(event)
        if isinstance(event, events.TakeCommitted):
            break
    assert pace.waiting == 1
    assert pace.shot_seconds == [pytest.approx(2.04)]


def test_training_is_told_line_by_line() -> None:
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


def test_styled_lines_are_plain_where_there_is_no_terminal_or_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_nothing_of_a_stranger_is_obeyed_by_a_terminal() -> None:
    evil = "a\x1b[2J\u202e\x9bb"
    streams = Streams(terminal=True, color=False)
    streams.console.line(evil)
    streams.console.styled([[(evil, "")]])
    streams.console.note(evil)
    streams.console.table(["id"], [[evil]])
    streams.console.findings([Diagnostic(code="S104", message=evil, help=evil)])
    streams.console.document("new", path=evil)
    said = streams.out.getvalue() + streams.err.getvalue()
    assert not any(char in said for char in "\u202e\x9b")
    assert "\x1b[2J" not in said
    assert said.count("a\ufffd[2J\ufffd\ufffdb") == 6
    assert json.loads(streams.out.getvalue().splitlines()[-1])["path"] == evil
