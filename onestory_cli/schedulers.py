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


# FastVideo, DmdDenoisingStage: timesteps 1000, 757, 522 are looked up in a schedule that is already shifted by 8. These
# are the sigmas before that shift.
_DMD_SIGMAS = (1.0, 0.28, 0.12)


def _dmd(steps: int, shift: float, device: Any) -> Any:
    """Predict clean latents, then add new noise for the next step. With a shift of 8 the timesteps are 1000, 757, 522.

    Raises:
        ValueError: `steps` is not 3.
    """
    import numpy as np
    from diffusers import FlowMatchEulerDiscreteScheduler

    if steps != FIXED_STEPS["dmd"]:
        raise ValueError(f"the scheduler dmd takes {FIXED_STEPS['dmd']} steps, not {steps}")
    sigmas = np.array(_DMD_SIGMAS)
    # the model was trained at whole timesteps, which differ from the sigmas by less than 0.0005
    timesteps = np.rint(1000 * shift * sigmas / (1 + (shift - 1) * sigmas))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift, stochastic_sampling=True)
    scheduler.set_timesteps(sigmas=sigmas, timesteps=timesteps, device=device)
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


# Schedulers that work with one number of steps only.
FIXED_STEPS = {"dmd": len(_DMD_SIGMAS)}
# A scheduler that draws noise must have `stochastic_sampling` in its config: `denoise` then passes it a generator.
SCHEDULERS: PluginTable[SchedulerBuilder] = PluginTable(
    "onestory.schedulers",
    {
        "euler": _euler,
        "dmd": _dmd,
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
