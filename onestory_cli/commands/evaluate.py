"""`onestory evaluate`: how well a model remembers, measured on films of held-out stories; or one film that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands.benchmarking import (
    Against,
    Budgets,
    ConditionerSwitch,
    Films,
    Frames,
    NoiseSeed,
    Policies,
    SelectorSwitch,
    Steps,
    Stories,
    SuiteName,
    evaluate_model,
    variants_of,
)
from onestory_cli.commands.evaluating import (
    Aligner,
    ByReadout,
    Detector,
    Embedder,
    ExportVbench,
    FilmStory,
    evaluate_film,
    is_film,
    refuse_other_options,
)
from onestory_cli.commands.options import Device, Json, flag, option
from onestory_cli.commands.screen import screen_of
from onestory_cli.errors import ExitCode
from onestory_cli.models.catalog import find


def command(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="A name of `onestory models`, a model folder, or a film.")
    ] = "storyworld",
    suite: Films = SuiteName.STORIES,
    stories: Stories = 100,
    policies: Policies = None,
    budgets: Budgets = None,
    selector: SelectorSwitch = None,
    conditioner: ConditionerSwitch = None,
    frames: Frames = None,
    steps: Steps = None,
    seed: NoiseSeed = 0,
    out: Annotated[Path | None, option("--out", metavar="FILE", help="Write the result as JSON.")] = None,
    against: Against = None,
    markdown: Annotated[bool, flag("--markdown", help="Write the tables as Markdown.")] = False,
    story: FilmStory = None,
    embedder: Embedder = "dinov2-base",
    detector: Detector = "grounding-dino-tiny",
    aligner: Aligner = "xclip-base",
    readout: ByReadout = False,
    export_vbench: ExportVbench = None,
    device: Device = "auto",
    json: Json = False,
) -> ExitCode:
    """Measure a storyworld model on films of held-out stories, or a film: a run directory or a folder of clips."""
    refuse_other_options(context, model)
    if is_film(model):
        return evaluate_film(
            screen_of(context),
            Path(model),
            story=story,
            networks={"embedder": embedder, "detector": detector, "aligner": aligner},
            readout=readout,
            export=export_vbench,
            out=out,
            markdown=markdown,
            device=device,
            json=json,
        )
    spec = find(model)
    return evaluate_model(
        screen_of(context),
        spec,
        variants_of(spec, policies, budgets, selector, conditioner, frames),
        suite=suite,
        stories=stories,
        seed=seed,
        steps=steps or spec.steps,
        against=against,
        out=out,
        markdown=markdown,
        device=device,
        json=json,
    )
