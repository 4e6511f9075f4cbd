"""The GitHub action: valid by the published schemas, with scripts that run, and safe from script injection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ACTION = ROOT / ".github/actions/render/action.yml"
OTHERS = {"gitlab-ci": ROOT / "examples/ci/gitlab.yml", "buildkite": ROOT / "examples/ci/buildkite.yml"}
WORKFLOWS = [ROOT / "examples/ci/films.yml", ROOT / ".github/workflows/ci.yml"]
EXPRESSION = re.compile(r"\$\{\{ *(.+?) *\}\}")

STORY = """\
story: 1
title: "::error::Kite"
defaults: {steps: 2, frames: 5}
profiles:
  draft: {steps: 1}
characters:
  fox: {look: a red fox with a blue scarf}
settings:
  beach: {look: a beach}
shots:
  - id: opening
    caption: Wide shot. $fox walks right on $beach.
  - id: return
    caption: Close-up. $fox waves. $beach.
"""


def action() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return document


def scripts() -> list[dict[str, Any]]:
    """The steps that run a script."""
    return [step for step in action()["runs"]["steps"] if "run" in step]


@dataclass
class Job:
    """A minimal runner of the action's steps: it resolves expressions and runs scripts with bash."""

    folder: Path
    inputs: Mapping[str, str]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, name: str) -> subprocess.CompletedProcess[str]:
        (step,) = [step for step in scripts() if step["name"] == name]
        output = self.folder / f"output-{name}"
        output.touch()
        environment = {
            **os.environ,
            **{key: EXPRESSION.sub(self._value, value) for key, value in step["env"].items()},
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if "id" in step:
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return done

    def _value(self, match: re.Match[str]) -> str:
        kind, *names = match[1].split(".")
        if kind == "inputs":
            return self.inputs.get(names[0], str(action()["inputs"][names[0]].get("default", "")))
        if kind == "steps":
            return self.outputs[names[0]][names[2]]
        known = {"github.action_path": str(ACTION.parent), "runner.temp": str(self.folder / "temp")}
        return known.get(match[1], "7")


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A checkout with a story, and `onestory` and `pip` on the path; `pip` only records its arguments."""
    programs = {
        "onestory": f'exec {sys.executable} -m onestory_cli "$@"',
        "python": f'exec {sys.executable} "$@"',
        "pip": 'printf "%s\\n" "$@" > pip.txt',
    }
    (tmp_path / "bin").mkdir()
    (tmp_path / "temp").mkdir()
    for name, script in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "kite.story.yaml").write_text(STORY)
    return lambda **inputs: Job(
        tmp_path, {"story": "kite.story.yaml", **{key.replace("_", "-"): value for key, value in inputs.items()}}
    )


@pytest.mark.parametrize(
    ("schema", "files"),
    [("github-actions", [ACTION]), ("github-workflows", WORKFLOWS), *((name, [file]) for name, file in OTHERS.items())],
    ids=["action", "workflows", *OTHERS],
)
def test_published_schemas_accept_the_files(schema: str, files: list[Path]) -> None:
    pytest.importorskip("check_jsonschema")
    arguments = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_scripts_contain_no_expressions() -> None:
    assert scripts()
    assert [step["name"] for step in scripts() if "${{" in step["run"]] == []


def test_every_script_is_bash_that_stops_at_the_first_error() -> None:
    for step in scripts():
        assert step["shell"] == "bash"
        assert step["run"].startswith("set -euo pipefail\n")
        subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_referenced_steps_and_inputs_exist() -> None:
    document = action()
    ids = {step["id"] for step in document["runs"]["steps"] if "id" in step}
    used = EXPRESSION.findall(ACTION.read_text(encoding="utf-8"))
    assert {name.split(".")[1] for name in used if name.startswith("inputs.")} <= set(document["inputs"])
    assert {name.split(".")[1] for name in used if name.startswith("steps.")} <= ids


def test_invalid_story_fails_the_job_without_an_upload() -> None:
    (upload,) = [step for step in action()["runs"]["steps"] if step.get("id") == "upload"]
    assert "steps.plan.outputs.results != ''" in upload["if"]


def test_inputs_of_the_example_exist() -> None:
    jobs = yaml.safe_load(WORKFLOWS[0].read_text(encoding="utf-8"))["jobs"]
    (given,) = [step["with"] for step in jobs["film"]["steps"] if "with" in step]
    assert set(given) <= set(action()["inputs"])


def test_install_uses_this_repository_with_its_constraints(job: Callable[..., Job]) -> None:
    here = job()
    assert here.run("Install").returncode == 0
    repository = f"{ACTION.parent}/../../.."
    asked = (here.folder / "pip.txt").read_text().splitlines()
    assert asked == ["install", "-c", f"{repository}/constraints.txt", "--", repository]
    assert (Path(repository) / "pyproject.toml").exists()
    assert job(package="onestory==0.1.0; touch harm").run("Install").returncode == 0
    assert not (here.folder / "harm").exists()


def test_invalid_story_is_annotated_and_fails(job: Callable[..., Job]) -> None:
    here = job()
    (here.folder / "kite.story.yaml").write_text(STORY.replace("$fox waves", "$foks waves"))
    done = here.run("Validate")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=kite.story.yaml,line=14,col=24,title=S104::")


@pytest.mark.parametrize("story", ["$(touch harm).story.yaml", "`touch harm`", "--help; touch harm", "a\ntouch harm"])
def test_input_is_never_executed(job: Callable[..., Job], story: str) -> None:
    here = job(story=story, profile='"; touch harm; "')
    for step in ("Validate", "Plan"):
        assert here.run(step).returncode != 0
    assert not (here.folder / "harm").exists()


def test_cache_key_depends_on_the_film_not_on_the_file(job: Callable[..., Job]) -> None:
    here, keys = job(), []
    texts = [STORY, f"# a comment\n{STORY}", STORY.replace("waves", "jumps")]
    for text in texts:
        (here.folder / "kite.story.yaml").write_text(text)
        assert here.run("Plan").returncode == 0
        keys.append(here.outputs["plan"]["film"])
    assert keys[0] == keys[1] != keys[2]
    assert here.outputs["plan"]["run"] == "kite.run"


def test_options_reach_the_render(job: Callable[..., Job]) -> None:
    here = job(
        profile="draft", vram="24GB", offload="group", quantise="fp8", takes="2", retry_bad="1", threads="3",
        fail_on="faults", extra_args="--subtitles --seed 7",
    )  # fmt: skip
    assert here.run("Plan").returncode == 0
    record = 'printf "%s\\n" "$OMP_NUM_THREADS" "$@" >> onestory.txt\nexit 1\n'
    (here.folder / "bin" / "onestory").write_text(f"#!/bin/sh\n{record}")
    assert here.run("Render").returncode == 1
    threads, command, *arguments = (here.folder / "onestory.txt").read_text().splitlines()
    assert (threads, command) == ("3", "render")
    results = here.outputs["plan"]["results"]
    assert arguments == [
        "--run", "kite.run", "--device", "cpu", "--junit", f"{results}/junit.xml", "--profile", "draft", "--vram",
        "24GB", "--offload", "group", "--quantise", "fp8", "--takes", "2", "--retry-bad", "1", "--fail-on", "faults",
        "--subtitles", "--seed", "7", "--", "kite.story.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize(("film", "code", "results"), [("new", 1, True), ("old", 1, False), ("old", 0, True)])
def test_a_new_film_is_uploaded_also_when_the_job_fails(
    job: Callable[..., Job], film: str, code: int, results: bool
) -> None:
    """`fail-on: faults` fails the job after the film is joined; a failed render leaves the film of an earlier run."""
    here = job()
    assert here.run("Plan").returncode == 0
    (here.folder / "kite.run").mkdir()
    (here.folder / "kite.run" / "film.mp4").touch()
    os.utime(here.folder / "kite.run" / "film.mp4", (1, 1))
    render = (
        f'[ "$1" != render ] || {{ {"touch -d tomorrow kite.run/film.mp4;" if film == "new" else ""} exit {code}; }}'
    )
    write = '[ "$2" != --markdown ] || touch "$3"'
    (here.folder / "bin" / "onestory").write_text(f"#!/bin/sh\n{render}\n{write}\n")
    assert here.run("Render").returncode == code
    assert (Path(here.outputs["plan"]["results"]) / "film.mp4").exists() is results


def test_models_are_downloaded_one_by_one(job: Callable[..., Job]) -> None:
    here = job(models="wan2.2-ti2v-5b  org/name")
    (here.folder / "bin" / "onestory").write_text('#!/bin/sh\necho "$@" >> onestory.txt\n')
    assert here.run("Download models").returncode == 0
    lines = (here.folder / "onestory.txt").read_text().splitlines()
    assert lines == ["models fetch -- wan2.2-ti2v-5b", "models fetch -- org/name"]


def test_takes_are_saved_whatever_happens() -> None:
    steps = action()["runs"]["steps"]
    (save,) = [step for step in steps if step.get("uses", "").startswith("actions/cache/save@")]
    (restore,) = [step for step in steps if step.get("uses", "").startswith("actions/cache/restore@")]
    assert save["if"].startswith("always() && ")
    assert save["with"]["path"] == restore["with"]["path"]
    assert save["with"]["key"].startswith(restore["with"]["key"])  # so that a prefix finds the latest attempt
    assert restore["with"]["key"].startswith(restore["with"]["restore-keys"])
    order = [step.get("name") for step in steps if step.get("name")]
    wanted = [
        "Plan",
        "Restore earlier takes",
        "List stale shots",
        "Render",
        "Save takes",
        "Comment on the pull request",
    ]
    assert [name for name in order if name in wanted] == wanted


def test_the_comment_lists_what_became_stale(job: Callable[..., Job]) -> None:
    here = job(comment="true")
    assert here.run("Plan").returncode == 0
    assert here.run("List stale shots").returncode == 0
    (here.folder / "bin" / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$@" > gh.txt\n')
    (here.folder / "bin" / "gh").chmod(0o755)
    here.outputs["upload"] = {"artifact-url": "https://host/artifact"}
    done = here.run("Comment on the pull request")
    assert done.returncode == 0, done.stderr
    comment = (Path(here.outputs["plan"]["results"]) / "comment.md").read_text()
    assert comment.splitlines() == [
        "**2 of 2 shots were stale or new.** [Film, contact sheet and report](https://host/artifact)",
        "- `opening`: new",
        "- `return`: new",
    ]
    assert (here.folder / "gh.txt").read_text().splitlines()[:3] == ["pr", "comment", "7"]


def test_the_image_has_what_the_package_needs() -> None:
    lines = (ROOT / "examples/docker/Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    assert {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "onestory_cli", "schemas"} <= set(copied)
    user, volume = lines.index("USER film"), lines.index('VOLUME ["/home/film/.cache"]')
    (made,) = [at for at, line in enumerate(lines) if "install -d -o film" in line and "/home/film/.cache" in line]
    assert made < user < volume  # a volume is owned by root if its folder does not exist


@pytest.mark.slow
def test_draft_is_rendered_and_checked(job: Callable[..., Job]) -> None:
    here = job(profile="draft")
    assert here.run("Plan").returncode == 0
    assert here.run("Check that the film is up to date").returncode == 1
    done = here.run("Render")
    assert done.returncode == 0, done.stderr
    assert here.run("Check that the film is up to date").returncode == 0
    first, *_, last = done.stdout.splitlines()
    assert last == f"::{first.removeprefix('::stop-commands::')}::"
    results = Path(here.outputs["plan"]["results"])
    assert {file.name for file in results.iterdir()} == {
        "film.mp4", "contact-sheet.png", "report.html", "summary.md", "junit.xml",
    }  # fmt: skip
    suite = ElementTree.parse(results / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("errors")) == ("2", "0")
    summary = (here.folder / "summary").read_text()
    assert summary.startswith("<!-- onestory summary -->\n## \\:\\:error\\:\\:Kite\n")
    kept = here.run("Plan")
    assert kept.returncode == 0
    plan = json.loads((here.folder / "temp/onestory-plan.json").read_text())
    assert plan["pending"] == 0
