"""Pictures of a shot while it is denoised: the middle frame of the estimated clean latents, decoded alone.

Shape letters: B batch, C latent channels, T latent frames, H W.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor

from onestory_cli.events import Preview
from onestory_cli.models.model import LoadedModel
from onestory_cli.planning.jobs import ShotJob

MAX_SHARE = 0.02  # of the render time may go into previews
FIRST_SECONDS = 2.0  # before the first preview of a shot, whose cost is not known; one of storyworld takes 0.04 s


class StepPreview:
    """Decodes and shows a picture every few steps, as long as that costs at most `MAX_SHARE` of the time.

    A VAE that is offloaded, or that decodes the previous shot at the moment, is left alone.
    """

    def __init__(self, model: LoadedModel, job: ShotJob, show: Preview) -> None:
        self._model, self._job, self._show = model, job, show
        self._due = time.monotonic() + FIRST_SECONDS

    def __call__(self, step: int, estimate: Callable[[], Tensor]) -> None:
        """Show the picture after `step`, if it is due. `estimate` computes clean latents (1, C, T, H, W)."""
        codec = self._model.codec
        began = time.monotonic()
        if step == self._job.steps or began < self._due or codec.lock.locked() or not self._is_loaded():
            return
        latents_CTHW = estimate()[0]
        middle = latents_CTHW.shape[1] // 2
        pixels_PHW3 = codec.decode(latents_CTHW[:, middle : middle + 1].float())
        self._show(self._job.shot, step, self._job.steps, pixels_PHW3[-1])
        spent = time.monotonic() - began
        self._due = began + spent / MAX_SHARE

    def _is_loaded(self) -> bool:
        """Whether the VAE stays on its device, so that a preview moves no weights."""
        return self._model.spec.execution.offload == "none"
