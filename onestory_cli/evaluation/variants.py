"""Variants to compare, one per column. No torch here: invalid command lines are rejected before anything loads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from onestory_cli.memory.policies import POLICIES

Switch = tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Memory settings of a column. frames: K; budget: in latent frames of tokens; guidance: memory guidance scale."""

    name: str
    policy: str
    frames: int
    budget: float
    guidance: float = 0.0


def by_policy(policies: Sequence[str], budgets: Sequence[float], *, frames: int) -> tuple[Variant, ...]:
    """Every policy at every budget, named by the settings that differ.

    Raises:
        ValueError: a policy is unknown.
    """
    for policy in policies:
        if policy not in POLICIES:
            raise ValueError(f'unknown policy "{policy}" (expected {", ".join(POLICIES)})')
    return tuple(
        Variant(name=_name(policy, budget, policies, budgets), policy=policy, frames=frames, budget=budget)
        for policy, budget in product(policies, budgets)
    )


def by_part(selector: Switch, conditioner: Switch, budgets: Sequence[float], *, frames: int) -> tuple[Variant, ...]:
    """Selector and conditioner on or off at one budget (OneStory, Table 2a).

    Without the selector, the latest frames are used instead of the most relevant. Without the conditioner, all frames
    are at the finest level, so the budget limits their number. At a budget of 1, without both, only the last frame is
    used, as in the paper.

    Raises:
        ValueError: several budgets, or a budget too small for one frame at the finest level.
    """
    if len(budgets) > 1:
        raise ValueError("selector and conditioner are compared at one budget")
    (budget,) = budgets
    if not all(conditioner) and budget < 1:
        raise ValueError(f"without conditioner the budget must be at least 1, not {budget:g}")
    return tuple(
        Variant(
            name=_PARTS[selects, conditions],
            policy="adaptive" if selects else "recent",
            frames=frames if conditions else min(frames, math.floor(budget)),
            budget=budget,
        )
        for selects, conditions in product(selector, conditioner)
    )


def by_guidance(variants: Sequence[Variant], guidances: Sequence[float]) -> tuple[Variant, ...]:
    """Every variant at every scale of memory guidance, named by the settings that differ."""
    if len(guidances) == 1:
        return tuple(replace(variant, guidance=guidances[0]) for variant in variants)
    return tuple(
        replace(
            variant,
            guidance=guidance,
            name=f"{variant.name}, guidance {guidance:g}" if len(variants) > 1 else f"guidance {guidance:g}",
        )
        for variant, guidance in product(variants, guidances)
    )


_PARTS = {
    (True, True): "both",
    (True, False): "selector",
    (False, True): "conditioner",
    (False, False): "neither",
}


def _name(policy: str, budget: float, policies: Sequence[str], budgets: Sequence[float]) -> str:
    if len(budgets) == 1:
        return policy
    return f"budget {budget:g}" if len(policies) == 1 else f"{policy}, budget {budget:g}"
