"""Films generated in a batch equal those generated one by one, up to rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from onestory_cli.generation.denoise import DenoiseConfig
from onestory_cli.generation.rollout import RolloutConfig, RolloutFilm, roll_out
from onestory_cli.generation.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.load import LoadedModel
from tests.tiny import job_of

FILM = RolloutFilm(captions=("A red fox waves on a beach.", "A city at night.", "The same fox jumps."))
OTHER = RolloutFilm(captions=("A green frog stands in a meadow.", "The frog waves.", "The frog jumps."))
SCHEDULE = DenoiseConfig(name="euler", steps=2, shift=2.0, guidance=2.0)


def rolled(
    model: LoadedModel, films: Sequence[RolloutFilm], *, chosen: list[torch.Tensor] | None = None, **settings: Any
) -> list[torch.Tensor]:
    config = RolloutConfig(**{"policy": "adaptive", "denoise": SCHEDULE, **settings})
    return list(roll_out(model, films, config, selections=chosen))


def test_one_film_equals_its_shots_generated_one_by_one(tiny_model: LoadedModel) -> None:
    chosen: list[torch.Tensor] = []
    films = rolled(tiny_model, [FILM], seed=40, chosen=chosen)
    bank = MemoryBank(channels=4, height=8, width=8)
    for index, caption in enumerate(FILM.captions):
        job = replace(job_of(tiny_model.spec), shot=str(index), caption=caption, seed=40 + index)
        made = generate_shot(tiny_model, job, bank)
        torch.testing.assert_close(films[index][0], torch.from_numpy(made.latents_CTHW), atol=1e-4, rtol=0)
        assert [bank.refs[place].source for place in chosen[index][0]] == [item.source for item in made.selection]
        bank.add(str(index), torch.from_numpy(made.latents_CTHW))
    assert [tuple(item.shape) for item in chosen] == [(1, 0), (1, 2), (1, 3)]


def test_films_are_independent(tiny_model: LoadedModel) -> None:
    both = rolled(tiny_model, [OTHER, FILM], seed=0)
    alone = rolled(tiny_model, [FILM], seed=1000)
    for together, apart in zip(both, alone, strict=True):
        assert together.shape == (2, 4, 2, 8, 8)
        torch.testing.assert_close(together[1:], apart, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("policy", "counts"), [("none", [0, 0, 0]), ("last", [0, 1, 1]), ("recent", [0, 2, 3])])
def test_the_policy_decides_what_is_selected(tiny_model: LoadedModel, policy: str, counts: list[int]) -> None:
    chosen: list[torch.Tensor] = []
    rolled(tiny_model, [FILM], policy=policy, chosen=chosen)
    assert [item.shape[1] for item in chosen] == counts


def test_coverage_reads_the_names_of_each_film(tiny_model: LoadedModel) -> None:
    chosen: list[torch.Tensor] = []
    films = [replace(film, shown=[(), (), [(str(first),)]]) for film, first in ((FILM, 0), (OTHER, 1))]
    rolled(tiny_model, films, policy="coverage", frames=1, chosen=chosen)
    assert [place // 2 for place in chosen[2][:, 0].tolist()] == [0, 1]


def test_shots_that_introduce_a_character_have_no_memory_guidance(tiny_model: LoadedModel) -> None:
    led = replace(SCHEDULE, memory_guidance=2.0)
    films = [OTHER, FILM]
    new = [replace(OTHER, introduces=[True, False, False]), replace(FILM, introduces=[True, True, False])]
    plain = rolled(tiny_model, films)
    guided = rolled(tiny_model, films, denoise=led)
    mixed = rolled(tiny_model, new, denoise=led)
    torch.testing.assert_close(mixed[1][0], guided[1][0], atol=1e-4, rtol=0)
    torch.testing.assert_close(mixed[1][1], plain[1][1], atol=1e-4, rtol=0)
    assert not torch.allclose(plain[1], guided[1], atol=1e-2)


def test_frames_and_budget_can_be_set(tiny_model: LoadedModel) -> None:
    chosen: list[torch.Tensor] = []
    usual = rolled(tiny_model, [FILM], policy="recent")
    fewer = rolled(tiny_model, [FILM], policy="recent", frames=1, chosen=chosen)
    cheap = rolled(tiny_model, [FILM], policy="recent", budget=0.5)
    assert [item.shape[1] for item in chosen] == [0, 1, 1]
    assert torch.equal(usual[0], fewer[0])
    assert not torch.allclose(usual[1], fewer[1])
    assert not torch.allclose(usual[1], cheap[1])
