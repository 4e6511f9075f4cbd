"""A film by a real ComfyUI server on the processor, with core nodes only.

ONESTORY_COMFYUI is the folder of ComfyUI's source, ONESTORY_COMFYUI_PYTHON a Python with its requirements:

    pytest -m comfyui tests/external/test_real_comfyui.py
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import onestory_cli
from onestory_cli.errors import OnestoryError
from onestory_cli.external.check import check_model
from onestory_cli.external.http import NO_RETRY, HttpClient
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import accepted_takes
from onestory_cli.store.takes import Take
from onestory_cli.store.verify import find_damage
from tests.external.conftest import plan_of

SOURCE, PYTHON = os.environ.get("ONESTORY_COMFYUI"), os.environ.get("ONESTORY_COMFYUI_PYTHON", sys.executable)
pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(SOURCE is None, reason="needs ComfyUI: set ONESTORY_COMFYUI to the folder of its source"),
]

NODE_INPUTS = Path(onestory_cli.__file__).parent / "external" / "node_inputs.json"
WIDTH, HEIGHT, NOISE = 128, 64, 0.3
START_SECONDS = 300


def node(kind: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    """A node in API format; an input that is the id of a node is a link to its first output."""
    linked = {key: [value[1:], 0] if str(value).startswith("@") else value for key, value in inputs.items()}
    return {"class_type": kind, "inputs": linked, "_meta": {"title": title}}


def workflow(**pictures: str) -> dict[str, Any]:
    """The length of the caption is the blue value, the seed the noise; pictures are at the top, from the left."""
    nodes = {
        "1": node("PrimitiveString", "onestory:caption", value="a"),
        "2": node("StringLength", string="@1"),
        "3": node("EmptyImage", "onestory:width, height, frames", width=WIDTH, height=HEIGHT, batch_size=9, color="@2"),
        "4": node("ImageAddNoise", "onestory:seed", image="@3", seed=1, strength=NOISE),
    }
    last = "@4"
    for place, (id, name) in enumerate(pictures.items()):
        nodes[f"{id}0"] = node("LoadImage", f"onestory:{name}", image="none.png")
        nodes[f"{id}1"] = node(
            "ImageScale", image=f"@{id}0", upscale_method="area", width=32, height=16, crop="disabled"
        )
        nodes[f"{id}2"] = node(
            "ImageCompositeMasked", destination=last, source=f"@{id}1", x=place * 32, y=0, resize_source=False
        )
        last = f"@{id}2"
    return {**nodes, "99": node("SaveImage", "onestory:output", images=last, filename_prefix="film")}


STORY = """\
story: 1
title: Six shots
model: {{workflow: shots.json, server: "{server}"}}
characters: {{fox: {{look: a red fox}}}}
shots:
  - {{id: opening, caption: $fox walks.}}
  - {{id: city, caption: A city at night.}}
  - {{id: road, caption: A long and winding road.}}
  - {{id: dream, caption: A dream., memory: {{policy: storymem}}}}
  - {{id: town, caption: A town.}}
  - {{id: return, caption: $fox waves., memory: {{from: [opening]}}}}
