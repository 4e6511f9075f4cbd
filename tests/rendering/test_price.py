"""The price of a plan counts the passes and the memory of the shots that are not certain to be reused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onestory_cli.rendering.feasibility import part_sizes
from onestory_cli.rendering.price import passes_of, price_of
from onestory_cli.store.reuse import forecast
from tests.films import plan_of, shot


def test_guidance_and_memory_guidance_cost_passes() -> None:
    plan = plan_of(shot("a"), shot("b"))
    job = replace(plan.jobs[1], steps=10, guidance=1.0, guidance_2=None)
    assert passes_of(job) == 10
    assert passes_of(replace(job, guidance=4.0)) == 20
    assert passes_of(replace(job, guidance_2=4.0)) == 20
    assert passes_of(replace(job, guidance=4.0, memory=replace(job.memory, guidance=2.0))) == 30
    assert passes_of(replace(job, memory=replace(job.memory, guidance=2.0, sources=()))) == 10


def test_price_of_a_new_film_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onestory_cli.rendering.price.part_sizes", lambda spec: None)
    plan = plan_of(shot("a"), shot("b"))
    price = price_of(plan, forecast(plan, None))
    assert (price.seconds, price.gigabytes) == (None, None)
    assert price.passes == sum(map(passes_of, plan.jobs))


def test_price_of_a_published_model_names_its_memory() -> None:
    from onestory_cli.models.catalog import CATALOG

    spec = CATALOG["wan2.1-t2v-1.3b"]
    parts = part_sizes(spec)
    assert parts
    plan = replace(plan_of(shot("a")), model=spec)
    gigabytes = price_of(plan, forecast(plan, None)).gigabytes
    assert gigabytes is not None
    assert sum(parts.sizes.values()) / 1e9 < gigabytes < 40
