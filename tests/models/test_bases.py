"""The rows of the catalog are consistent and match the Wan team's configurations."""

from __future__ import annotations

import pytest

from onestory_cli.memory.policies import POLICIES
from onestory_cli.models.bases import BASES
from onestory_cli.models.catalog import CATALOG, EMBEDDED, find
from onestory_cli.models.licences import needs_acceptance
from onestory_cli.models.spec import ModelSpec


@pytest.mark.parametrize("row", BASES.values(), ids=BASES)
def test_defaults_of_a_row_are_valid(row: ModelSpec) -> None:
    assert row.width % row.size_multiple == row.height % row.size_multiple == 0
    assert row.size_multiple == row.spatial_stride * row.patch
    assert (row.frames - 1) % row.temporal_stride == 0
    assert row.frames <= row.max_frames
    assert row.policy in POLICIES
    assert row.files.hub.startswith("linoyts/" if "fun" in row.name else "Wan-AI/")
    assert needs_acceptance(row.licence, fetched=True) == (row.name == "storymem")
    assert (row.guidance_2 is not None) == (row.experts == 2) == ("a14b" in row.name or row.name == "storymem")
    assert (row.memory_frames > 0) == (row.remembers != "nothing") == bool(row.scorer)


def test_the_catalog_lists_every_base_and_the_embedded_model() -> None:
    assert [*CATALOG] == [*EMBEDDED, *BASES]
    assert len(BASES) == 11
    assert {row.name for row in BASES.values() if not row.from_text} == {
        "wan2.1-i2v-14b-480p",
        "wan2.1-i2v-14b-720p",
        "wan2.2-i2v-a14b",
        "storymem",
    }


def test_a_name_and_its_hub_id_give_the_same_spec(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    row = BASES["wan2.2-ti2v-5b"]
    found = find(row.files.hub)
    assert (found.files.base, found.latent_channels, found.name) == ("", 48, row.files.hub)
    assert find(row.name) == row


# (width, height, shift, guidance, guidance_2, steps) of the Wan team's programs; the sources are in models/bases.py.
OFFICIAL = {
    "wan2.1-t2v-1.3b": (832, 480, 8.0, 6.0, None, 50),
    "wan2.1-t2v-14b": (832, 480, 5.0, 5.0, None, 50),
    "wan2.1-i2v-14b-480p": (832, 480, 3.0, 5.0, None, 40),
    "wan2.1-i2v-14b-720p": (1280, 720, 5.0, 5.0, None, 40),
    "wan2.1-vace-1.3b": (832, 480, 16.0, 5.0, None, 50),
    "wan2.1-vace-14b": (832, 480, 16.0, 5.0, None, 50),
    "wan2.2-ti2v-5b": (1280, 704, 5.0, 5.0, None, 50),
    "wan2.2-t2v-a14b": (832, 480, 12.0, 4.0, 3.0, 40),
    "wan2.2-i2v-a14b": (832, 480, 3.0, 3.5, 3.5, 40),
    "wan2.2-vace-fun-a14b": (832, 480, 12.0, 5.0, 5.0, 50),
    "storymem": (832, 480, 4.0, 3.5, 3.5, 40),
}


@pytest.mark.parametrize("name", BASES)
def test_numbers_are_the_wan_teams(name: str) -> None:
    row = BASES[name]
    assert (row.width, row.height, row.shift, row.guidance, row.guidance_2, row.steps) == OFFICIAL[name]
    assert row.negative.startswith("镜头晃动,") == name.startswith("wan2.1-i2v")
