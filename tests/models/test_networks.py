"""Names of networks: rows, folders, hub ids and none; others are rejected before anything loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.networks import DEFAULTS, NETWORKS, source_of


def test_every_row_is_found_by_name_in_its_role_only() -> None:
    assert len({row.name for row in NETWORKS}) == len(NETWORKS)
    for row in NETWORKS:
        assert source_of(row.role, row.name) == row.hub
    with pytest.raises(OnestoryError):
        source_of("detector", "dinov2-base")


def test_every_role_has_a_default_in_the_table() -> None:
    for role, name in DEFAULTS.items():
        assert source_of(role, name) in {row.hub for row in NETWORKS if row.role == role}


def test_folders_hub_ids_and_none(tmp_path: Path) -> None:
    assert source_of("aligner", str(tmp_path)) == str(tmp_path)
    assert source_of("aligner", "google/siglip2-large-patch16-256") == "google/siglip2-large-patch16-256"
    assert source_of("aligner", "none") is None


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("dinov2-bas", 'did you mean "dinov2-base"?'),
        ("a/b/c", "use dinov2-base, dinov2-small, none"),
        ("", "use "),
    ],
)
def test_unknown_name_is_rejected(name: str, help: str) -> None:
    with pytest.raises(OnestoryError) as caught:
        source_of("embedder", name)
    assert (caught.value.code, caught.value.exit) == ("T631", ExitCode.USAGE)
    assert help in caught.value.help
