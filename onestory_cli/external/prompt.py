"""Fill a workflow with the values and pictures of a shot. No network here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.external.job import ExternalJob, encode_white
from onestory_cli.models.workflow import Workflow

FOLDER = "onestory"  # of pictures in the server's input folder, and of results in its output folder
Place = Callable[[bytes], str]  # puts a PNG where the server finds it, and returns its name there


def build_prompt(
    workflow: Workflow, job: ExternalJob, *, optional: Mapping[str, Collection[str]], place: Place
) -> dict[str, Any]:
    """The nodes of the prompt of a shot.

    A shot with fewer pictures than reference inputs repeats the last one. Without any, the inputs are removed where the
    nodes behind them allow it (`optional`, see `Workflow.prompt`), and get a white picture otherwise.

    Raises:
        OnestoryError: M554 if the workflow cannot run without a picture that the shot does not have.
    """
    wanted = [name for name in workflow.bindings if name.startswith("reference_")]
    given = [job.pictures[name] for name in wanted if name in job.pictures]
    pictures = dict(job.pictures)
    if given:
        pictures |= {name: given[-1] for name in wanted if name not in pictures}
    prompt = _filled(workflow, job, pictures, optional, place)
    if workflow.output not in prompt and wanted and not given:
        white = encode_white(int(job.values["width"]), int(job.values["height"]))
        prompt = _filled(workflow, job, {**pictures, **dict.fromkeys(wanted, white)}, optional, place)
    output = prompt.get(workflow.output)
    if output is None:
        raise not_generated(job.shot, "the workflow cannot run without a picture; give the shot an `image:`")
    if isinstance(output["inputs"].get("filename_prefix"), str):
        output["inputs"]["filename_prefix"] = f"{FOLDER}/{job.shot}"
    return prompt


def _filled(
    workflow: Workflow,
    job: ExternalJob,
    pictures: Mapping[str, bytes],
    optional: Mapping[str, Collection[str]],
    place: Place,
) -> dict[str, Any]:
    values = {name: value for name, value in job.values.items() if name in workflow.bindings}
    placed = {name: place(png) for name, png in pictures.items() if name in workflow.bindings}
    return workflow.prompt({**values, **placed}, optional=optional)


def not_generated(what: str, why: str) -> OnestoryError:
    """M554."""
    return OnestoryError(
        "M554",
        f'"{shorten(what, 200)}" was not generated: {why}',
        help="run the workflow in ComfyUI to find the cause; then rerun the command. Finished shots are kept",
        exit=ExitCode.PARTIAL,
    )
