"""`onestory models`: list models, download their weights, accept their licences and check external models."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from onestory_cli.commands._options import AllowOutside, Json, flag, option
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.models.availability import licence_file, licensed_name, must_accept
from onestory_cli.models.catalog import CATALOG, EMBEDDED, ModelSpec, find, is_model, is_repo, read_user_models
from onestory_cli.models.presets import PRESETS
from onestory_cli.store.locate import STORY_SUFFIXES

COLUMNS = ("model", "task", "size", "fps", "frames", "weights", "licence", "here")
WEIGHTS = "weights: all parts in bfloat16. Rendering needs more; `onestory doctor MODEL` estimates it."
group = typer.Typer(help="List models, download their weights and accept their licences.", invoke_without_command=True)


def _user_models() -> list[str]:
    return [*read_user_models()]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="Name from the list, or a hub id: org/name.", autocompletion=lambda: [*CATALOG]
    ),
]


@group.callback()
def list_models(
    context: typer.Context,
    words: Annotated[bool, flag("--words", help="List the words that each model knows.")] = False,
    json: Json = False,
) -> ExitCode | None:
    """List the models, what they can do, and whether their weights are on this machine."""
    if context.invoked_subcommand:
        return None
    screen = screen_of(context)
    specs = [find(name) for name in (*CATALOG, *(row for row in read_user_models() if row not in CATALOG))]
    if json:
        rows = [_as_json(spec) for spec in specs]
        screen.document("models", models=rows, missing=[row["name"] for row in rows if row["present"] != "yes"])
    elif words:
        _show_words(specs, screen)
    else:
        screen.table(COLUMNS, [_row(spec) for spec in specs], right=("fps", "frames", "weights"))
        for spec in specs:
            origin = "in models.yaml" if spec.external else "in the package"
            screen.note(f"{spec.name}: {spec.about} ({spec.files.hub or origin})")
        for name, bases in PRESETS.items():
            licences = ", ".join(sorted({preset.licence for preset in bases.values()}))
            screen.note(f"preset {name} ({licences}): {', '.join(bases)}")
        screen.note(WEIGHTS)
    return ExitCode.DONE


@group.command("fetch")
def fetch_model(
    context: typer.Context,
    name: Name,
    file: Annotated[
        list[str] | None,
        option("--file", metavar="FILE", help="Only this file of a hub id, such as a LoRA; can be repeated."),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Download a model's weights, resuming a partial download."""
    from onestory_cli.models.availability import Presence, presence
    from onestory_cli.models.hub import download

    screen = screen_of(context)
    if file:
        _fetch_files(screen, name, file, json=json)
        return ExitCode.DONE
    if name in EMBEDDED:
        screen.note(f"{name} is part of the package; nothing to download")
    folders = []
    for repo in _repositories(name):
        folders.append(download(repo, screen.note, bars=sys.stderr.isatty() and not json))
    if folders and not is_model(folders[0]):  # a network that evaluates films or labels shots
        _show_fetched(screen, name, str(folders[0]), Presence.WHOLE, json=json)
        return ExitCode.DONE
    spec = find(name)
    _show_fetched(screen, name, spec.files.base, presence(spec), json=json)
    if must_accept(spec):
        screen.note(f"accept its licence ({spec.licence}) before you use it: onestory models accept {name}")
    return ExitCode.DONE


def _fetch_files(screen: Screen, repo: str, files: list[str], *, json: bool) -> None:
    """Download chosen files of a repository and its model card, and show its licence.

    Raises:
        OnestoryError: M501 for a name that is not a hub id.
    """
    from onestory_cli.models.availability import Presence
    from onestory_cli.models.hub import download
    from onestory_cli.models.licences import UNSTATED, licence_of

    if not is_repo(repo):
        raise OnestoryError("M501", f'"{shorten(repo)}" is not a hub id', help="with --file, name a hub id: owner/name")
    folder = download(repo, screen.note, bars=sys.stderr.isatty() and not json, files=(*files, "README.md"))
    if absent := [item for item in files if not (folder / item).is_file()]:
        raise OnestoryError("M501", f'"{repo}" has no file "{shorten(absent[0])}"', help="check the name on the hub")
    screen.note(f"licence of {repo}: {licence_of(folder) or UNSTATED}")
    _show_fetched(screen, repo, str(folder), Presence.WHOLE, json=json)


