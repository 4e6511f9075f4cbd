"""The tests can be collected on Windows: no module needs what only POSIX has before a test runs."""

from __future__ import annotations

import pytest

from tests.posix import ROOT, needs_posix, posix_only


@pytest.mark.parametrize("folder", ["onestory_cli", "tests", "examples"])
def test_modules_import_on_windows(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    found = {str(file.relative_to(ROOT)): posix_only(file.read_text(encoding="utf-8")) for file in files}
    assert {file: names for file, names in found.items() if names} == {}


def test_the_check_finds_what_it_should() -> None:
    assert posix_only("import fcntl\ndef f(a=os.getuid()):\n    import pwd\n@mark(signal.SIGKILL)\ndef g(): pass") == [
        "fcntl", "os.getuid", "signal.SIGKILL",
    ]  # fmt: skip
    assert posix_only('a = sys.platform == "linux" and os.geteuid() == 0') == []
    assert needs_posix(ROOT / "tests/security/runner.py")
    assert not needs_posix(ROOT / "tests/importers/test_names.py")
