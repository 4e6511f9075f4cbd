"""Every hostile input is refused with a code, within bounds of time and memory, and without touching other files."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from onestory_cli.codes import CODES
from onestory_cli.utils.cache import cache_folder
from tests.security.films import FILMS
from tests.security.hostile import HOSTILE, Hostile
from tests.security.takes import TAKES

ROOT = Path(__file__).parents[2]
PYTHON = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")} | {
    Path(sys.prefix).resolve(),
    *(Path(entry).resolve() for entry in sys.path if entry.endswith(".zip")),  # searched for plug-ins
}
HUB = Path(constants.HF_HUB_CACHE).resolve()  # which models are downloaded
MAX_SECONDS = 6.0  # of processor time; two on a quiet machine, three times that on a busy one
MAX_MIB = 500
ALL: dict[str, Hostile] = HOSTILE | FILMS | TAKES
ONE_PER_CODE = {hostile.codes: name for name, hostile in reversed(ALL.items())}.values()
NAMES = [name if name in ONE_PER_CODE else pytest.param(name, marks=pytest.mark.hostile) for name in ALL]

Answer = dict[str, Any]
Run = Callable[..., Answer]


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """Run a command line in a folder; see `runner.py` for the answer."""
    command = [sys.executable, "-m", "tests.security.runner"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin
        assert process.stdout
        to, back = process.stdin, process.stdout

        def run(folder: Path, *arguments: str) -> Answer:
            to.write(json.dumps({"folder": str(folder), "arguments": arguments}) + "\n")
            to.flush()
            answer: Answer = json.loads(back.readline())
            return answer

        yield run
        to.close()


@pytest.mark.parametrize("name", NAMES)
def test_hostile_input_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    hostile = ALL[name]
    hostile.make(tmp_path)
    answer = run(tmp_path, *hostile.command)
    assert_refused(answer, hostile.codes.split())
    assert answer["seconds"] < MAX_SECONDS
    assert answer["mib"] < MAX_MIB
    assert_reads_only(answer, {tmp_path.resolve(), ROOT, HUB, *PYTHON})


def assert_refused(answer: Answer, codes: list[str]) -> None:
    output = answer["out"] + answer["err"]
    assert answer["exit"] in ((1, 2, 3) if codes else (0,)), output[:2000]
    assert all(code in CODES for code in codes)
    assert not codes or any(f"[{code}]" in output for code in codes), output[:2000]
    assert not any(char in output for char in "\x1b\0\u202e")


def assert_reads_only(answer: Answer, allowed: set[Path]) -> None:
    """Markers of checked pictures and sounds may be written to the cache."""
    events = [(kind, Path(path)) for kind, path in answer["events"]]
    events = [(kind, path) for kind, path in events if not path.is_relative_to(cache_folder().resolve())]
    assert [path for kind, path in events if kind != "read"] == []
    assert [path for kind, path in events if not any(path.is_relative_to(root) for root in allowed)] == []


def test_pickle_is_never_loaded(run: Run, tmp_path: Path) -> None:
    for number, command in enumerate(("validate", "plan", "render")):
        folder = tmp_path / str(number)
        folder.mkdir()
        ALL["a pickled model"].make(folder)
        run(folder, command, "film.story.yaml")
    assert not Path("/tmp/onestory-pickle-was-opened").exists()


def test_runner_reports_files_read_and_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"prompts": ["a"]}')
    events = run(tmp_path, "import", "a.json")["events"]
    assert ["read", str(tmp_path / "a.json")] in events
    assert ["write", str(tmp_path / "a.story.yaml")] in events
