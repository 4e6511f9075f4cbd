"""All people and animals in a frame, by D-FINE."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.detection import KINDS, SAME, THRESHOLDS, Box, overlap
from onestory_cli.models.network_loading import load_network


@dataclass(frozen=True)
class BoxDetector:
    """A loaded D-FINE."""

    network: Any
    threshold: float

    @torch.inference_mode()
    def boxes(self, frame_HWC: NDArray[np.uint8], min_area: float, labels: Collection[str]) -> list[tuple[str, Box]]:
        """Return (label, box) of each object with one of `labels` that fills at least `min_area` of the frame.

        Of boxes around the same object, the most certain one is kept.
        """
        height, width = frame_HWC.shape[:2]
        inputs = self.network.pictures(images=[frame_HWC], return_tensors="pt").to(self.network.device)
        (found,) = self.network.pictures.post_process_object_detection(
            self.network.model(**inputs), threshold=self.threshold, target_sizes=[(height, width)]
        )
        names = self.network.model.config.id2label
        rows = zip(*(found[key].tolist() for key in ("scores", "labels", "boxes")), strict=True)
        kept: list[tuple[str, Box]] = []
        for score, label, corners in sorted(rows, reverse=True):
            box = _clip(corners, score, height, width)
            large = box.area >= max(1, min_area * height * width)
            if names[label] in labels and large and all(overlap(box, other) < SAME for _, other in kept):
                kept.append((names[label], box))
        return kept


def _clip(corners: list[float], score: float, height: int, width: int) -> Box:
    left, top, right, bottom = map(round, corners)
    return Box(left=max(0, left), top=max(0, top), right=min(width, right), bottom=min(height, bottom), score=score)


def load_box_detector(source: str, device: torch.device) -> BoxDetector:
    """Load D-FINE by hub id or folder.

    Raises:
        OnestoryError: T651 for another kind of detector, M531 or M532 as `load_network`.
    """
    network = load_network(source, "detector", KINDS, device)
    kind = network.model.config.model_type
    if kind != "d_fine":
        help = "use dfine-small, dfine-xlarge, another D-FINE, readout or none"
        raise OnestoryError("T651", f'cast.detector: "{source}" is a {kind}', help=help, exit=ExitCode.USAGE)
    return BoxDetector(network, THRESHOLDS[kind])
