"""Names of installed packages in the tables of policies, schedulers and models."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.memory.policies import POLICIES, FrameRef, choose, needs_scores, needs_shown
from onestory_cli.models.catalog import CATALOG, EMBEDDED, find
from onestory_cli.schedulers import SCHEDULERS
from onestory_cli.utils import plugins
from onestory_cli.utils.plugins import name_of
from tests.plugins import Install, install, project

__all__ = ["install"]

REFS = [FrameRef("a", 0), FrameRef("a", 1), FrameRef("b", 0)]


def test_builtin_names_never_look_at_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_entry_points", None)
    assert "adaptive" in POLICIES
    assert POLICIES.identity("adaptive") == "adaptive"
    assert SCHEDULERS["euler"]
    assert choose("recent", (), REFS, 1) == [2]


def test_a_plugin_is_listed_after_the_builtin_names(install: Install) -> None:
    install()
    assert [*POLICIES] == [*POLICIES.builtin, "one-per-shot"]
    assert len(POLICIES) == len(POLICIES.builtin) + 1
    assert choose("one-per-shot", [0.9, 0.8, 0.1], REFS, 2) == [0, 2]
    assert (needs_scores("one-per-shot"), needs_shown("one-per-shot")) == (True, False)


def test_the_identity_has_package_version_and_source(install: Install) -> None:
    site = install()
    first = POLICIES.identity("one-per-shot")
    assert first.startswith("one-per-shot (onestory-one-per-shot 0.1.0, ")
    assert name_of(first) == "one-per-shot"
    install(version="0.2.0")
    assert POLICIES.identity("one-per-shot").startswith("one-per-shot (onestory-one-per-shot 0.2.0, ")
    install()
    file = site / "onestory_one_per_shot.py"
    file.write_text(file.read_text() + "\n# changed\n")
    plugins.forget_plugins()
    assert POLICIES.identity("one-per-shot") != first


def test_the_source_of_a_package_is_all_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "pluggedpackage"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "helper.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    first = plugins.source_digest("pluggedpackage.entry")
    (folder / "helper.py").write_text("A = 2\n")
    plugins.forget_plugins()
    assert plugins.source_digest("pluggedpackage.entry") != first


def test_a_builtin_name_cannot_be_replaced(install: Install, tmp_path: Path) -> None:
    install(project(tmp_path / "p", "onestory.policies", "def mine(*_): return []\n", adaptive="mine"))
    assert choose("adaptive", [0.1, 0.2, 0.3], REFS, 1) == [2]
    assert [*POLICIES] == [*POLICIES.builtin]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import nothing_of_this_name\n", "M533"),
        ("def mine(*_): return [0, 0]\n", "M534"),
        ("def mine(*_): return [0, 1, 2]\n", "M534"),
        ("def mine(*_): return [7]\n", "M534"),
        ("def mine(*_): return ['a']\n", "M534"),
        ("def mine(*_): raise ValueError('x')\n", "M534"),
    ],
)
def test_a_faulty_policy_is_an_error_that_names_its_package(
    install: Install, tmp_path: Path, code: str, error: str
) -> None:
    install(project(tmp_path / "p", "onestory.policies", code, mine="mine"))
    with pytest.raises(OnestoryError) as caught:
        choose("mine", [0.1, 0.2, 0.3], REFS, 2)
    assert caught.value.code == error
    assert "plugged 1.0" in caught.value.message


def test_a_model_of_a_plugin(install: Install, tmp_path: Path) -> None:
    code = f"from pathlib import Path\nMODEL = Path({str(EMBEDDED['storyworld'])!r})\ndef later(): return MODEL\n"
    install(project(tmp_path / "p", "onestory.models", code, tiny="MODEL", other="later"))
    assert [*CATALOG][-2:] == ["other", "tiny"]
    for name in ("tiny", "other"):
        spec = find(name)
        assert (spec.name, spec.width) == (name, find("storyworld").width)


def test_a_scheduler_of_a_plugin(install: Install, tmp_path: Path) -> None:
    install(
        project(tmp_path / "p", "onestory.schedulers", "def make(steps, shift, device): return steps\n", mine="make")
    )
    assert SCHEDULERS["mine"](3, 1.0, "cpu") == 3
    assert SCHEDULERS.identity("mine").startswith("mine (plugged 1.0, ")
