"""The overhead over the time of a server, of a small film."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.workflow import Film, Measured, main, report


@pytest.mark.slow
def test_a_film_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--shots", "2", "--frames", "5", "--size", "64", "64", "--seconds", "0.1", "--place", str(tmp_path)]
    main(options)
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[2].strip("|").split("|")]
    assert row[:4] == ["2", "5", "64x64", "0.1"]
    assert float(row[4]) > 0
    assert float(row[7]) > 10
    assert list(tmp_path.iterdir()) == []


def test_overhead_is_what_the_server_did_not_take() -> None:
    film = Film(shots=10, frames=81, width=832, height=480, seconds=10.0)
    found = Measured(film=film, process=104.0, render=102.0, memory=300_000_000)
    assert report(found).splitlines()[2] == "| 10 | 81 | 832x480 | 10 | 0.20 | 2.0% | 2.0 | 300 |"
