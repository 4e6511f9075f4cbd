"""Speed, memory and interrupted runs of `onestory curate`; measures of `python -m tests.benchmarks.curation`."""

from __future__ import annotations

import argparse
import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.curation.cuts import find_shots
from onestory_cli.curation.readout_captions import ReadoutCaptioner
from onestory_cli.curation.recipe import DETECTORS, CutSettings
from onestory_cli.storyworld import WorldConfig
from tests.curation import footage

Row = dict[str, Any]
ONESTORY = (sys.executable, "-m", "onestory_cli")


def speed(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    path = long_video(folder / "speed.mp4", shots=40, size=(854, 480))
    for detector in DETECTORS:
        start, before = time.perf_counter(), time.process_time()
        found = find_shots(path, CutSettings(detector=detector), max_hours=1)
        assert found.facts
        took, used = time.perf_counter() - start, time.process_time() - before
        yield {
            "detector": detector,
            "seconds": round(found.facts.seconds, 1),
            "shots": len(found.shots),
            "x_real_time": round(found.facts.seconds / took, 1),
            "x_processor_time": round(found.facts.seconds / used, 1),
        }


def long_video(path: Path, *, shots: int, size: tuple[int, int], frames: int = 48, every: int = 1) -> Path:
    """A video of storyworld shots, scaled up, 24 frames per second; each frame is shown `every` times."""
    import cv2

    film = footage.storyworld_film(6000, min(shots, 12), WorldConfig(size=128, frames=frames))
    parts = np.split(film.pixels_PHWC, min(shots, 12))
    with footage.open_writer(path, size, 24, preset="ultrafast") as writer:
        for index in range(shots):
            for frame in parts[index % len(parts)]:
                large = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
                for _ in range(every):
                    writer(large)
    return path


def curate(videos: Path, out: Path, *more: str) -> list[str]:
    """A command line that needs no weights."""
    plain = ("--encoders", "none", "--cast", "readout", "--captioner", "readout", "--device", "cpu")
    return [*ONESTORY, "curate", str(videos), "--out", str(out), *plain, *more]


def rerun(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """`--films` videos of four shots; the issue of speed is start-up, digests and reading of results."""
    import resource

    videos = small_videos(folder / "videos", given.films)
    for run in ("first", "second"):
        start = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(curate(videos, folder / "set"), check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        seconds = {"seconds": round(time.monotonic() - start, 2), "processor_seconds": round(used, 2)}
        yield {"run": run, "videos": given.films, **seconds}


def small_videos(folder: Path, count: int) -> Path:
    folder.mkdir()
    config = WorldConfig(size=64, frames=20, fps=16)
    for seed in range(count):
        footage.write(folder / f"{seed:04}.mp4", footage.storyworld_film(seed, 4, config).pixels_PHWC, 16)
    return folder


def kills(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """SIGKILL at a random instant of a run, `--films` times, each followed by a whole run.

    Runs are forks of this process, which has loaded all libraries: most of the time of a new one would be its start.
    """
    videos = small_videos(folder / "videos", 4)
    assert ReadoutCaptioner().networks  # loads the libraries
    start = time.monotonic()
    assert _wait(_fork(videos, folder / "whole")) == 0
    whole = time.monotonic() - start
    rng = random.Random(0)
    truth = (folder / "whole/shots.jsonl").read_bytes()
    same = killed = runs = kept = 0
    while killed < given.films:
        out = folder / f"killed-{runs}"
        process = _fork(videos, out)
        time.sleep(rng.uniform(0, whole))
        os.kill(process, signal.SIGKILL)
        killed += _wait(process) == -signal.SIGKILL  # a run that had ended before is not counted
        runs += 1
        kept += sum(file.stat().st_size for file in out.glob("stages/*/*.jsonl"))
        assert _wait(_fork(videos, out)) == 0
        same += (out / "shots.jsonl").read_bytes() == truth
        if runs % 10 == 0 or killed == given.films:
            yield {"runs": runs, "killed": killed, "same_manifest": same, "bytes_kept_by_all": kept}


def _fork(videos: Path, out: Path) -> int:
    """Start `onestory curate` in a copy of this process; return the id of that process."""
    arguments = curate(videos, out)[len(ONESTORY) :]
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        code = int(cli.run(arguments, Console(stdout=io.StringIO(), stderr=io.StringIO(), color=False)))
    finally:
        os._exit(code)


def _wait(process: int) -> int:
    """Return the exit code of a process, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def memory(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """Cuts and filters of two hours at 24 frames per second, 160x90, so that making it is cheap; without networks."""
    import resource

    minute = long_video(folder / "minute.mp4", shots=15, size=(160, 90), frames=24, every=4)
    path = repeat_video(minute, folder / "long.mp4", 120)
    words = ("--out", str(folder / "set"), "--encoders", "none", "--cast", "none", "--device", "cpu")
    start = time.monotonic()
    subprocess.run([*ONESTORY, "curate", str(path), *words], check=True, capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    yield {"hours": 2.0, "seconds": round(time.monotonic() - start), "peak_mb": round(peak)}


def repeat_video(video: Path, path: Path, times: int) -> Path:
    """Write a video `times` times in a row, without encoding it again; return the path."""
    with av.open(str(video)) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        packets: Any = [packet for packet in source.demux(video=0) if packet.size]
        length = max(packet.pts + packet.duration for packet in packets)
        for shift in range(0, times * length, length):
            for packet in packets:
                shifted = av.Packet(bytes(packet))
                shifted.pts, shifted.dts, shifted.duration = packet.pts + shift, packet.dts + shift, packet.duration
                shifted.is_keyframe, shifted.time_base, shifted.stream = packet.is_keyframe, packet.time_base, stream
                copy.mux(shifted)
    return path
