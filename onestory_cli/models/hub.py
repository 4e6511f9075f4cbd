"""Weights from the Hugging Face Hub: what is in its cache on this machine, and fetching what is not. No torch here.

Where the cache is, the library itself decides (HF_HOME, HF_HUB_CACHE), and so it does whether to go online.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPO = re.compile(r"[\w.-]+/[\w.-]+")
# Never pickles: they run code when they are opened.
FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.md", "LICENSE*")


def is_repo(name: str) -> bool:
    """Whether a name has the form of a hub id: org/name."""
    return REPO.fullmatch(name) is not None


def cached_snapshot(repo: str) -> Path | None:
    """The folder of a repository in the cache, whole or not; None when nothing of it is there. Never goes online."""
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    try:
        folder = root / "snapshots" / (root / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return folder if folder.is_dir() else None


def download(
    repo: str, tell: Callable[[str], None] = lambda text: None, *, bars: bool = False, files: Sequence[str] = FILES
) -> Path:
    """Download what is missing of a repository, going on with files that were cut off; returns its folder.

    `tell` is told how much there is to do; with `bars` the library shows its own on stderr.

    Raises:
        OnestoryError: M510 offline or without a route, M501 for a repository that is not there, M513 for one that wants
            a login, U608 when the disk cannot hold it.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub import utils as hub_utils
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise _offline(repo, "HF_HUB_OFFLINE is set")
    hub_utils.disable_progress_bars()
    try:
        parts = snapshot_download(repo, allow_patterns=list(files), dry_run=True)
        missing = [part.file_size or 0 for part in parts if part.will_download]
        _require_space(Path(constants.HF_HUB_CACHE), sum(missing))
        tell(f"{repo}: {len(missing)} of {len(parts)} files to download, {sum(missing) / 1e9:.2f} GB")
        if bars:
            hub_utils.enable_progress_bars()
        return Path(snapshot_download(repo, allow_patterns=list(files)))
    except GatedRepoError as fault:
        help = f"ask for access on https://huggingface.co/{repo}, then `hf auth login`"
        raise OnestoryError("M513", f'"{repo}" wants a login', help=help, exit=ExitCode.MACHINE) from fault
    except RepositoryNotFoundError as fault:
        help = "`onestory models` lists names; a hub id is org/name, as in its address"
        raise OnestoryError("M501", f'no repository "{repo}" on the hub', help=help) from fault
    except (OfflineModeIsEnabled, HfHubHTTPError, OSError) as fault:
        # Not an OSError of the disk: those go on to U608.
        if isinstance(fault, OSError) and fault.errno is not None and fault.filename is not None:
            raise
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise _offline(repo, f"the hub cannot be reached: {reason}") from fault


def _offline(repo: str, why: str) -> OnestoryError:
    folder = repo.rpartition("/")[2]
    return OnestoryError(
        "M510",
        f'"{repo}" cannot be fetched: {why}',
        help=f"where there is a network, run `hf download {repo} --local-dir {folder}`; "
        f"then bring the folder here and write `model: {folder}`",
        exit=ExitCode.MACHINE,
    )


def _require_space(cache: Path, wanted: int) -> None:
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if wanted > free:
        raise OnestoryError(
            "U608",
            f"{wanted / 1e9:.1f} GB are to be fetched, and {free / 1e9:.1f} GB are free in {there}",
            help="make room, or set HF_HOME to a folder on a larger disk",
            exit=ExitCode.MACHINE,
        )
