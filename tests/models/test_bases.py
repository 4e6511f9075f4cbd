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
    assert row.files.hub.startswith("Wan-AI/")
    assert not needs_acceptance(row.licence, fetched=True)
    assert (row.guidance_2 is not None) == (row.experts == 2) == ("a14b" in row.name)
    assert (row.memory_frames > 0) == (row.remembers != "nothing") == bool(row.scorer)


def test_the_catalog_lists_every_base_and_the_embedded_model() -> None:
    assert [*CATALOG] == [*EMBEDDED, *BASES]
    assert len(BASES) == 9
    assert {row.name for row in BASES.values() if not row.from_text} == {
        "wan2.1-i2v-14b-480p",
        "wan2.1-i2v-14b-720p",
        "wan2.2-i2v-a14b",
    }


def test_a_name_and_its_hub_id_give_the_same_spec(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    row = BASES["wan2.2-ti2v-5b"]
    found = find(row.files.hub)
    assert (found.files.base, found.latent_channels, found.name) == ("", 48, row.files.hub)
    assert find(row.name) == row
