"""Licences of models: which restrict their use, and which the user has accepted. No torch here.

A licence that is not in `FREE` may restrict use or territory. It is shown once and must be accepted before the weights
are used. Accepted licences are stored as JSON in a file that the caller names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onestory_cli.utils.atomic import write_atomic
from onestory_cli.utils.untrusted import parse_yaml, read_json_map, read_text

# SPDX names; the hub writes them in lower case. All of these allow any use, anywhere.
_FREE = ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense")
FREE = {name.casefold(): name for name in _FREE}
UNSTATED = "not stated"


def needs_acceptance(licence: str, *, fetched: bool) -> bool:
    """Whether the user must accept a licence. A local folder without a stated licence needs none; a download does."""
    if licence == UNSTATED:
        return fetched
    return licence.casefold() not in FREE


def licence_of(folder: Path) -> str:
    """The licence in the front matter of a model card, with its address if the card has one; "" without."""
    try:
        head = read_text(folder / "README.md").split("\n---", 1)[0].removeprefix("---")
        card = parse_yaml(head, "README.md")
    except (OSError, ValueError):
        return ""
    if not isinstance(card, dict) or not card.get("license"):
        return ""
    return _name(card)


def _name(card: dict[str, Any]) -> str:
    """The SPDX name of a free licence. For "other": the name and the address that the card gives."""
    if card["license"] != "other":
        return FREE.get(str(card["license"]).casefold(), str(card["license"]))
    parts = [card.get("license_name") or "other", card.get("license_link") or ""]
    return " ".join(str(part) for part in parts if part)


def accepted(file: Path) -> dict[str, str]:
    """Model -> the licence that was accepted for it; empty if the file is missing or unreadable."""
    try:
        stored = read_json_map(file)["accepted"]
        return {str(name): str(licence) for name, licence in stored.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def accept(file: Path, model: str, licence: str) -> None:
    """Store that the licence of a model was accepted."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"accepted": {**accepted(file), model: licence}}, indent=2, sort_keys=True)
    write_atomic(file, f"{text}\n".encode())
