from __future__ import annotations

import shutil
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from onestory_cli.commands import _doctor_checks
from onestory_cli.commands._doctor_checks import MachineCheck
from onestory_cli.errors import ExitCode, OnestoryError
from tests.commands.conftest import Onestory


def fine() -> MachineCheck:
    return MachineCheck(name="torch", found="2.13")


def broken() -> MachineCheck:
    raise RuntimeError("operator torchvision::nms does not exist\nand more")


def bare() -> MachineCheck:
    raise OnestoryError("M502", "no weights", help="install them")


def examine(
    onestory: Onestory, monkeypatch: pytest.MonkeyPatch, **checks: Callable[[], MachineCheck]
) -> tuple[ExitCode, str]:
    monkeypatch.setattr(_doctor_checks, "CHECKS", checks)
    result = onestory("doctor")
    return result.exit, result.out


def test_failed_check_is_one_row_with_a_fix(onestory: Onestory, monkeypatch: pytest.MonkeyPatch) -> None:
    exit, out = examine(onestory, monkeypatch, torch=fine, torchvision=broken, weights=bare)
    assert exit is ExitCode.MACHINE
    assert out.splitlines()[1:4] == [
        "ok     torch         2.13",
        "FAIL   torchvision   RuntimeError: operator torchvision::nms does not exist",
        "FAIL   weights       no weights",
    ]
    assert "pip uninstall torchvision" in out
    assert out.endswith("weights: install them\n")


def test_nearly_full_disk_is_a_note(onestory: Onestory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 10**8))
    exit, out = examine(onestory, monkeypatch, disk=_doctor_checks.CHECKS["disk"])
    assert exit is ExitCode.DONE
    assert out.splitlines()[1].startswith("note   disk   0.5 GB free in ")


@pytest.mark.slow
def test_doctor_on_this_machine(onestory: Onestory) -> None:
    result = onestory("doctor", "--json")
    assert result.json["schema"] == "onestory.doctor.v1"
    rows = {row["name"]: row for row in result.json["checks"]}
    assert list(rows) == list(_doctor_checks.CHECKS)
    assert all(rows[name]["ok"] for name in ("torch", "diffusers", "transformers", "torchvision", "codecs")), rows
    assert result.exit == (ExitCode.DONE if result.json["ok"] else ExitCode.MACHINE)
    assert result.json["ok"] is all(row["ok"] or row["optional"] for row in rows.values())
