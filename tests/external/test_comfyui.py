"""A film by a workflow on a server: memory, edits, failures, restarts and interruptions."""

from __future__ import annotations

import errno
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.external import comfyui, http, web_socket
from onestory_cli.external.check import check_model
from onestory_cli.media.conform import ConformRules
from onestory_cli.rendering.import_clip import import_clip
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import RenderOptions, render
from onestory_cli.rendering.resume import load_render_plan, load_run_plan
from onestory_cli.store.disk import Disk
from onestory_cli.store.layout import LATENTS
from onestory_cli.store.reuse import forecast
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import accepted_takes
from onestory_cli.store.takes import Take
from tests.external.conftest import plan_of, write_workflow
from tests.external.server import STRIPE, WORKFLOW, FakeComfyUi, Handler, colour


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_socket, "POLL_SECONDS", (0.005,))
    monkeypatch.setattr(comfyui, "RETRY_SECONDS", (0.05,) * 40)


def make(story: Path, *, stop: Callable[[], bool] = lambda: False) -> dict[str, Take]:
    """Render a story and return the accepted takes."""
    plan, run = plan_of(story), Run.create(story.with_name("film.run"))
    render(plan, run, generator_loader(plan, "cpu", lambda event: None), options=RenderOptions(stop=stop))
    state = run.state()
    assert state is not None
    return dict(accepted_takes(run.path, state, [job.shot for job in plan.jobs]).takes)


def remembered(take: Take) -> list[str]:
    return [str(frame) for frame in take.record.memory.selected]


def stripes(take: Take) -> list[tuple[int, ...]]:
    """The colours at the top of the first picture of a take: caption, two references, first frame."""
    picture = take.latents()[:, 0]
    return [tuple(map(int, picture[:, row * STRIPE, 0])) for row in range(4)]


def edit(story: Path, old: str, new: str) -> None:
    text = story.read_text()
    assert old in text
    story.write_text(text.replace(old, new))


def test_a_film_remembers_pictures(story: Path, server: FakeComfyUi) -> None:
    takes = make(story)
    assert {shot: remembered(take) for shot, take in takes.items()} == {
        "opening": ["@fox[0]"],
        "city": ["opening[1]", "opening[0]"],
        "road": ["city[1]", "city[0]"],
        "start": ["@fox[0]", "road[1]"],
        "dream": ["start[1]", "opening[1]"],
        "return": ["@fox[0]", "opening[1]"],
    }
    fox = (250, 120, 10)
    assert stripes(takes["opening"])[:3] == [colour("A red fox walks."), fox, fox]  # the last picture is repeated
    assert stripes(takes["start"])[3] == fox
    assert stripes(takes["city"])[1] == stripes(takes["opening"])[0]  # what its picture begins with
    assert len(server.generated) == 6
    assert len(server.uploads) == len(set(server.uploads))
    assert takes["city"].shape == (3, 2, 64, 64)
    assert takes["city"].record.environment["comfyui"] == "0.3.64"


@pytest.mark.slow
def test_an_edit_renders_only_what_remembers_it(story: Path, server: FakeComfyUi) -> None:
    make(story)
    edit(story, "A city at night", "A town at night")
    make(story)
    assert len(server.generated) == 6 + 3  # city, road and start; the last two remember only opening and start
    assert len(server.generated) == len(server.prompts)


@pytest.mark.slow
def test_a_run_resumes_from_its_directory(story: Path, server: FakeComfyUi) -> None:
    make(story)
    plan = load_run_plan(Run.open(story.with_name("film.run")))
    assert plan.model.external is not None
    assert plan.model_fingerprint == plan_of(story).model_fingerprint
    assert {decision.action for decision in forecast(plan, Run.open(story.with_name("film.run")))} == {"keep"}


@pytest.mark.slow
def test_a_prompt_that_finished_meanwhile_is_fetched(story: Path, server: FakeComfyUi) -> None:
    def killed(id: str) -> None:
        raise ConnectionError  # in the thread of the server: the connection is lost after the prompt was queued

    server.on_prompt = killed
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    takes = make(story)
    assert len(takes) == 6
    assert len(server.generated) == 6