def _show_fetched(screen: Screen, name: str, folder: str, present: str, *, json: bool) -> None:
    if json:
        screen.document("models-fetch", model=name, folder=folder, present=present)
    else:
        screen.line(folder)


@group.command("accept")
def accept_licence(context: typer.Context, name: Name, json: Json = False) -> ExitCode:
    """Accept the licence of a model, once for all stories of this user."""
    from onestory_cli.models.licences import accept

    screen, spec = screen_of(context), find(name)
    needed = must_accept(spec)
    if needed:
        accept(licence_file(), licensed_name(spec), spec.licence)
    if json:
        screen.document("models-accept", model=licensed_name(spec), licence=spec.licence, needed=needed)
    else:
        screen.line(f"{licensed_name(spec)}: {spec.licence}" + ("" if needed else " (nothing to accept)"))
    return ExitCode.DONE


@group.command("template")
def write_template(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Name of a template.")] = None,
    out: Annotated[
        Path | None, option("--out", metavar="FILE", help="Path of the workflow [default: NAME.json].")
    ] = None,
    json: Json = False,
) -> ExitCode:
    """List the ComfyUI workflows of the package, or write one as a file. They have not been run with weights."""
    from onestory_cli.commands._files import write_new
    from onestory_cli.external.templates import read_template, template_names

    screen, path = screen_of(context), None
    if name:
        path = out or Path(f"{name}.json")
        write_new(path, read_template(name))
    if json:
        screen.document("models-template", templates=template_names(), path=str(path) if path else None)
    else:
        screen.lines([str(path)] if path else template_names())
    return ExitCode.DONE


@group.command("check")
def check_model(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name in your models.yaml, or a story.", autocompletion=_user_models),
    ],
    allow_outside: AllowOutside = False,
    json: Json = False,
) -> ExitCode:
    """Check a workflow or a command before any work: titles, types, server, node classes and model files."""
    from onestory_cli.external.check import check_model

    screen, spec = screen_of(context), _external(name, allow_outside)
    result = check_model(spec.external) if spec.external else None
    findings = () if result is None else result.findings
    if json:
        screen.document(
            "models-check",
            model=spec.name,
            ok=not findings,
            found=list(result.found if result else ()),
            findings=[asdict(finding) for finding in findings],
        )
    else:
        screen.lines(result.found if result else (f"{spec.name} is not a workflow or a command: nothing to check",))
        screen.findings(findings)
    return ExitCode.FINDINGS if findings else ExitCode.DONE


def _external(name: str, allow_outside: bool) -> ModelSpec:
    """The model of a name or of a story."""
    from onestory_cli.planning.compile import compile_story

    if Path(name).suffix in STORY_SUFFIXES:
        return compile_story(Path(name), allow_outside=allow_outside, fingerprint=False)[0].model
    return find(name)


def _repositories(name: str) -> list[str]:
    """The repositories of a model: its base, and the image-text scorer that it uses.

    Raises:
        OnestoryError: M501 for a name that is neither in the catalog nor of the form org/name.
    """
    try:
        spec = find(name)
    except OnestoryError as fault:
        # A repository that was downloaded before, completely or partly, is read as a model and refused (M502).
        if fault.code not in ("M502", "M509") or not is_repo(name) or Path(name).exists():
            raise
        return [name]
    wanted = [spec.files.hub, spec.scorer if spec.files.hub else ""]
    return [repo for repo in wanted if is_repo(repo)]


def _row(spec: ModelSpec) -> tuple[str, ...]:
    from onestory_cli.models.availability import presence

    return (
        spec.name,
        "external" if spec.external else spec.task,
        f"{spec.width}x{spec.height}",
        str(spec.fps),
        str(spec.max_frames),
        f"{spec.memory_gb:g} GB" if spec.memory_gb else "none",
        spec.licence,
        presence(spec),
    )


def _as_json(spec: ModelSpec) -> dict[str, object]:
    from onestory_cli.models.availability import presence

    return {**spec.as_json, "remembers": spec.remembers, "from_text": spec.from_text, "present": presence(spec)}


def _show_words(specs: list[ModelSpec], screen: Screen) -> None:
    for spec in specs:
        if spec.words is None:
            screen.note(f"{spec.name} knows all words")
        else:
            screen.note(f"{spec.name} knows {len(spec.words)} words:")
            screen.lines(spec.words)
