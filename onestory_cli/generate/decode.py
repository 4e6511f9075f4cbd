"""Latents of a made shot -> pixels, and whether that is done beside the denoising of the next shot.

No GPU was at hand when this was written: on one the decoding gets a stream of its own, and what that gains was not
measured.

Shape letters: C latent channels, T latent frames, P pixel frames, H W.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.models.image_text_scorer import latents_digest
from onestory_cli.models.model import LoadedModel
from onestory_cli.models.offload.sizes import decode_bytes


def decode(model: LoadedModel, latents_CTHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels (P, H, W, 3). Any thread may ask: the latents come from the processor, so that no stream waits for one."""
    with torch.inference_mode(), _own_stream(model.device):
        latents = torch.from_numpy(latents_CTHW)
        pixels_PHWC = model.decode(latents)
    if model.spec.looks:
        model.shown = latents_digest(latents), pixels_PHWC[:: model.spec.temporal_stride].copy()
    return pixels_PHWC


def can_decode_in_background(model: LoadedModel, *, width: int, height: int) -> bool:
    """Whether a thread of its own may decode a shot while the next one is denoised; the pixels are the same.

    It does where the next shot needs none of them, and where there is room: on a processor cores for twice the threads
    of torch, since both work with as many; on a GPU memory for both, and no weights that come and go.
    """
    if model.spec.looks:
        return False
    if model.device.type == "cuda":
        free = torch.cuda.mem_get_info(model.device)[0]
        return model.spec.fitting.offload == "none" and free > decode_bytes(width, height)
    return _cores() >= 2 * torch.get_num_threads()


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _own_stream(device: torch.device) -> AbstractContextManager[object]:
    """On a GPU the work of one stream waits in line, whichever thread it comes from."""
    return torch.cuda.stream(torch.cuda.Stream(device)) if device.type == "cuda" else nullcontext()
