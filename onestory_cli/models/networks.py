"""The networks that measure films and find characters: names -> hub ids and licences. No torch here.

A role accepts a name of this table, a folder in the layout of transformers, any other hub id of a supported kind, or
"none" to leave out its measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean
from onestory_cli.models.hub import cached_snapshot

Role = Literal["embedder", "detector", "aligner"]
NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network: its role, where its weights are published, and their licence."""

    name: str
    role: Role
    hub: str
    licence: str
    about: str


NETWORKS = (
    Network(
        name="dinov2-base",
        role="embedder",
        hub="facebook/dinov2-base",
        licence="Apache-2.0",
        about="similarity of crops, backgrounds and frames",
    ),
    Network(
        name="dinov2-small",
        role="embedder",
        hub="facebook/dinov2-small",
        licence="Apache-2.0",
        about="as dinov2-base, four times smaller",
    ),
    Network(
        name="grounding-dino-tiny",
        role="detector",
        hub="IDEA-Research/grounding-dino-tiny",
        licence="Apache-2.0",
        about="finds characters by their look",
    ),
    Network(
        name="dfine-small",
        role="detector",
        hub="ustc-community/dfine-small-coco",
        licence="Apache-2.0",
        about="finds people and the animals of COCO, fast",
    ),
    Network(
        name="dfine-xlarge",
        role="detector",
        hub="ustc-community/dfine-xlarge-coco",
        licence="Apache-2.0",
        about="as dfine-small, slower and better",
    ),
    Network(
        name="xclip-base",
        role="aligner",
        hub="microsoft/xclip-base-patch32",
        licence="MIT",
        about="similarity of clip and caption, 8 frames",
    ),
    Network(
        name="siglip2-base",
        role="aligner",
        hub="google/siglip2-base-patch16-224",
        licence="Apache-2.0",
        about="similarity of frames and caption",
    ),
)
DEFAULTS: dict[Role, str] = {"embedder": "dinov2-base", "detector": "grounding-dino-tiny", "aligner": "xclip-base"}


def downloaded(name: str) -> Path | None:
    """The folder of a network of the table in the cache of the hub; None if it is not downloaded."""
    return cached_snapshot(_row(name).hub)


def require_downloaded(name: str) -> Path:
    """The folder of a network of the table.

    Raises:
        OnestoryError: M531 if it is not downloaded.
    """
    folder = downloaded(name)
    if folder is None:
        row = _row(name)
        raise OnestoryError(
            "M531",
            f'the weights of {row.role} "{name}" are not on this machine',
            help=f"run `onestory models fetch {row.hub}`, or set `crop: none` in `memory:`",
            exit=ExitCode.MACHINE,
        )
    return folder


def _row(name: str) -> Network:
    return next(row for row in NETWORKS if row.name == name)


def source_of(role: Role, name: str) -> str | None:
    """Resolve a name for a role to a folder or hub id; None for "none".

    Raises:
        OnestoryError: T631 for an unknown name.
    """
    if name == NONE:
        return None
    rows = {row.name: row for row in NETWORKS if row.role == role}
    if name in rows:
        return rows[name].hub
    if name and (Path(name).is_dir() or name.count("/") == 1):
        return name
    help = did_you_mean(name, rows) or f"use {', '.join(rows)}, {NONE}, a folder, or a hub id like owner/name"
    raise OnestoryError("T631", f'unknown {role} "{name}"', help=help, exit=ExitCode.USAGE)
