"""The films that are attacked: one by an arithmetic model, one by a tiny model of the real classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onestory_cli.planning.jobs import Plan
from onestory_cli.planning.planner import make_plan
from onestory_cli.rendering.generator import ShotGenerator
from onestory_cli.story.types import Story
from tests.films import NumpyGenerator, plan_of, shot

REFERRING = "The same fox waves on the beach. Close-up."


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film to render; `load` is called in the process that renders it."""

    name: str
    plan: Plan
    load: Callable[[], ShotGenerator]


def film_of_numbers() -> Film:
    """Three shots of three steps, in a fraction of a second."""
    return Film(name="numbers", plan=plan_of(shot("opening"), shot("city"), shot("return")), load=NumpyGenerator)


def film_of_a_real_model(folder: Path) -> Film:
    """Three shots of five steps by UniPC, from a model of the real classes that is written to `folder`. Needs torch."""
    import torch

    from onestory_cli.models.catalog import find
    from onestory_cli.models.fingerprint import fingerprint
    from onestory_cli.models.load import load_model
    from onestory_cli.rendering.model_generator import ModelGenerator
    from onestory_cli.training.build import save_model
    from tests.tiny import tiny_built

    save_model(tiny_built(), folder)
    spec = find(str(folder))
    captions = {"opening": "A red fox walks on a beach.", "city": "A city at night.", "return": REFERRING}
    shots = tuple(shot(id, caption, steps=5, scheduler="unipc") for id, caption in captions.items())
    story = Story(path="film.story.yaml", source=b"a story", shots=shots, title="Tiny", model=str(folder), seed=7)
    plan, _ = make_plan(story, spec, model_fingerprint=fingerprint(spec.files.base))
    model = load_model(spec, "cpu")

    def load() -> ShotGenerator:
        # this runs in a forked child, without the OpenMP threads of its parent: more than one would wait forever
        torch.set_num_threads(1)
        return ModelGenerator(spec, lambda: model, lambda reader: model)

    return Film(name="tiny model", plan=plan, load=load)
