"""Many films at once are what they are one by one, but for rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from onestory_cli.generate.denoise import DenoiseConfig
from onestory_cli.generate.rollout import roll_out
from onestory_cli.generate.shot import generate_shot
from onestory_cli.memory.bank import MemoryBank
from onestory_cli.models.load import LoadedModel
from tests.tiny import job_of

FILM = ("A red fox waves on a beach.", "A city at night.", "The same fox jumps.")
OTHER = ("A green frog stands in a meadow.", "The frog waves.", "The frog jumps.")
SCHEDULE = DenoiseConfig(name="euler", steps=2, shift=2.0, guidance=2.0)


def test_a_film_alone_is_its_shots_one_by_one(tiny_model: LoadedModel) -> None:
    chosen: list[torch.Tensor] = []
    films = list(roll_out(tiny_model, [FILM], policy="adaptive", schedule=SCHEDULE, seed=40, selections=chosen))
    bank = MemoryBank(channels=4, height=8, width=8)
    for index, caption in enumerate(FILM):
        job = replace(job_of(tiny_model.spec), shot=str(index), caption=caption, seed=40 + index)
        made = generate_shot(tiny_model, job, bank)
        torch.testing.assert_close(films[index][0], torch.from_numpy(made.latents_CTHW), atol=1e-4, rtol=0)
        assert [bank.refs[place].source for place in chosen[index][0]] == [item.source for item in made.selection]
        bank.add(str(index), torch.from_numpy(made.latents_CTHW))
    assert [tuple(item.shape) for item in chosen] == [(1, 0), (1, 2), (1, 3)]


def test_films_do_not_mix(tiny_model: LoadedModel) -> None:
    both = list(roll_out(tiny_model, [OTHER, FILM], policy="adaptive", schedule=SCHEDULE, seed=0))
    alone = list(roll_out(tiny_model, [FILM], policy="adaptive", schedule=SCHEDULE, seed=1000))
    for together, apart in zip(both, alone, strict=True):
        assert together.shape == (2, 4, 2, 8, 8)
        torch.testing.assert_close(together[1:], apart, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("policy", "counts"), [("none", [0, 0, 0]), ("last", [0, 1, 1]), ("recent", [0, 2, 3])])
def test_the_policy_decides_what_is_selected(tiny_model: LoadedModel, policy: str, counts: list[int]) -> None:
    chosen: list[torch.Tensor] = []
    list(roll_out(tiny_model, [FILM], policy=policy, schedule=SCHEDULE, selections=chosen))
    assert [item.shape[1] for item in chosen] == counts


def test_each_film_covers_what_its_own_captions_name(tiny_model: LoadedModel) -> None:
    chosen: list[torch.Tensor] = []
    shown = [[(), (), [(str(first),)]] for first in (0, 1)]
    films = roll_out(
        tiny_model, [FILM, OTHER], policy="coverage", schedule=SCHEDULE, frames=1, shown=shown, selections=chosen
    )
    list(films)
    assert [place // 2 for place in chosen[2][:, 0].tolist()] == [0, 1]


def test_who_is_introduced_is_not_guided_by_the_memory(tiny_model: LoadedModel) -> None:
    led = replace(SCHEDULE, memory_guidance=2.0)
    films, new = [OTHER, FILM], [[True, False, False], [True, True, False]]
    plain = list(roll_out(tiny_model, films, policy="adaptive", schedule=SCHEDULE))
    guided = list(roll_out(tiny_model, films, policy="adaptive", schedule=led))
    mixed = list(roll_out(tiny_model, films, policy="adaptive", schedule=led, introduces=new))
    torch.testing.assert_close(mixed[1][0], guided[1][0], atol=1e-4, rtol=0)
    torch.testing.assert_close(mixed[1][1], plain[1][1], atol=1e-4, rtol=0)
    assert not torch.allclose(plain[1], guided[1], atol=1e-2)


def test_frames_and_budget_can_be_set(tiny_model: LoadedModel) -> None:
    chosen: list[torch.Tensor] = []
    usual = list(roll_out(tiny_model, [FILM], policy="recent", schedule=SCHEDULE))
    fewer = list(roll_out(tiny_model, [FILM], policy="recent", schedule=SCHEDULE, frames=1, selections=chosen))
    cheap = list(roll_out(tiny_model, [FILM], policy="recent", schedule=SCHEDULE, budget=0.5))
    assert [item.shape[1] for item in chosen] == [0, 1, 1]
    assert torch.equal(usual[0], fewer[0])
    assert not torch.allclose(usual[1], fewer[1])
    assert not torch.allclose(usual[1], cheap[1])
