"""Every hostile story is refused by a code, in bounded time and memory, and touches nothing that is not its own."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.codes import CODES
from tests.security.films import FILMS
from tests.security.hostile import HOSTILE, Hostile
from tests.security.takes import TAKES

ROOT = Path(__file__).parents[2]
PYTHON = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")} | {
    Path(sys.prefix).resolve()
}
SECONDS = 6.0  # of the processor; two on a quiet machine, and a busy one takes three times as long
MIB = 500
RUNNERS = 2
ALL: dict[str, Hostile] = HOSTILE | FILMS | TAKES


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of each story, with its folder."""
    folders = {name: tmp_path_factory.mktemp("hostile") for name in ALL}
    for name, folder in folders.items():
        ALL[name].make(folder)
    jobs = [{"folder": str(folders[name]), "arguments": list(hostile.command)} for name, hostile in ALL.items()]
    with ThreadPoolExecutor(RUNNERS) as threads:
        parts = list(threads.map(run, [jobs[first::RUNNERS] for first in range(RUNNERS)]))
    results = [parts[place % RUNNERS][place // RUNNERS] for place in range(len(jobs))]
    return {name: result | {"folder": folders[name]} for name, result in zip(ALL, results, strict=True)}


def run(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.security.runner"]
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, cwd=ROOT, check=True)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", ALL)
def test_it_is_refused_by_a_code(answers: dict[str, dict[str, Any]], name: str) -> None:
    answer, codes = answers[name], ALL[name].codes.split()
    said = answer["out"] + answer["err"]
    assert answer["exit"] in ((1, 2, 3) if codes else (0,)), said[:2000]
    assert all(code in CODES for code in codes)
    assert not codes or any(f"[{code}]" in said for code in codes), said[:2000]
    assert not any(char in said for char in "\x1b\0\u202e")


@pytest.mark.parametrize("name", ALL)
def test_it_costs_little(answers: dict[str, dict[str, Any]], name: str) -> None:
    assert answers[name]["seconds"] < SECONDS
    assert answers[name]["mib"] < MIB


@pytest.mark.parametrize("name", ALL)
def test_it_touches_nothing_else(answers: dict[str, dict[str, Any]], name: str) -> None:
    answer = answers[name]
    own = {answer["folder"].resolve(), ROOT, *PYTHON}
    paths = [(kind, Path(path)) for kind, path in answer["events"]]
    assert [path for kind, path in paths if kind != "read"] == []
    strange = [path for kind, path in paths if kind == "read" and not any(path.is_relative_to(root) for root in own)]
    assert strange == []


def test_the_pickle_was_never_opened(answers: dict[str, dict[str, Any]]) -> None:
    assert answers
    assert not Path("/tmp/onestory-pickle-was-opened").exists()


def test_the_hook_sees_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"prompts": ["a"]}')
    events = run([{"folder": str(tmp_path), "arguments": ["import", "a.json"]}])[0]["events"]
    assert ["read", str(tmp_path / "a.json")] in events
    assert ["write", str(tmp_path / "a.story.yaml")] in events
