"""One film from nothing but its directory, by a worker whose model stays from film to film."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from onestory_cli.batch.films import prepare
from onestory_cli.batch.on_slurm import FilmJob
from onestory_cli.batch.render_story import Models, Work, own_device, render_story, split_threads
from onestory_cli.events import Event, ModelLoading
from tests.batch.conftest import Tell

WORK = Work(device="cpu", threads=1)


def test_the_model_is_loaded_once_for_many_films_and_given_up_for_another(tell: Tell) -> None:
    heard, models = list[Event](), Models(WORK)
    plans = tell(3)
    for item in plans:
        prepare(item.film, item.plan)
        assert render_story(item.film.run, models, heard.append).state == "done"
    assert sum(isinstance(event, ModelLoading) for event in heard) == 1
    maker = models.loader(plans[0].plan, heard.append)()
    assert models.loader(plans[1].plan, heard.append)() is maker
    other = replace(plans[0].plan, model=replace(plans[0].plan.model, name="another"))
    assert models.loader(other, heard.append)() is not maker


def test_what_goes_wrong_with_a_film_is_its_outcome(tell: Tell, tmp_path: Path) -> None:
    outcome = render_story(tmp_path / "nowhere", Models(WORK))
    assert (outcome.state, outcome.code[:1], outcome.rendered) == ("failed", "R", 0)
    (item,) = tell(1)
    prepare(item.film, item.plan)
    assert render_story(item.film.run, Models(WORK), stop=lambda: True).state == "stopped"


def test_a_job_carries_the_name_of_a_folder_and_no_weights(tell: Tell) -> None:
    (item,) = tell(1)
    job = FilmJob(directory=item.film.run, work=WORK, stop=item.film.run / "stop", batch="this")
    assert len(pickle.dumps(job)) < 2000


@pytest.mark.parametrize(
    ("work", "threads"),
    [
        (Work(), 6),
        (Work(share=2), 3),
        (Work(share=4), 1),
        (Work(share=9), 1),
        (Work(share=2, threads=4), 4),
        (Work(threads=2), 2),
    ],
)
def test_threads_are_split_fairly(work: Work, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(6)
        split_threads(work)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("work", "gpus", "device"),
    [
        (Work(place=1), 0, "auto"),
        (Work(place=1), 2, "cuda:1"),
        (Work(place=3, device="cuda"), 2, "cuda:1"),
        (Work(place=1, device="cpu"), 2, "cpu"),
    ],
)
def test_a_worker_has_the_gpu_of_its_place(work: Work, gpus: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert own_device(work) == device
