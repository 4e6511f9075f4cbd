"""Characters and settings have one id over a video: clustering, the read-out, and a detector with an embedder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from onestory_cli.curation.boxes import load_box_detector
from onestory_cli.curation.cast import CastAppearance, CastIds, ShotCast, cast_ids, cluster
from onestory_cli.curation.cast_networks import NetworkCast, load_cast_reader
from onestory_cli.curation.embeddings import pack, unpack
from onestory_cli.curation.recipe import CastSettings
from onestory_cli.errors import OnestoryError
from onestory_cli.evaluation.videos.likeness import load_embedder
from onestory_cli.storyworld import WorldConfig
from tests.curation.footage import pair_scores, storyworld_film
from tests.evaluation.videos import networks

CPU = torch.device("cpu")


def at(*degrees: float) -> np.ndarray:
    """Unit vectors in a plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def seen(label: str, degrees: float) -> CastAppearance:
    return CastAppearance(label=label, vector=pack(at(degrees)[0]))


def test_clusters_merge_by_mean_cosine() -> None:
    assert cluster(at(0, 90, 10, 100, 200), 0.9) == [0, 1, 0, 1, 4]
    # 0 and 30 are close enough (0.87), but the mean of 60 to both is (0.5 + 0.87) / 2
    assert len({*cluster(at(0, 30, 60), 0.8)}) == 2


def test_vectors_that_are_kept_apart_never_merge() -> None:
    assert cluster(at(0, 1, 2), 0.9, apart=[0, 0, 1]) in ([0, 1, 0], [0, 1, 1])
    assert cluster(at(0, 1, 2), 0.9, labels=["fox", "cat", "fox"]) == [0, 1, 0]
    assert cluster(np.zeros((0, 2), np.float32), 0.9) == []


def test_ids_are_counted_in_order_of_appearance() -> None:
    shots = [
        ShotCast(characters=(seen("cat", 0),), place=pack(at(0)[0])),
        ShotCast(characters=(seen("fox", 90), seen("cat", 5)), place=pack(at(90)[0])),
        ShotCast(characters=(), place=pack(at(3)[0])),
    ]
    assert cast_ids(shots, 0.8, 0.8) == [
        CastIds(characters=("c1",), setting="s1"),
        CastIds(characters=("c2", "c1"), setting="s2"),
        CastIds(setting="s1"),
    ]


def test_the_readout_follows_characters_over_a_film() -> None:
    reader = load_cast_reader(CastSettings(detector="readout"), "cpu")
    assert reader
    total = np.zeros(3, int)
    for seed in range(2):
        film = storyworld_film(seed, 6, WorldConfig(frames=9))
        trees = [reader.read(list(film.pixels_PHWC[9 * index : 9 * index + 9 : 4])) for index in range(6)]
        casts = [ShotCast.from_json(tree) for tree in trees]
        found, truth = [], []
        for shot, cast, ids in zip(film.shots, casts, cast_ids(casts, *reader.thresholds), strict=True):
            assert shot
            looks = {actor.look.species: actor.look.words() for actor in shot.actors}
            for item, id in zip(cast.characters, ids.characters, strict=True):
                if item.label in looks:
                    found.append(id)
                    truth.append(looks[item.label])
        total += pair_scores(found, truth)
    right, made, true = total
    assert 2 * right / (made + true) >= 0.9


def test_boxes_become_characters_and_a_background(tmp_path: Path) -> None:
    """Tiny random networks; a threshold of 0 takes every box for found."""
    folder = networks.save_dfine(tmp_path / "dfine")
    detector = load_box_detector(str(folder), CPU)
    everything = type(detector)(detector.network, 0.0)
    embedder = load_embedder(str(networks.save_dinov2(tmp_path / "dinov2")), CPU)
    frames = [np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8) for seed in range(3)]
    tree = NetworkCast(detector=everything, embedder=embedder, identity="", min_area=0).read(frames)
    assert tree["characters"]
    assert {item["label"] for item in tree["characters"]} <= {"person", "dog"}
    assert np.linalg.norm(unpack(tree["place"])) == pytest.approx(1, abs=1e-2)
    strict = NetworkCast(detector=type(detector)(detector.network, 1.0), embedder=embedder, identity="")
    assert strict.read(frames)["characters"] == ()


def test_a_detector_of_phrases_is_refused(tmp_path: Path) -> None:
    folder = networks.save_grounding_dino(tmp_path / "dino")
    with pytest.raises(OnestoryError) as fault:
        load_cast_reader(CastSettings(detector=str(folder), embedder=str(folder)), "cpu")
    assert fault.value.code == "T651"
