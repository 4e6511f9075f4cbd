"""`onestory curate` as a user runs it: a manifest that `train` reads, kills, edits, damaged files and reruns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from onestory_cli import schemas
from onestory_cli.curation.video_curator import CuratorConfig
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.store.disk import Disk
from onestory_cli.store.lock import locked
from onestory_cli.training.adapter.clips import read_window
from onestory_cli.training.adapter.manifest import read_manifest
from tests.commands.conftest import Onestory, Result

READOUT = ("--captioner", "readout", "--cast", "readout", "--encoders", "none", "--device", "cpu")


def result(done: Result) -> Any:
    """The document that ends the output of --json; events come before it."""
    return json.loads(done.out.splitlines()[-1])


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "shots.jsonl").read_text().splitlines()]


def test_workers_of_a_cluster_find_their_own_device(
    onestory: Onestory, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str, config: CuratorConfig) -> int:
        raise OnestoryError("B804", f"asked for the device {config.device}", exit=ExitCode.MACHINE)

    monkeypatch.setattr("onestory_cli.curation.ray_pool.count_workers", refuse)
    done = onestory("curate", footage, "--out", tmp_path / "set", "--ray", "local")
    assert done.exit is ExitCode.MACHINE
    assert "asked for the device auto" in done.err


def test_footage_becomes_a_manifest_that_train_reads(onestory: Onestory, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    done = onestory("curate", footage, "--out", out, *READOUT, "--json")
    assert done.exit is ExitCode.DONE
    assert (result(done)["videos"], result(done)["shots"], result(done)["faults"]) == (2, 8, [])
    for line in lines(out):
        jsonschema.validate(line, schemas.load("shots.v1"))
        first, *later = line["shots"]
        assert first["caption"] == first["x-caption"]
        assert any("the same" in shot["caption"].lower() for shot in later)
        assert all(shot["x-setting"].startswith("s") for shot in line["shots"])
    videos = read_manifest(out / "shots.jsonl")
    part = videos[0].shots[1]
    pixels = read_window(videos[0].path, start=part.start, end=part.end, frames=9, fps=8, size=(64, 64))
    assert pixels.shape == (9, 64, 64, 3)
    page = (out / "report.html").read_text()
    assert "data:image/jpeg" in page
    assert lines(out)[0]["shots"][0]["x-id"] in page


def test_a_second_run_computes_nothing(onestory: Onestory, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    onestory("curate", footage, "--out", out, *READOUT)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    onestory("curate", footage, "--out", out, *READOUT)
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()} == before


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_bytes(footage: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "onestory_cli", "curate", str(footage), *READOUT, "--out"]
    subprocess.run([*command, str(whole)], check=True, capture_output=True)
    process = subprocess.Popen([*command, str(killed)], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    process.stderr.readline()  # the first video is done
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / "shots.jsonl").exists()
    subprocess.run([*command, str(killed)], check=True, capture_output=True)
    assert (killed / "shots.jsonl").read_bytes() == (whole / "shots.jsonl").read_bytes()


def test_a_damaged_video_is_one_row(onestory: Onestory, footage: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    shutil.copytree(footage, videos)
    (videos / "broken.mp4").write_bytes(b"\0" * 1000)
    (videos / "empty.mp4").touch()
    done = onestory("curate", videos, "--out", tmp_path / "set", *READOUT, "--json")
    assert done.exit is ExitCode.DONE
    assert {Path(item["video"]).name for item in result(done)["faults"]} == {"broken.mp4", "empty.mp4"}
    assert len(lines(tmp_path / "set")) == 2


def test_edits_survive_a_rerun(onestory: Onestory, footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    onestory("curate", footage, "--out", out, *READOUT)
    first, second, *_ = lines(out)[0]["shots"]
    edits = {first["x-id"]: {"caption": "A hero."}, second["x-id"]: {"reject": True}}
    (out / "captions.yaml").write_text(json.dumps(edits))
    done = onestory("curate", footage, "--out", out, *READOUT, "--explain", second["x-id"])
    assert done.out == f"{second['x-id']}: rejected in captions.yaml\n"
    shots = lines(out)[0]["shots"]
    assert shots[0]["caption"] == "A hero."
    assert second["x-id"] not in {shot["x-id"] for shot in shots}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["https://example.org/film.mp4"], "T652"),
        (["missing.mp4"], "T652"),
        (["FOOTAGE", "--captioner", "gpt"], "T654"),
        (["FOOTAGE", "--captioner", "file:missing.csv"], "T654"),
        (["FOOTAGE", "--detector", "magic"], "T651"),
        (["FOOTAGE", "--cast", "magic"], "T631"),
        (["FOOTAGE", "--explain", "nothing@1"], "T655"),
    ],
)
def test_bad_input_has_a_code(
    onestory: Onestory, footage: Path, tmp_path: Path, arguments: list[str], code: str
) -> None:
    given = [str(footage) if word == "FOOTAGE" else word for word in arguments]
    done = onestory("curate", "--encoders", "none", "--cast", "none", *given, "--out", tmp_path / "set")
    assert done.exit is not ExitCode.DONE
    assert code in done.err


def test_a_list_of_paths_is_read_relative_to_the_list(onestory: Onestory, footage: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{os.path.relpath(footage, tmp_path)}/1.mp4\n\n")
    done = onestory("curate", tmp_path / "list.txt", "--out", tmp_path / "set", *READOUT, "--json")
    assert result(done)["videos"] == 1


def test_second_curation_of_a_set_is_refused(onestory: Onestory, footage: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with locked(tmp_path / "set" / ".curate.lock", Disk()):
        done = onestory("curate", footage, "--out", tmp_path / "set", "--encoders", "none", "--cast", "none")
    assert done.exit is ExitCode.MACHINE
    assert "error[R401]" in done.err


def test_a_pipe_is_a_video_that_cannot_be_read(onestory: Onestory, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    done = onestory("curate", tmp_path / "pipe.mp4", "--out", tmp_path / "set", *READOUT, "--json")
    (fault,) = result(done)["faults"]
    assert fault["fault"] == "cannot be read: pipe.mp4 is not a regular file"
