"""Detect characters in frames, by their look as text (GroundingDINO) or by a COCO class (D-FINE).

A character that is not found has no box, rather than an empty or full-frame one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from transformers import DFineForObjectDetection, GroundingDinoForObjectDetection

from onestory_cli.models.network_loading import Kind, Loaded, load_network

KINDS = {
    "grounding-dino": Kind(model=GroundingDinoForObjectDetection, pictures="GroundingDinoImageProcessor", reads=True),
    "d_fine": Kind(model=DFineForObjectDetection, pictures="RTDetrImageProcessor"),
}
THRESHOLDS = {"grounding-dino": 0.35, "d_fine": 0.5}  # the authors' defaults
SAME = 0.7  # boxes with at least this overlap show the same object
PEOPLE = ("man", "woman", "boy", "girl", "child", "kid", "baby", "lady", "guy", "human", "men", "women", "people")
CPU = torch.device("cpu")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in pixels from the top left corner; `right` and `bottom` are exclusive."""

    left: int
    top: int
    right: int
    bottom: int
    score: float

    @property
    def area(self) -> int:
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    def crop(self, pixels_HW3: np.ndarray) -> np.ndarray:
        return pixels_HW3[self.top : self.bottom, self.left : self.right]


Found = list[Box | None]  # one per frame


class CharacterDetector(Protocol):
    """Finds each of several looks in each of several frames."""

    network: Loaded

    def find(self, frames: Sequence[np.ndarray], looks: Sequence[str]) -> list[Found]:
        """For each look, the box in each frame (H, W, 3)."""


class PhraseDetector:
    """GroundingDINO with one query per look; if two looks match the same object, the higher score wins."""

    def __init__(self, network: Loaded, threshold: float) -> None:
        self.network, self._threshold = network, threshold

    def find(self, frames: Sequence[np.ndarray], looks: Sequence[str]) -> list[Found]:
        rows = [_settle([self._best(frame, look) for look in looks]) for frame in frames]
        return [[row[index] for row in rows] for index in range(len(looks))]

    @torch.inference_mode()
    def _best(self, frame: np.ndarray, look: str) -> Box | None:
        network = self.network
        assert network.words is not None
        words = network.words(f"{look.lower().rstrip('.')}.", return_tensors="pt", truncation=True).to(network.device)
        inputs = network.pictures(images=[frame], return_tensors="pt").to(network.device)
        outputs = network.model(**inputs, **words)
        scores = outputs.logits.sigmoid().amax(-1)[0]
        best = int(scores.argmax())
        if not scores[best] > self._threshold:
            return None
        return _box(_corners(outputs.pred_boxes[0, best].tolist(), frame), float(scores[best]), frame)


class ClassDetector:
    """D-FINE: a look is found by the class of its first known word. Two looks of one class cannot be distinguished."""

    def __init__(self, network: Loaded, threshold: float) -> None:
        self.network, self._threshold = network, threshold
        labels = {str(name): int(index) for index, name in network.model.config.id2label.items()}
        self._labels = {**dict.fromkeys(PEOPLE, labels.get("person")), **labels}

    def find(self, frames: Sequence[np.ndarray], looks: Sequence[str]) -> list[Found]:
        classes = [self.class_of(look) for look in looks]
        unambiguous = [item if item is not None and classes.count(item) == 1 else None for item in classes]
        seen = [self._boxes(frame) for frame in frames]
        return [[boxes.get(label) if label is not None else None for boxes in seen] for label in unambiguous]

    def class_of(self, look: str) -> int | None:
        """The class index of a look."""
        return next(
            (self._labels[word] for word in _WORD.findall(look.lower()) if self._labels.get(word) is not None), None
        )

    @torch.inference_mode()
    def _boxes(self, frame: np.ndarray) -> dict[int, Box]:
        """The box with the highest score of each class."""
        network = self.network
        inputs = network.pictures(images=[frame], return_tensors="pt").to(network.device)
        outputs = network.model(**inputs)
        (found,) = network.pictures.post_process_object_detection(
            outputs, threshold=self._threshold, target_sizes=[frame.shape[:2]]
        )
        boxes: dict[int, Box] = {}
        for score, label, corners in sorted(
            zip(*(found[key].tolist() for key in ("scores", "labels", "boxes")), strict=True)
        ):
            if box := _box(corners, score, frame):
                boxes[label] = box
        return boxes


def load_detector(source: str, device: torch.device, *, threshold: float | None = None) -> CharacterDetector:
    """Load a detector; see `load_network`. The default threshold is that of the network's authors."""
    network = load_network(source, "detector", KINDS, device)
    kind = network.model.config.model_type
    least = THRESHOLDS[kind] if threshold is None else threshold
    return PhraseDetector(network, least) if kind == "grounding-dino" else ClassDetector(network, least)


def paint_over(pixels_HW3: np.ndarray, boxes: Sequence[Box]) -> np.ndarray:
    """A copy of the frame with the boxes filled with the mean colour of the rest."""
    outside = np.ones(pixels_HW3.shape[:2], bool)
    for box in boxes:
        outside[box.top : box.bottom, box.left : box.right] = False
    painted = pixels_HW3.copy()
    painted[~outside] = pixels_HW3[outside].mean(0).astype(np.uint8) if outside.any() else 0
    return painted


def _settle(claims: list[Box | None]) -> list[Box | None]:
    """Keep the box with the highest score of each object; the first one of equal scores."""
    kept: list[int] = []
    order = sorted((index for index, box in enumerate(claims) if box), key=lambda index: -_of(claims, index).score)
    for index in order:
        if all(overlap(_of(claims, index), _of(claims, other)) < SAME for other in kept):
            kept.append(index)
    return [box if index in kept else None for index, box in enumerate(claims)]


def _of(claims: list[Box | None], index: int) -> Box:
    box = claims[index]
    assert box is not None
    return box


def overlap(one: Box, two: Box) -> float:
    """Intersection over union."""
    both = Box(
        left=max(one.left, two.left),
        top=max(one.top, two.top),
        right=min(one.right, two.right),
        bottom=min(one.bottom, two.bottom),
        score=0,
    ).area
    return both / (one.area + two.area - both)


def _corners(box: Sequence[float], frame: np.ndarray) -> list[float]:
    """Relative centre and size -> absolute corners."""
    (x, y, width, height), (rows, columns) = box, frame.shape[:2]
    return [(x - width / 2) * columns, (y - height / 2) * rows, (x + width / 2) * columns, (y + height / 2) * rows]


def _box(corners: Sequence[float], score: float, frame: np.ndarray) -> Box | None:
    """A box clipped to the frame; None for a box without pixels."""
    height, width = frame.shape[:2]
    left, top = max(0, round(corners[0])), max(0, round(corners[1]))
    right, bottom = min(width, round(corners[2])), min(height, round(corners[3]))
    box = Box(left=left, top=top, right=right, bottom=bottom, score=score)
    return box if box.area else None
