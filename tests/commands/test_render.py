"""`render` and `resume` as commands; tests/rendering tests the render loop."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from onestory_cli.commands import _render_film
from onestory_cli.errors import ExitCode
from onestory_cli.media.video import read_clip
from onestory_cli.rendering import loading
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.commands.conftest import Onestory, change
from tests.films import SPEC, NumpyGenerator


def test_finished_film_needs_no_weights(onestory: Onestory, story: Path, film_run: Path) -> None:
    result = onestory("render", story)
    assert result.exit is ExitCode.DONE
    assert result.out == "film.run/film.mp4\n"
    lines = result.err.splitlines()
    assert lines[0] == "The Lost Kite: 3 shots, 3 kept, model model"
    assert [line.split(" kept ")[0] for line in lines[1:4]] == ["[1/3] opening:", "[2/3] city:", "[3/3] return:"]
    assert lines[4].startswith("0 rendered, 3 kept in ")


def test_json_lines_end_with_the_result(onestory: Onestory, story: Path, film_run: Path) -> None:
    result = onestory("render", story, "--json")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["event"] for line in lines[:-1]] == ["RunStarted", "ShotKept", "ShotKept", "ShotKept", "RunFinished"]
    assert lines[-1] == {
        "schema": "onestory.render.v1",
        "film": "film.run/film.mp4",
        "run": "film.run",
        "next": ["onestory review film.run"],
    }
    assert result.err == ""


def test_max_seconds_stops_resumably(onestory: Onestory, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *[10.0] * 100])
    monkeypatch.setattr(_render_film, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    result = onestory("render", story, "--max-seconds", "5")
    assert result.exit is ExitCode.PARTIAL
    assert "stopped after 5 s (--max-seconds); the same command continues" in result.err
    assert onestory("plan", story, "--json").json["pending"] == 3


def test_run_in_use_exits_with_3(onestory: Onestory, story: Path, film_run: Path) -> None:
    with lock_run(Run.open(film_run)):
        result = onestory("render", story)
    assert result.exit is ExitCode.MACHINE
    assert result.err.startswith("error[R401]")
    assert result.out == ""


def test_dry_run_prints_the_plan_and_writes_nothing(onestory: Onestory, story: Path) -> None:
    assert onestory("render", story, "--dry-run").out == onestory("plan", story).out
    assert onestory("render", story, "--dry-run", "--json").json["schema"] == "onestory.plan.v1"
    assert not Path("film.run").exists()


def test_dry_run_respects_force_and_until(onestory: Onestory, story: Path, film_run: Path) -> None:
    document = onestory("render", story, "--dry-run", "--json", "--force", "opening", "--until", "city").json
    assert [(shot["shot"], shot["action"], shot["reason"]["kind"]) for shot in document["shots"]] == [
        ("opening", "render", "forced"),
        ("city", "undecided", "waits"),
    ]


def test_unknown_shots_are_rejected(onestory: Onestory, story: Path, film_run: Path) -> None:
    for option in ("--force", "--until"):
        result = onestory("render", story, option, "retrun")
        assert result.exit is ExitCode.USAGE
        assert 'did you mean "return"?' in result.err
    assert onestory("render", story, "--force", "nope", "--dry-run").exit is ExitCode.USAGE


def test_resume_needs_only_the_run_directory(onestory: Onestory, story: Path, film_run: Path) -> None:
    story.unlink()
    (film_run / "film.mp4").unlink()
    result = onestory("resume", film_run)
    assert (result.exit, result.out) == (ExitCode.DONE, "film.run/film.mp4\n")
    assert (film_run / "film.mp4").exists()
    assert onestory("resume").out == "film.run/film.mp4\n"


def test_resume_of_another_folder_is_rejected(onestory: Onestory, story: Path) -> None:
    for arguments in (["resume"], ["resume", "gone.run"]):
        result = onestory(*arguments)
        assert result.exit is ExitCode.USAGE
        assert result.err.startswith("error[")


def test_warnings_are_printed_before_the_work(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "settings:", "  bear: {look: a brown bear}\nsettings:")
    assert onestory("render", story).err.startswith("warning[W")


def test_junit_has_a_case_for_each_shot(onestory: Onestory, story: Path, film_run: Path) -> None:
    assert onestory("render", story, "--junit", "junit.xml").exit is ExitCode.DONE
    cases = list(ElementTree.parse("junit.xml").iter("testcase"))
    assert [(case.get("name"), case.get("time")) for case in cases] == [
        (shot, "0.000") for shot in ("opening", "city", "return")
    ]


def test_junit_contains_the_error_that_ended_a_render(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "$fox waves", "$fox jumps")
    with lock_run(Run.open(film_run)):
        assert onestory("render", story, "--junit", "junit.xml").exit is ExitCode.MACHINE
    (error,) = ElementTree.parse("junit.xml").iter("error")
    assert error.get("message", "").startswith("error[R401]")
    change(story, "$fox jumps", "$foks jumps")
    assert onestory("render", story, "--junit", "junit.xml").exit is ExitCode.FINDINGS
    (case,) = ElementTree.parse("junit.xml").iter("testcase")
    assert case.get("name") == "story"
    assert "error[S104]" in (case.findtext("error") or "")


def test_signed_copy_is_part_of_the_result(onestory: Onestory, film_run: Path, tmp_path: Path) -> None:
    c2pa = pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    from tests.media.test_sign import write_chain

    result = onestory("render", "film.story.yaml", "--sign", *write_chain(tmp_path))
    assert (result.exit, result.out) == (ExitCode.DONE, "film.run/film.mp4\nfilm.run/film.signed.mp4\n")
    with c2pa.Reader("film.run/film.signed.mp4") as reader:
        assert reader.get_active_manifest()["title"] == "The Lost Kite"
    assert onestory("verify", film_run).exit is ExitCode.DONE
    refused = onestory("render", "film.story.yaml", "--sign", "gone.pem", "gone.key")
    assert (refused.exit, "error[M517]" in refused.err) == (ExitCode.FINDINGS, True)


def words_of(film: Path) -> list[tuple[float, str]]:
    """The cues (start, text) of the subtitle track of a film, read by PyAV."""
    with av.open(str(film)) as file:
        cues = [packet for stream in file.streams.subtitles for packet in file.demux(stream) if packet.size > 2]
        return [(float(cue.pts * cue.time_base), bytes(cue)[2:].decode()) for cue in cues]


def test_subtitle_track_exists_only_on_request(onestory: Onestory, story: Path, film_run: Path) -> None:
    film, seconds = film_run / "film.mp4", SPEC.frames / SPEC.fps
    refused = onestory("render", story, "--subtitles")
    assert (refused.exit, refused.err.startswith("error[X803]")) == (ExitCode.FINDINGS, True)
    change(story, "caption: A city at night.", "caption: A city at night.\n    subtitle: Nobody we know")
    pixels = read_clip(film)
    assert onestory("render", story, "--subtitles").exit is ExitCode.DONE
    assert words_of(film) == [(pytest.approx(seconds, abs=0.001), "Nobody we know")]
    assert np.array_equal(read_clip(film), pixels)
    joined = film.stat().st_mtime_ns
    assert onestory("resume", film_run, "--subtitles").exit is ExitCode.DONE
    assert film.stat().st_mtime_ns == joined
    assert onestory("resume", film_run).exit is ExitCode.DONE
    assert words_of(film) == []


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_ffprobe_reads_the_subtitles(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "caption: A city at night.", "caption: A city at night.\n    subtitle: Nobody we know")
    assert onestory("render", story, "--subtitles").exit is ExitCode.DONE
    asked = "stream=codec_name:packet=pts_time,duration_time,size"
    ffprobe = ["ffprobe", "-v", "error", "-select_streams", "s", "-show_entries", asked, "-of", "json"]
    probed = subprocess.run([*ffprobe, film_run / "film.mp4"], capture_output=True, check=True)
    document, length = json.loads(probed.stdout), SPEC.frames / SPEC.fps
    assert [stream["codec_name"] for stream in document["streams"]] == ["mov_text"]
    (cue,) = [packet for packet in document["packets"] if int(packet["size"]) > 2]
    assert [float(cue[key]) for key in ("pts_time", "duration_time")] == pytest.approx([length, length], abs=0.001)


def test_resume_signs_on_request(onestory: Onestory, film_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    pytest.importorskip("cryptography")
    from tests.media.test_sign import write_chain

    document = onestory("resume", film_run, "--sign", *write_chain(tmp_path), "--json").out.splitlines()[-1]
    assert json.loads(document)["signed"] == "film.run/film.signed.mp4"
    assert onestory("inspect", "film.run/film.signed.mp4").exit is ExitCode.DONE


def test_junit_contains_an_error_about_the_run_directory(onestory: Onestory, story: Path) -> None:
    Path("film.run").write_text("a file")
    refused = onestory("render", story, "--junit", "junit.xml")
    assert refused.err.startswith("error[R")
    opening, *rest = ElementTree.parse("junit.xml").iter("testcase")
    assert (opening.findtext("error") or "").startswith("error[R")
    assert [case.find("skipped") is not None for case in rest] == [True, True]


@pytest.fixture
def numpy_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "model_loader", lambda spec, device, emit, shared: lambda: NumpyGenerator(spec))


def accepted_take(onestory: Onestory, shot: str) -> tuple[int, int]:
    takes = onestory("take", "list", "film.run", shot, "--json").json["takes"]
    (take,) = (item for item in takes if item["accepted"])
    return take["take"], take["seed"]


def test_force_warns_that_the_picture_stays_the_same(onestory: Onestory, film_run: Path, numpy_model: None) -> None:
    before = accepted_take(onestory, "city")
    result = onestory("render", "film.story.yaml", "--force", "city")
    assert "--force keeps the seed, so the picture stays the same; use --new-seed city for another one" in result.err
    assert accepted_take(onestory, "city") == before


def test_new_seed_renders_and_accepts_another_take(onestory: Onestory, film_run: Path, numpy_model: None) -> None:
    number, seed = accepted_take(onestory, "opening")
    result = onestory("render", "film.story.yaml", "--new-seed", "opening")
    assert result.exit is ExitCode.DONE
    assert "return: rendered" in result.err  # remembers the opening
    new_number, new_seed = accepted_take(onestory, "opening")
    assert new_number == number + 1
    assert new_seed != seed
    assert "3 kept" in onestory("plan", "film.story.yaml").out


def test_shot_option_needs_takes(onestory: Onestory, story: Path) -> None:
    result = onestory("render", story, "--shot", "city")
    assert result.exit is ExitCode.USAGE
    assert "--shot needs --takes N; use --until SHOT" in result.err
    assert not Path("film.run").exists()


def test_next_command_is_printed(onestory: Onestory, story: Path, film_run: Path) -> None:
    assert onestory("render", story).err.endswith("next: onestory review film.run\n")


@pytest.mark.parametrize(
    ("codes", "exit"),
    [("W302", 1), ("w30x", 1), ("warnings", 1), ("W303,W302", 1), ("W303", 0), ("faults", 0)],
)
@pytest.mark.parametrize("command", ["validate", "plan"])
def test_fail_on_turns_warnings_into_findings(
    onestory: Onestory, story: Path, command: str, codes: str, exit: int
) -> None:
    change(story, "$fox waves on", "A bird waves on")
    change(story, "$fox walks", "A bird walks")
    assert "W302" in onestory(command, story).out + onestory(command, story).err
    assert onestory(command, story, "--fail-on", codes).exit == exit


def test_fail_on_stops_a_render_before_work(onestory: Onestory, story: Path) -> None:
    change(story, "$fox waves on", "A bird waves on")
    change(story, "$fox walks", "A bird walks")
    assert onestory("render", story, "--fail-on", "W302").exit is ExitCode.FINDINGS
    assert not Path("film.run").exists()


def test_fail_on_an_unknown_code_is_a_usage_error(onestory: Onestory, story: Path) -> None:
    result = onestory("plan", story, "--fail-on", "S104")
    assert result.exit is ExitCode.USAGE
    assert "is not a warning code" in result.err
