"""The workflows of the package, against the committed list of node inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.external.node_inputs import known_nodes
from onestory_cli.external.templates import read_template, template_names
from onestory_cli.models.external import external_spec
from onestory_cli.models.spec import ModelSpec
from onestory_cli.models.workflow import Workflow, read_workflow

TYPES: dict[type, tuple[str, ...]] = {
    bool: ("BOOLEAN",),
    str: ("STRING", "COMBO"),
    int: ("INT", "FLOAT"),
    float: ("FLOAT",),
}


@pytest.fixture(params=template_names())
def template(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.json"
    path.write_text(read_template(request.param))
    return path


def problems(workflow: Workflow) -> Iterator[str]:
    """Unknown and missing inputs, and values and links of another type."""
    for id, node in workflow.nodes.items():
        known = known_nodes()[node["class_type"]]
        inputs = {**known["required"], **known["optional"]}
        yield from (f"{id} lacks {name}" for name in known["required"].keys() - node["inputs"].keys())
        yield from (f"{id} has {name}" for name in node["inputs"].keys() - inputs.keys())
        for name, value in node["inputs"].items():
            types = kinds(workflow, value)
            if not set(inputs.get(name, "").split(",")) & set(types):
                yield f"{id}.{name} is {types}"


def kinds(workflow: Workflow, value: Any) -> tuple[str, ...]:
    """The types that a value may have: of the output that a link names, or of a constant."""
    if isinstance(value, list):
        source = known_nodes()[workflow.nodes[value[0]]["class_type"]]
        return (source["outputs"][value[1]],)
    return TYPES[type(value)]


def spec_of(path: Path) -> ModelSpec:
    return external_spec({"workflow": path.name}, name=path.stem, folder=path.parent)


def test_a_template_has_the_inputs_of_its_nodes(template: Path) -> None:
    assert list(problems(read_workflow(template))) == []


def test_a_template_is_a_model(template: Path) -> None:
    spec = spec_of(template)
    expected = {"vace": "references", "i2v": "first-frame", "t2v": "nothing", "ti2v": "first-frame"}
    assert spec.remembers == next(expected[part] for part in template.stem.split("-") if part in expected)
    assert spec.from_text == ("i2v" not in template.stem.split("-"))
    assert spec.max_frames % spec.temporal_stride == 1


def test_a_template_runs_without_a_picture(template: Path) -> None:
    """Of the first shot; unless the card says that it needs a first frame."""
    workflow, spec = read_workflow(template), spec_of(template)
    optional = {kind: tuple(node["optional"]) for kind, node in known_nodes().items()}
    prompt = workflow.prompt({}, optional=optional)
    assert workflow.output in prompt or not spec.from_text
    if "LTX" not in str(workflow.classes):
        assert workflow.output in prompt


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(OnestoryError, match='no template is called "wan"'):
        read_template("wan")


def test_the_check_finds_wrong_inputs(tmp_path: Path) -> None:
    document = json.loads(read_template("wan2.2-ti2v-5b"))
    document["4"]["inputs"] = {"model": ["3", 0], "other": 1}
    (tmp_path / "x.json").write_text(json.dumps(document))
    assert sorted(problems(read_workflow(tmp_path / "x.json"))) == [
        "4 has other",
        "4 lacks shift",
        "4.model is ('VAE',)",
        "4.other is ('INT', 'FLOAT')",
    ]
