"""Which licences need acceptance, and that acceptance is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.models.licences import accept, accepted, licence_of, needs_acceptance


@pytest.mark.parametrize(
    ("licence", "fetched", "binding"),
    [
        ("apache-2.0", True, False),
        ("Apache-2.0", True, False),
        ("cc-by-nc-4.0", False, True),
        ("openrail", True, True),
        ("minimax-licence https://example.org/LICENSE", True, True),
        ("not stated", True, True),
        ("not stated", False, False),
    ],
)
def test_licences_that_are_not_free_need_acceptance(licence: str, fetched: bool, binding: bool) -> None:
    assert needs_acceptance(licence, fetched=fetched) is binding


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [a]\n---\n# A model\n", "Apache-2.0"),
        ("---\nlicense: other\nlicense_name: mine\nlicense_link: LICENSE\n---\n", "mine LICENSE"),
        ("---\nlicense: other\n---\n", "other"),
        ("# No front matter: at all\n", ""),
        ("---\n[\n---\n", ""),
        ("", ""),
    ],
)
def test_the_model_card_names_the_licence(tmp_path: Path, card: str, licence: str) -> None:
    (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence


def test_accepted_licences_are_stored(tmp_path: Path) -> None:
    file = tmp_path / "config" / "licences.json"
    assert accepted(file) == {}
    accept(file, "me/mine", "cc-by-nc-4.0")
    accept(file, "me/other", "openrail")
    assert accepted(file) == {"me/mine": "cc-by-nc-4.0", "me/other": "openrail"}
    file.write_text("{")
    assert accepted(file) == {}