"""


class RealComfyUi:
    """A ComfyUI process with folders of its own. `executed` counts the prompts that it has finished."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._log = folder, folder / "server.log"
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def executed(self) -> int:
        return self._log.read_text(errors="replace").count("Prompt executed")

    def start(self) -> None:
        folders = [f"--{name}-directory={self._folder / name}" for name in ("output", "input", "temp", "user")]
        for name in ("output", "input", "temp", "user"):
            (self._folder / name).mkdir(exist_ok=True)
        options = ["--cpu", "--disable-all-custom-nodes", "--disable-auto-launch", f"--port={self._port}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PYTHON, "main.py", *options, *folders], cwd=SOURCE, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                HttpClient(self.address, retry_seconds=NO_RETRY).get_map("/system_stats", {})
                return
            except OnestoryError:
                assert self._process.poll() is None, self._log.read_text(errors="replace")[-2000:]
                time.sleep(0.2)
        raise AssertionError("ComfyUI does not start")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def wait_for(self, prompts: int) -> None:
        end = time.monotonic() + 120
        while self.executed < prompts:
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealComfyUi]:
    server = RealComfyUi(tmp_path_factory.mktemp("comfyui"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def story(tmp_path: Path, comfyui: RealComfyUi) -> Path:
    nodes = workflow(a="reference_1", b="reference_2")
    nodes["x-test"] = node("PrimitiveString", value=str(tmp_path))  # another prompt in each test: nothing is cached
    (tmp_path / "shots.json").write_text(json.dumps(nodes))
    (tmp_path / "shots.onestory.json").write_text(json.dumps({"fps": 8, "max_frames": 17, "policy": "recent"}))
    path = tmp_path / "film.story.yaml"
    path.write_text(STORY.format(server=comfyui.address))
    return path


def render(story: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "onestory_cli", "render", str(story)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> int:
    process.communicate(timeout=300)
    return process.returncode


def accepted(story: Path) -> dict[str, Take]:
    run = Run.open(story.with_name("film.run"))
    state = run.state()
    assert state is not None
    assert find_damage(run, run.takes_by_shot()) == ()
    return dict(accepted_takes(run.path, state, [job.shot for job in plan_of(story).jobs]).takes)


def test_a_film_and_an_edit(story: Path, comfyui: RealComfyUi) -> None:
    before = comfyui.executed
    model = plan_of(story).model.external
    assert model is not None
    assert check_model(model).findings == ()
    assert finish(render(story)) == 0
    assert comfyui.executed == before + 6
    takes = accepted(story)
    for shot, job in ((job.shot, job) for job in plan_of(story).jobs):
        pictures_CTHW = takes[shot].latents()
        blue = pictures_CTHW[2, :, 32:].mean()
        assert abs(blue - takes["opening"].latents()[2, :, 32:].mean()) < 15
        for place, frame in enumerate(takes[shot].record.memory.selected):
            seen = pictures_CTHW[:, 0, :16, place * 32 : (place + 1) * 32].transpose(1, 2, 0)
            given = Image.fromarray(takes[frame.source].latents()[:, frame.index].transpose(1, 2, 0))
            expected = np.asarray(given.resize((32, 16), Image.Resampling.BOX))
            assert np.abs(seen.astype(int) - expected).mean() < 2, (shot, frame, job.seed)
    story.write_text(story.read_text().replace("A city at night", "A city at noon"))
    assert finish(render(story)) == 0
    assert comfyui.executed == before + 6 + 4  # all but the opening, and the return, which remembers only that
    assert accepted(story)["return"].digest == takes["return"].digest


def test_the_first_frame_is_the_last_picture(story: Path, comfyui: RealComfyUi) -> None:
    Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 90)).save(story.with_name("start.png"))
    story.with_name("shots.json").write_text(json.dumps(workflow(a="first_frame")))
    card = {"fps": 8, "from_text": False, "temporal_stride": 8}
    story.with_name("shots.onestory.json").write_text(json.dumps(card))
    text = STORY.format(server=comfyui.address).replace("$fox walks.}", "$fox walks., image: start.png}")
    story.write_text(text.replace(", memory: {policy: storymem}", "").replace(", memory: {from: [opening]}", ""))
    assert finish(render(story)) == 0
    takes = accepted(story)
    assert np.abs(takes["opening"].latents()[:, 0, :16, :32].mean((1, 2)) - (200, 30, 90)).max() < 2
    assert [str(frame) for frame in takes["city"].record.memory.selected] == ["opening[1]"]


def test_a_killed_render_loses_and_repeats_nothing(story: Path, comfyui: RealComfyUi) -> None:
    before = comfyui.executed
    for finished in (1, 3, 4):
        process = render(story)
        comfyui.wait_for(before + finished)
        process.kill()
        process.communicate()
    assert finish(render(story)) == 0
    assert len(accepted(story)) == 6
    assert comfyui.executed == before + 6


def test_a_killed_server_is_waited_for(story: Path, comfyui: RealComfyUi) -> None:
    before = comfyui.executed
    process = render(story)
    comfyui.wait_for(before + 2)
    comfyui.kill()
    comfyui.start()
    status = finish(process)
    assert status in (0, 3)  # 3: the server took longer than onestory waits
    assert status == 0 or finish(render(story)) == 0
    assert len(accepted(story)) == 6
    assert comfyui.executed <= before + 7  # at most the prompt that the server lost


def test_the_list_of_node_inputs_is_that_of_comfyui(comfyui: RealComfyUi) -> None:
    """Nodes of newer versions than this one are skipped."""
    document = json.loads(NODE_INPUTS.read_text())
    client, checked = HttpClient(comfyui.address), 0
    for kind, node in document["nodes"].items():
        info = client.get_map(f"/object_info/{kind}", {}) if kind not in document["newer"] else {}
        for group in ("required", "optional") if info else ():
            inputs = info[kind]["input"].get(group, {})
            assert {name: kind_of(spec) for name, spec in inputs.items()} == node[group], kind
        checked += bool(info)
    assert checked >= 20


def kind_of(spec: list[Any]) -> str:
    return "COMBO" if isinstance(spec[0], list) else str(spec[0])


def test_the_web_socket_reports_nodes(story: Path, comfyui: RealComfyUi) -> None:
    nodes = workflow(a="reference_1")
    nodes["3"]["inputs"] |= {"width": 832, "height": 480, "batch_size": 17}  # seconds of work
    story.with_name("shots.json").write_text(json.dumps(nodes))
    story.write_text("\n".join(story.read_text().splitlines()[:6]))
    command = [sys.executable, "-m", "onestory_cli", "render", str(story), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = map(json.loads, done.stdout.splitlines())
    assert {"ImageAddNoise", "SaveImage"} <= {line["node"] for line in lines if line.get("event") == "NodeStep"}