@pytest.mark.slow
def test_a_killed_render_fetches_the_prompt_that_it_sent(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(comfyui.ComfyUiRunner, "_wait", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            make(story)
    assert len(server.prompts) == 1
    make(story)
    assert len(server.prompts) == len(server.generated) == 6


def test_an_interrupted_render_stops_the_server(story: Path, server: FakeComfyUi) -> None:
    server.seconds = 60.0
    with pytest.raises(KeyboardInterrupt):
        make(story, stop=lambda: bool(server.prompts))
    assert len(server.interrupted) == 1
    assert server.running == {}
    server.seconds = 0.0
    assert len(make(story)) == 6


@pytest.mark.slow
def test_a_restarted_server_gets_its_prompt_again(story: Path, server: FakeComfyUi) -> None:
    lost: list[str] = []

    def restart(id: str) -> None:
        if len(server.prompts) in (2, 4):
            server.forget()
            lost.append(id)
            server.refuse = 3

    server.on_prompt = restart
    assert len(make(story)) == 6
    assert len(server.generated) == 6
    assert set(server.prompts) - set(server.generated) == set(lost)


@pytest.mark.slow
def test_a_failed_node_ends_the_render_with_its_message(story: Path, server: FakeComfyUi) -> None:
    server.fail = "out of memory"
    with pytest.raises(OnestoryError, match="Sampler failed: out of memory") as caught:
        make(story)
    assert caught.value.code == "M554"
    server.fail = ""
    assert len(make(story)) == 6


def test_a_wrong_result_is_not_a_take(story: Path, server: FakeComfyUi) -> None:
    server.skip_frames = 1
    with pytest.raises(OnestoryError, match="has 4 frames instead of 5") as caught:
        make(story)
    assert caught.value.code == "M555"
    assert not list(story.with_name("film.run").glob("shots/*/*/record.json"))


@pytest.mark.slow
def test_a_missing_node_class_is_reported(story: Path, server: FakeComfyUi) -> None:
    del server.nodes["Batch"]
    model = plan_of(story).model.external
    assert model is not None
    (finding,) = check_model(model).findings
    assert 'no node class "Batch"' in finding.message
    server.nodes = {**server.nodes, "Sampler": {"required": {"seed": ("STRING",)}}}
    assert any('cannot take "seed"' in item.message for item in check_model(model).findings)
    with pytest.raises(OnestoryError) as caught:
        make(story)
    assert caught.value.code == "M553"


@pytest.mark.parametrize("answer", [None, b"[]", b"<html>", b'{"system": 3}'])
def test_another_program_at_the_address_is_reported(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    monkeypatch.setattr(Handler, "do_GET", lambda self: self._answer(answer or {}, status=200 if answer else 404))
    with pytest.raises(OnestoryError) as caught:
        make(story)
    assert caught.value.code in ("M552", "M553")
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


@pytest.mark.parametrize("answer", [b"[" * 4096, b"[1]", b"<html>", b'{"error": 3}'])
def test_a_rejection_in_another_format_is_reported(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    monkeypatch.setattr(Handler, "_prompt", lambda self, document: self._answer(answer, status=400))
    with pytest.raises(OnestoryError, match="cannot run the workflow: status 400") as caught:
        make(story)
    assert caught.value.code == "M553"


@pytest.mark.parametrize(
    "entry",
    [
        [],
        "done",
        {"status": 3},
        {"status": {"status_str": "error", "messages": [["execution_error"]]}},
        {"status": {"status_str": "error", "messages": [3]}},
        {"outputs": {"9": [1]}},
        {"outputs": []},
    ],
)
def test_a_history_of_another_form_is_refused(story: Path, server: FakeComfyUi, entry: object) -> None:
    server.entry = entry
    with pytest.raises(OnestoryError, match="does not answer as ComfyUI does") as caught:
        make(story)
    assert caught.value.code == "M552"


def test_a_server_of_another_machine_is_refused(story: Path) -> None:
    edit(story, "127.0.0.1", "192.0.2.1")
    with pytest.raises(OnestoryError) as caught:
        plan_of(story)
    assert caught.value.code == "M556"


@pytest.mark.slow
def test_a_run_cannot_name_a_server_of_another_machine(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server of a run of unknown origin; here the run was rendered with a server that counts as another machine."""
    make(story)
    run = Run.open(story.with_name("film.run"))
    assert load_render_plan(run) == load_run_plan(run)
    monkeypatch.setattr("onestory_cli.models.external.is_loopback", lambda server: False)
    with pytest.raises(OnestoryError) as caught:
        load_render_plan(run)
    assert caught.value.code == "M556"
    assert load_render_plan(run, allow_outside=True) == load_run_plan(run)


def test_a_value_without_an_input_is_refused(story: Path) -> None:
    edit(story, "shots:\n", "defaults: {guidance: 3}\nshots:\n")
    with pytest.raises(OnestoryError, match="has no input for guidance"):
        plan_of(story)


@pytest.mark.slow
def test_the_first_frame_continues_from_the_last_shot(story: Path, server: FakeComfyUi) -> None:
    nodes = {id: node for id, node in WORKFLOW.items() if id not in ("3", "4", "5")}
    inputs = {key: value for key, value in nodes["2"]["inputs"].items() if key != "reference"}
    nodes["2"] = {**nodes["2"], "inputs": inputs}
    write_workflow(story.with_name("shots.json"), nodes, {"policy": "last"})
    edit(story, ", memory: {from: [opening]}", "")
    takes = make(story)
    assert remembered(takes["opening"]) == []
    assert remembered(takes["city"]) == ["opening[1]"]
    assert stripes(takes["city"])[3] == stripes(takes["opening"])[0]
    assert stripes(takes["start"])[3] == (250, 120, 10)  # its own image


@pytest.mark.slow
def test_a_clip_is_imported_as_pictures(story: Path, server: FakeComfyUi, tmp_path: Path) -> None:
    from onestory_cli.media.video import write_clip

    write_clip(tmp_path / "camera.mp4", np.full((5, 64, 64, 3), 77, np.uint8), fps=8)
    plan, run = plan_of(story), Run(story.with_name("film.run"))
    load = generator_loader(plan, "cpu", lambda event: None)
    import_clip(plan, run, load, shot="city", clip=tmp_path / "camera.mp4", rules=ConformRules(), accept=True)
    takes = make(story)
    assert len(server.generated) == 5
    assert np.allclose(stripes(takes["road"])[1], 77, atol=2)


@pytest.mark.slow
def test_named_models_come_from_the_file_of_the_user(
    story: Path, server: FakeComfyUi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tmp_path / "models.yaml"
    rows.write_text(json.dumps({"my-vace": {"workflow": str(story.with_name("shots.json")), "server": server.address}}))
    monkeypatch.setenv("ONESTORY_MODELS", str(rows))
    edit(story, story.read_text().splitlines()[2], "model: my-vace")
    make(story)
    assert len(server.generated) == 6
    assert load_run_plan(Run.open(story.with_name("film.run"))).model.name == "my-vace"


@pytest.mark.slow
def test_a_shot_that_a_full_disk_could_not_hold_is_fetched_again(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Disk, operation: str, path: Path) -> None:
        if path.name == LATENTS and len(server.generated) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "step", full)
        with pytest.raises(OnestoryError) as caught:
            make(story)
    assert caught.value.code == "R405"
    assert len(make(story)) == 6
    texts = [json.dumps(server.prompts[id], sort_keys=True) for id in server.generated]
    assert len(texts) == len(set(texts))


@pytest.mark.slow
def test_the_key_of_api_nodes_is_sent_and_not_stored(
    story: Path, server: FakeComfyUi, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    post = http.HttpClient.post_json
    monkeypatch.setenv("COMFYUI_API_KEY", "s3cret-key")
    monkeypatch.setattr(
        http.HttpClient,
        "post_json",
        lambda self, path, document, **more: (
            sent.append(json.dumps(document).encode()),
            post(self, path, document, **more),
        ),
    )
    make(story)
    assert all(b"s3cret-key" in body for body in sent if b'"prompt"' in body)
    files = [path for path in story.with_name("film.run").rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-key" in path.read_bytes()]
