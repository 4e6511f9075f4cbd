"""Caption alignment of a clip: the cosine of X-CLIP (clip and text) or SigLIP2 (frames and text).

Cosines of different networks are not comparable with each other, nor with the paper's ViCLIP.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import SiglipModel, XCLIPModel

from onestory_cli.evaluation.videos.frames import spread
from onestory_cli.models.network_loading import Kind, Loaded, load_network

KINDS = {
    "xclip": Kind(model=XCLIPModel, pictures="VideoMAEImageProcessor", reads=True),
    "siglip": Kind(model=SiglipModel, pictures="SiglipImageProcessor", reads=True),
}
FRAMES = 8  # per clip, for networks that embed single frames


class Aligner:
    """Computes the cosine of the embeddings of frames and a caption."""

    def __init__(self, network: Loaded) -> None:
        self.network = network
        config = network.model.config
        self._length = config.text_config.max_position_embeddings
        self._video = config.model_type == "xclip"
        self._frames = config.vision_config.num_frames if self._video else FRAMES

    def reads(self, caption: str) -> bool:
        """Whether the network reads the whole caption. If not, the caption is truncated."""
        assert self.network.words is not None
        return len(self.network.words(caption)["input_ids"]) <= self._length

    @torch.inference_mode()
    def __call__(self, frames: Sequence[np.ndarray], caption: str) -> float:
        """The cosine of a clip (frames (H, W, 3) in order) and its caption; for image networks, the mean over frames.

        The caption is converted to lower case, because both networks were trained that way.
        """
        network = self.network
        assert network.words is not None
        words = network.words(
            [caption.lower()], padding="max_length", truncation=True, max_length=self._length, return_tensors="pt"
        )
        selected = [frames[place] for place in spread(len(frames), self._frames)]
        selected += selected[-1:] * (self._frames - len(selected)) if self._video else []
        inputs = network.pictures(selected, return_tensors="pt")
        named = {"input_ids": words["input_ids"].to(network.device)}
        if self._video:
            named["attention_mask"] = words["attention_mask"].to(network.device)
        outputs = network.model(pixel_values=inputs["pixel_values"].to(network.device), **named)
        if self._video:
            return float(outputs.logits_per_video[0, 0] / network.model.logit_scale.exp())
        return float((outputs.image_embeds @ outputs.text_embeds.T).mean())


def load_aligner(source: str, device: torch.device) -> Aligner:
    """Load an aligner; see `load_network`."""
    return Aligner(load_network(source, "aligner", KINDS, device))
