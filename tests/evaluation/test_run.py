"""A benchmark of a model folder: its progress events."""

from __future__ import annotations

from pathlib import Path

from onestory_cli.evaluation.rollouts import BenchmarkSettings
from onestory_cli.evaluation.run import measure
from onestory_cli.evaluation.suites import stories
from onestory_cli.evaluation.variants import by_policy
from onestory_cli.events import DataPrepared, Event
from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.models.catalog import find
from onestory_cli.models.load import LoadedModel
from onestory_cli.training.build import save_model
from tests.evaluation.conftest import WORLD


def test_estimated_time_covers_generated_films_only(model: LoadedModel, tmp_path: Path) -> None:
    """True films are rendered at the end, when no film is left to generate."""
    save_model(model, tmp_path / "model")
    events: list[Event] = []
    suite, variants = stories(2, WORLD), by_policy(("none",), (1.0,), frames=1)
    spec = find(str(tmp_path / "model"))
    settings = BenchmarkSettings(schedule=DenoiseConfig.of_model(spec, steps=1))
    measure(spec, WORLD, suite=suite, variants=variants, settings=settings, device="cpu", emit=events.append)
    progress = [(item.what, item.done) for item in events if isinstance(item, DataPrepared)]
    assert progress == [("about 0 min left; films, none", 2), ("films, ceiling", 1), ("films, ceiling", 2)]
