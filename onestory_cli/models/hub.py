"""Weights from the Hugging Face Hub: find them in its local cache, or download them. No torch here.

The huggingface_hub library decides where the cache is (HF_HOME, HF_HUB_CACHE) and whether to go online.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.utils.untrusted import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPO = re.compile(r"[\w.-]+/[\w.-]+")
MAX_REF_BYTES = 4096
# No pickles: opening one can run code.
FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.md", "LICENSE*")


def is_repo(name: str) -> bool:
    """Whether a name has the form of a hub id: org/name."""
    return REPO.fullmatch(name) is not None


def cached_snapshot(repo: str) -> Path | None:
    """The folder of a repository in the cache, complete or not; None if nothing is cached. Never goes online."""
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    try:
        folder = root / "snapshots" / read_text(root / "refs" / "main", limit=MAX_REF_BYTES).strip()
    except (OSError, ValueError):
        return None
    return folder if folder.is_dir() else None


def folder_of(source: str) -> Path | None:
    """The folder of a network: a folder, or the files of a hub id in the cache; None if they are not downloaded."""
    return Path(source) if Path(source).is_dir() else cached_snapshot(source)


def cached_file(repo: str, file: str) -> str:
    """The path of a file of a repository in the cache; "" if it is not there. Never goes online."""
    folder = cached_snapshot(repo)
    return str((folder / file).absolute()) if folder and (folder / file).is_file() else ""


def download(
    repo: str, report: Callable[[str], None] = lambda text: None, *, bars: bool = False, files: Sequence[str] = FILES
) -> Path:
    """Download the missing files of a repository, resuming partial ones; returns its folder.

    `report` gets one line with the amount of work. With `bars` the library shows progress bars on stderr.

    Raises:
        OnestoryError: M510 if the hub cannot be reached, M501 for an unknown repository, M513 for one that needs a
            login, U608 if the disk is too small.
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
        report(f"{repo}: downloading {len(missing)} of {len(parts)} files, {sum(missing) / 1e9:.2f} GB")
        if bars:
            hub_utils.enable_progress_bars()
        return Path(snapshot_download(repo, allow_patterns=list(files)))
    except GatedRepoError as fault:
        help = f"request access on https://huggingface.co/{repo}, then run `hf auth login`"
        raise OnestoryError("M513", f'"{repo}" needs a login', help=help, exit=ExitCode.MACHINE) from fault
    except RepositoryNotFoundError as fault:
        help = "run `onestory models` for the names; a hub id is org/name, as in the repository's address"
        raise OnestoryError("M501", f'the hub has no repository "{repo}"', help=help) from fault
    except (OfflineModeIsEnabled, HfHubHTTPError, OSError) as fault:
        # An OSError with a file name comes from the disk and is reported as U608.
        if isinstance(fault, OSError) and fault.errno is not None and fault.filename is not None:
            raise
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise _offline(repo, f"cannot reach the hub: {reason}") from fault


def _offline(repo: str, why: str) -> OnestoryError:
    folder = repo.rpartition("/")[2]
    return OnestoryError(
        "M510",
        f'cannot download "{repo}": {why}',
        help=f"on a machine with a network, run `hf download {repo} --local-dir {folder}`; "
        f"then copy the folder here and write `model: {folder}`",
        exit=ExitCode.MACHINE,
    )


def _require_space(cache: Path, needed: int) -> None:
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise OnestoryError(
            "U608",
            f"the download needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free in {existing}",
            help="free disk space, or set HF_HOME to a folder on a larger disk",
            exit=ExitCode.MACHINE,
        )
