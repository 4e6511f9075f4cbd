"""The schedulers that `scheduler:` can name. A diffusers scheduler is made when it is used; no torch at load time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from onestory_cli.utils.plugins import PluginTable

# (steps, shift, device) -> a scheduler as in diffusers, with its timesteps set. `shift` is the flow shift of the
# sigmas: sigma -> shift * sigma / (1 + (shift - 1) * sigma).
SchedulerBuilder = Callable[[int, float, Any], Any]


def _euler(steps: int, shift: float, device: Any) -> Any:
    import numpy as np
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    # explicit sigmas: the scheduler's own default would apply the shift twice
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps), device=device)
    return scheduler


def _heun(steps: int, shift: float, device: Any) -> Any:
    """Two evaluations of the model per step except the last: `steps` counts evaluations, rounded down to odd."""
    from diffusers import FlowMatchHeunDiscreteScheduler

    scheduler = FlowMatchHeunDiscreteScheduler(shift=shift)
    scheduler.set_timesteps((steps + 1) // 2, device=device)
    return scheduler


def _multistep(name: str, steps: int, shift: float, device: Any) -> Any:
    """A diffusers scheduler that takes flow sigmas by its arguments."""
    import diffusers

    scheduler = getattr(diffusers, name)(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    scheduler.set_timesteps(steps, device=device)
    return scheduler


# Deterministic ones only: a stochastic scheduler draws noise in every step, which no take could repeat.
SCHEDULERS: PluginTable[SchedulerBuilder] = PluginTable(
    "onestory.schedulers",
    {
        "euler": _euler,
        "unipc": partial(_multistep, "UniPCMultistepScheduler"),
        "FlowMatchEulerDiscreteScheduler": _euler,
        "FlowMatchHeunDiscreteScheduler": _heun,
        **{
            name: partial(_multistep, name)
            for name in (
                "UniPCMultistepScheduler",
                "DPMSolverMultistepScheduler",
                "DPMSolverSinglestepScheduler",
                "DEISMultistepScheduler",
            )
        },
    },
)
