"""A benchmark from a model's card: what is told meanwhile."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.evaluation.run import measure
from onestory_cli.evaluation.suites import stories
from onestory_cli.evaluation.variants import by_policy
from onestory_cli.events import DataPrepared, Event
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.build import save_model
from tests.evaluation.conftest import WORLD


def test_the_time_left_is_told_of_films_that_are_made_alone(model: LoadedModel, tmp_path: Path) -> None:
    """True films are read at the end, when none is left to be made: that is no minute before the end."""
    save_model(model, tmp_path / "model")
    events: list[Event] = []
    suite, variants = stories(2, WORLD), by_policy(("none",), (1.0,), frames=1)
    spec = find(str(tmp_path / "model"))
    measure(spec, WORLD, suite=suite, variants=variants, seed=0, steps=1, device="cpu", emit=events.append)
    told = [(item.what, item.done) for item in events if isinstance(item, DataPrepared)]
    assert told == [("about 0 min left; films, none", 2), ("films, ceiling", 1), ("films, ceiling", 2)]
