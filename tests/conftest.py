"""Fixtures and pytest hooks of all tests: worker processes, shared folders, expected texts.

`pytest --regold` rewrites the expected texts; review them as a diff.
"""

from __future__ import annotations

import gc
import getpass
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

MAX_WORKERS = 8  # each has its own torch, about 0.5 GB
os.environ["ONESTORY_CACHE_DIR"] = os.path.join(
    tempfile.gettempdir(), f"onestory-test-cache-{getattr(os, 'getuid', getpass.getuser)()}"
)
os.environ["OMP_NUM_THREADS"] = "1"  # one core per worker; torch reads it when a test module imports it


gc.disable()  # until all modules are imported and all tests collected


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Exempt the 400,000 objects of torch, diffusers and transformers from garbage collection: a pass takes 0.5 s."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests on Windows that use signals, limits or files of POSIX."""
    from tests.posix import needs_posix

    for item in items if sys.platform == "win32" else ():
        if needs_posix(item.path):
            item.add_marker(pytest.mark.skip(reason="uses what only POSIX has"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regold", action="store_true", help="rewrite the expected texts from the current output")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker per core; no workers for a few named files, which run sooner than a worker starts."""
    named = config.option.file_or_dir
    if named and all(Path(item.partition("::")[0]).is_file() for item in named):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with the file that holds the expected one."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--regold"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(scope="session", autouse=True)
def default_interrupt_handler() -> None:
    """Handle SIGINT even where the shell started this process in the background and ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
