"""`onestory export --to comfyui`: workflows that ComfyUI runs without onestory, and the way back by `take import`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from onestory_cli.errors import OnestoryError
from onestory_cli.export.workflows import ShotWorkflow, export_workflows, workflow_of
from onestory_cli.external.http import HttpClient
from onestory_cli.media.conform import ConformRules
from onestory_cli.media.video import write_clip
from onestory_cli.models import character_crops
from onestory_cli.models.detection import Box
from onestory_cli.planning import crops
from onestory_cli.planning.jobs import CharacterCrop
from onestory_cli.rendering import loading
from onestory_cli.rendering.import_clip import import_clip
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import render
from onestory_cli.store.run import Run
from tests.external.conftest import plan_of, write_workflow
from tests.external.server import STRIPE, WORKFLOW, FakeComfyUi, colour


def export(story: Path, *, force: bool = False) -> dict[str, ShotWorkflow]:
    plan, run = plan_of(story), Run(story.with_name("film.run"))
    load = generator_loader(plan, "cpu", lambda event: None)
    path = story.with_name("comfyui")
    return {item.shot: item for item in export_workflows(plan, run, workflow_of(plan, None), load, path, force=force)}


def run_in_comfyui(story: Path, shot: ShotWorkflow, server: FakeComfyUi) -> np.ndarray:
    """What a user does: copy the pictures into the input folder, run the workflow. Returns the frames."""
    folder = story.with_name("comfyui")
    for name in shot.pictures:
        server.pictures[name.rpartition("/")[2]] = (folder / "input" / name).read_bytes()
    client = HttpClient(server.address)
    nodes = json.loads((folder / shot.workflow).read_text())
    client.post_json("/prompt", {"prompt": nodes, "prompt_id": shot.shot})
    (output,) = client.get_map(f"/history/{shot.shot}", {})[shot.shot]["outputs"].values()
    pictures = [server.pictures[entry["filename"]] for entry in output["images"]]
    return np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in pictures])


def import_as_take(story: Path, shot: str, pixels_PHWC: np.ndarray) -> None:
    clip = story.with_name(f"{shot}.mp4")
    write_clip(clip, pixels_PHWC, fps=8)
    plan, run = plan_of(story), Run(story.with_name("film.run"))
    load = generator_loader(plan, "cpu", lambda event: None)
    import_clip(plan, run, load, shot=shot, clip=clip, rules=ConformRules(), accept=True)


def test_exported_workflows_give_the_takes_of_the_film(story: Path, server: FakeComfyUi) -> None:
    write_workflow(story.with_name("shots.json"), card={"memory_frames": 2})
    first = export(story)
    assert first["opening"].missing == ()
    assert first["city"].missing == ("opening",)
    pixels_PHWC = run_in_comfyui(story, first["opening"], server)
    assert tuple(pixels_PHWC[0, 0, 0]) == colour("A red fox walks.")
    assert tuple(pixels_PHWC[0, STRIPE, 0]) == (250, 120, 10)  # the picture of the fox
    import_as_take(story, "opening", pixels_PHWC)

    second = export(story, force=True)
    assert second["city"].missing == ()
    assert len(second["city"].pictures) == 2
    remembered = tuple(run_in_comfyui(story, second["city"], server)[0, STRIPE, 0].astype(int))
    assert np.abs(np.subtract(remembered, colour("A red fox walks."))).max() <= 12  # the clip is lossy


def test_an_export_is_replaced_only_by_force(story: Path) -> None:
    export(story)
    with pytest.raises(OnestoryError, match="already exists"):
        export(story)
    assert export(story, force=True)
    (story.with_name("comfyui") / "notes.txt").write_text("mine")
    with pytest.raises(OnestoryError, match="already exists"):
        export(story, force=True)


def test_a_workflow_that_needs_a_picture_is_reported(story: Path, server: FakeComfyUi) -> None:
    nodes = {id: node for id, node in WORKFLOW.items() if id not in ("3", "4", "5")}
    inputs = {key: value for key, value in nodes["2"]["inputs"].items() if key != "reference"}
    nodes["2"] = {**nodes["2"], "inputs": inputs}
    write_workflow(story.with_name("shots.json"), nodes, {"policy": "last"})
    story.write_text(story.read_text().replace(", image: fox.png}}", "}}").replace(", memory: {policy: storymem}", ""))
    server.nodes["Sampler"] = {"required": server.nodes["Sampler"]["required"] | {"first": ("IMAGE",)}}
    with pytest.raises(OnestoryError, match="cannot run without a picture") as caught:
        export(story)
    assert caught.value.code == "M554"
    assert not story.with_name("comfyui").exists()


def test_another_model_needs_a_template(story: Path) -> None:
    story.write_text(
        "story: 1\ntitle: x\nmodel: storyworld\nshots:\n  - {id: a, caption: A red fox walks right on a beach.}\n"
    )
    plan = plan_of(story)
    with pytest.raises(OnestoryError, match='"storyworld" is not a workflow') as caught:
        workflow_of(plan, None)
    assert caught.value.code == "X806"
    assert workflow_of(plan, story.with_name("shots.json")).references == 2


CROPPED = """\
story: 1
title: Two places
model: {{workflow: shots.json, server: "{server}"}}
characters: {{fox: {{look: a red fox}}}}
settings: {{beach: {{look: a beach}}, city: {{look: a city}}}}
shots:
  - {{id: opening, caption: $fox walks on $beach.}}
  - {{id: arrival, caption: $fox walks in $city.}}
"""


def test_remembered_pictures_are_cropped_as_in_a_render(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting changes, so the second shot remembers only the character: here, whatever is in a box."""
    fox = Box(left=16, top=24, right=40, bottom=56, score=1.0)
    detector = SimpleNamespace(find=lambda frames, looks: [[fox] * len(frames) for _ in looks])
    monkeypatch.setattr(
        crops, "_detector", lambda name: CharacterCrop(detector="any", weights="", looks=(), sources=())
    )
    monkeypatch.setattr(character_crops, "load_downloaded_detector", lambda name: detector)
    monkeypatch.setattr(loading, "require_detectors", lambda plan: None)
    story.write_text(CROPPED.format(server=server.address))
    plan, run = plan_of(story), Run.create(story.with_name("film.run"))
    render(plan, run, generator_loader(plan, "cpu", lambda event: None))
    *_, sent = server.prompts.values()
    exported = export(story)["arrival"]
    assert list(exported.pictures) == list(dict.fromkeys(sent[node]["inputs"]["image"] for node in ("3", "4")))
    pixels_HWC = np.asarray(Image.open(story.with_name("comfyui") / "input" / exported.pictures[0]))
    assert pixels_HWC.shape == (64, 64, 3)
    assert (pixels_HWC[:, :4] == 255).all()  # a narrow box on white
    assert (pixels_HWC[32, 32] < 200).all()  # the noise of the server in the middle
