"""Names of networks: rows, folders, hub ids, none; anything else is refused before anything loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.evaluation.videos.networks import DEFAULTS, NETWORKS, source_of


def test_every_row_is_found_by_its_name_in_its_role_alone() -> None:
    assert len({row.name for row in NETWORKS}) == len(NETWORKS)
    for row in NETWORKS:
        assert source_of(row.role, row.name) == row.hub
    with pytest.raises(OnestoryError):
        source_of("detector", "dinov2-base")


def test_every_role_has_a_default_of_the_table() -> None:
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
        ("a/b/c", "there are dinov2-base, dinov2-small, none"),
        ("", "there"),
    ],
)
def test_a_name_of_nothing_is_refused(name: str, help: str) -> None:
    with pytest.raises(OnestoryError) as caught:
        source_of("embedder", name)
    assert (caught.value.code, caught.value.exit) == ("T631", ExitCode.USAGE)
    assert help in caught.value.help
