"""Sixty system calls that fail, tear or kill; `python -m tests.faults.strikes` strikes more, see strikes.log.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.strikes import COMMANDS, INSTANT, Strike, build, report

ROOT = Path(__file__).parents[2]


@pytest.mark.fault
def test_every_command_survives_strikes_and_kills(tmp_path: Path) -> None:
    library = build(tmp_path)
    if library is None:
        pytest.skip("no C compiler")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.strikes", "--strikes", "60", "--kills", "12", "--seed", "7"],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = re.search(r"(\d+) strikes, 0 not survived; (\d+) more came after the end of the command\.\n$", done.stdout)
    assert found, done.stdout
    reached, late = map(int, found.groups())
    assert reached + late == 72
    assert late < 12


def test_a_strike_that_is_not_survived_is_listed() -> None:
    lost = Strike(command=COMMANDS[0].name, kind="EIO", call=7, end="another result")
    late = Strike(command=COMMANDS[0].name, kind="EIO", call=99, end="", reached=False)
    ends = "1 strikes, 1 not survived; 1 more came after the end of the command."
    assert report([lost, late]).endswith(f"{ends}\n- render, call 7, EIO: another result")
    assert str(Strike(command="batch", kind=INSTANT, call=0.5, end="")) == "batch, at 0.5, kill at an instant"
