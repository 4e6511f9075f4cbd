"""Folders of tiny networks, created once, and pictures for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.evaluation.videos.alignment import Aligner, load_aligner
from onestory_cli.evaluation.videos.likeness import Embedder, load_embedder
from onestory_cli.models.detection import CharacterDetector, load_detector
from tests.commands.conftest import film_run, onestory, story  # noqa: F401  fixtures
from tests.evaluation.videos import networks

CPU = torch.device("cpu")


def picture(seed: int, height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def network_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each kind of network."""
    root = tmp_path_factory.mktemp("networks")
    return {
        "dinov2": networks.save_dinov2(root / "dinov2"),
        "dfine": networks.save_dfine(root / "dfine"),
        "grounding-dino": networks.save_grounding_dino(root / "grounding-dino"),
        "xclip": networks.save_xclip(root / "xclip"),
        "siglip": networks.save_siglip(root / "siglip"),
    }


@pytest.fixture(scope="session")
def embedder(network_folders: dict[str, Path]) -> Embedder:
    return load_embedder(str(network_folders["dinov2"]), CPU)


@pytest.fixture(scope="session")
def sure_of_all(network_folders: dict[str, Path]) -> CharacterDetector:
    """GroundingDINO that accepts its best guess, however unlikely."""
    return load_detector(str(network_folders["grounding-dino"]), CPU, threshold=0.0)


@pytest.fixture(scope="session")
def sure_of_none(network_folders: dict[str, Path]) -> CharacterDetector:
    return load_detector(str(network_folders["grounding-dino"]), CPU, threshold=1.0)


@pytest.fixture(scope="session", params=["xclip", "siglip"])
def aligner(request: pytest.FixtureRequest, network_folders: dict[str, Path]) -> Aligner:
    return load_aligner(str(network_folders[request.param]), CPU)
