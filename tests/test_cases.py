"""Stories and their expected findings: `cases/invalid/<CODE>-<what>.story.yaml` and its `.expected.txt`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from onestory_cli.codes import CODES
from onestory_cli.errors import Diagnostic, Findings, format_concise, format_full
from onestory_cli.planning.planner import make_plan
from onestory_cli.story.load import load_story
from tests.specs import SPEC

CASES = Path(__file__).parent / "cases"
INVALID = sorted((CASES / "invalid").glob("*.story.yaml"))
VALID = sorted((CASES / "valid").glob("*.story.yaml"))
SUFFIX = ".story.yaml"

# codes that need more than a story file in this repository; tests/story/ covers them
ELSEWHERE = {"S101": "no file", "S113": "5 MiB", "S151": "a link", "S216": "a deleted picture", "S230": "a flag"}
ELSEWHERE |= dict.fromkeys(
    ("S217", "S218", "S219", "S220", "S221", "W311"), "a base without an adapter: tests/planning/test_validation.py"
)
ELSEWHERE |= {"S155": "a model", "S156": "300 MiB", "S158": "a model with one expert: tests/models/test_lora.py"}
ELSEWHERE |= {"S222": "an external model: tests/external/test_comfyui.py"}
ELSEWHERE |= {"S223": "a scheduler with fixed steps: tests/models/test_presets.py"}
ELSEWHERE |= {"S173": "300 MiB", "W314": "a distilled model: tests/planning/test_validation.py"}
ELSEWHERE |= {"S159": "a model without the preset: tests/models/test_presets.py"}


def findings_of(name: str) -> tuple[Diagnostic, ...]:
    """All findings for a file in the current folder, including those of its plan."""
    try:
        story, warnings = load_story(name)
        _, more = make_plan(story, SPEC)
    except Findings as fault:
        return fault.diagnostics
    return (*warnings, *more)


def shown(findings: tuple[Diagnostic, ...]) -> str:
    """The findings in both text formats."""
    full = "\n\n".join(format_full(item) for item in findings)
    return full + "\n\n" + "\n".join(format_concise(item) for item in findings) + "\n"


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case.name.removesuffix(SUFFIX))
def test_findings(case: Path, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.parent)
    findings = findings_of(case.name)
    golden(case.with_name(case.name.removesuffix(SUFFIX) + ".expected.txt"), shown(findings))
    code = case.name.split("-")[0]
    assert code not in CODES or code in {item.code for item in findings}


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name.removesuffix(SUFFIX))
def test_resolution(case: Path, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.parent)
    story, warnings = load_story(case.name)
    assert warnings == ()
    values = asdict(story)
    for item in (values, *values["included"]):
        del item["source"]
    del values["places"]
    for shot in values["shots"]:
        del shot["places"]
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    golden(case.with_name(case.name.removesuffix(SUFFIX) + ".expected.json"), text)


def test_every_code_of_stories_has_a_case() -> None:
    covered = {case.name.split("-")[0] for case in INVALID} | ELSEWHERE.keys()
    of_others = ("W32", "W33", "W4", "W7", "W8")  # takes, runs, imports and batches
    assert {code for code in CODES if code[0] in "SW" and not code.startswith(of_others)} <= covered
