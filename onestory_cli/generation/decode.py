"""Decode the latents of a shot, possibly in the background while the next shot is denoised.

Shape letters: C latent channels, T latent frames, P pixel frames, H W pixels.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.models.model import LoadedModel
from onestory_cli.models.offload.sizes import decode_bytes


def decode(model: LoadedModel, latents_CTHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Pixels (P, H, W, 3). Any thread may call it: the latents are on the CPU, so no CUDA stream has to wait."""
    with torch.inference_mode(), _own_stream(model.device):
        return model.codec.decode(torch.from_numpy(latents_CTHW), keep_pictures=model.spec.needs_pixels)


def can_decode_in_background(model: LoadedModel, *, width: int, height: int) -> bool:
    """Whether a background thread may decode a shot of `width` x `height` pixels while the next one is denoised.

    The pixels are the same either way. It is possible if the next shot needs none of these pixels and there are
    resources for both: on a CPU twice torch's threads as cores; on a GPU enough free memory, and no offloading. The
    gain on a GPU has not been measured.
    """
    if model.spec.needs_pixels:
        return False
    if model.device.type == "cuda":
        free = torch.cuda.mem_get_info(model.device)[0]
        return model.spec.execution.offload == "none" and free > decode_bytes(width, height)
    return _cores() >= 2 * torch.get_num_threads()


def _cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _own_stream(device: torch.device) -> AbstractContextManager[object]:
    """A new CUDA stream on a GPU: work in the default stream would wait for the other thread's."""
    return torch.cuda.stream(torch.cuda.Stream(device)) if device.type == "cuda" else nullcontext()
