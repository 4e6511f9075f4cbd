"""A stock diffusers folder -> ModelSpec, from its configs alone. No torch here.

Strides, channels, experts, the first-frame input and the scheduler come from the configs. Values that configs do not
contain (size, length, frames per second, steps, guidance) come from the most similar row of the catalog, so a folder, a
hub id and a name of the same weights give the same numbers.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.models.bases import BASES, I2V_720P, PUBLISHED_WIDTHS
from onestory_cli.models.cards import validate_spec
from onestory_cli.models.spec import ModelSpec, Task
from onestory_cli.utils.untrusted import read_json_map

INDEX = "model_index.json"
PARTS = ("transformer", "transformer_2", "vae", "text_encoder", "image_encoder")  # the parts with weights
_CONVERTED_SHIFTS = (3.0, 5.0)  # diffusers scripts/convert_wan_to_diffusers.py, flow_shift
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def is_stock(folder: Path) -> bool:
    """Whether a folder is a diffusers pipeline."""
    return (folder / INDEX).is_file()


def read_stock(folder: Path, *, name: str, hub: str = "") -> ModelSpec:
    """The ModelSpec of a diffusers folder.

    Raises:
        OnestoryError: M502 for another kind of pipeline, or invalid configs.
    """
    try:
        spec = replace(_spec(folder, f"{name} {hub}"), name=name)
        return validate_spec(spec.with_fields(base=str(folder), path="" if hub else str(folder), hub=hub))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise OnestoryError(
            "M502",
            f'"{folder}" is not a Wan pipeline in the layout of diffusers: {fault or type(fault).__name__}',
            help="name a model of `onestory models`, or a folder written by `save_pretrained` of a Wan pipeline",
            exit=ExitCode.MACHINE,
        ) from fault


def _spec(folder: Path, names: str) -> ModelSpec:
    index = read_json_map(folder / INDEX)
    transformer, vae = (
        read_json_map(folder / "transformer" / "config.json"),
        read_json_map(folder / "vae" / "config.json"),
    )
    if transformer["_class_name"] not in ("WanTransformer3DModel", "WanVACETransformer3DModel"):
        raise ValueError(f"its transformer is a {transformer['_class_name']}")
    patch, stride = int(transformer["patch_size"][1]), int(vae.get("scale_factor_spatial") or 8)
    row = _nearest_row(index, transformer, vae, names=f"{names} {folder.resolve().name}")
    return replace(
        row,
        licence=_licence(folder) or "not stated",
        about=f"a diffusers folder, {index.get('_class_name', 'unnamed pipeline')}",
        task=_task(index, transformer, vae),
        spatial_stride=stride,
        temporal_stride=int(vae.get("scale_factor_temporal") or 4),
        latent_channels=int(vae["z_dim"]),
        patch=patch,
        size_multiple=stride * patch,
        expand_timesteps=bool(index.get("expand_timesteps")),
        boundary_ratio=_boundary(index),
        guidance_2=row.guidance_2 if _boundary(index) is not None else None,
        image_tokens=transformer.get("image_dim") is not None,
        scorer=str(folder / "scorer") if (folder / "scorer").is_dir() else row.scorer,
        memory_gb=0.0,
        **_schedule(folder, row),
    )


def _task(index: dict[str, Any], transformer: dict[str, Any], vae: dict[str, Any]) -> Task:
    if transformer["_class_name"] == "WanVACETransformer3DModel":
        return "vace"
    if transformer["in_channels"] > vae["z_dim"]:
        return "i2v"
    return "ti2v" if index.get("expand_timesteps") else "t2v"


def _boundary(index: dict[str, Any]) -> float | None:
    """The boundary below which the second expert works; None for a folder with one expert."""
    second = index.get("transformer_2") or (None, None)
    if second[0] is None:
        return None
    ratio = index.get("boundary_ratio")
    if ratio is None:
        raise ValueError("it has two transformers but no boundary_ratio")
    return float(ratio)


def _nearest_row(index: dict[str, Any], transformer: dict[str, Any], vae: dict[str, Any], *, names: str) -> ModelSpec:
    """The row of the same task and number of experts, of the same width if there is one. The 480p and 720p models of
    Wan 2.1 I2V differ in nothing but their names."""
    task, experts = _task(index, transformer, vae), 1 if _boundary(index) is None else 2
    width = int(transformer["num_attention_heads"]) * int(transformer["attention_head_dim"])
    if task == "i2v" and experts == 1 and "720" in names:
        return I2V_720P
    rows = [row for row in BASES.values() if (row.task, row.experts) == (task, experts)]
    if not rows:
        raise ValueError(f"there is no base of {task} with {experts} experts")
    return next((row for row in rows if PUBLISHED_WIDTHS[row.name] == width), rows[0])


def _schedule(folder: Path, row: ModelSpec) -> dict[str, Any]:
    """The scheduler's name, and its flow shift if somebody has chosen one: the values that diffusers' conversion script
    writes (3.0 and 5.0) are not the Wan team's."""
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        return {}
    config = read_json_map(path)
    if config.get("_class_name") != "UniPCMultistepScheduler":
        return {"scheduler": "euler", "shift": float(config.get("shift") or row.shift)}
    shift = float(config.get("flow_shift") or row.shift)
    return {"scheduler": "unipc", "shift": row.shift if shift in _CONVERTED_SHIFTS else shift}


def _licence(folder: Path) -> str:
    from onestory_cli.models.licences import licence_of

    return licence_of(folder)


def missing_parts(folder: Path) -> tuple[str, ...]:
    """Parts that a diffusers folder names but does not contain, or missing shards of a part."""
    index = read_json_map(folder / INDEX)
    named = [part for part in PARTS if (index.get(part) or (None,))[0] is not None]
    return tuple(item for part in named for item in _missing_of(folder / part))


def _missing_of(part: Path) -> list[str]:
    if not (part / "config.json").is_file():
        return [f"{part.name}/config.json"]
    for index in part.glob("*.safetensors.index.json"):
        files = sorted(set(read_json_map(index)["weight_map"].values()))
        return [f"{part.name}/{name}" for name in files if not (part / name).is_file()]
    return [] if any(file.is_file() for file in part.glob("*.safetensors")) else [f"{part.name}/*.safetensors"]


def pickled_parts(folder: Path) -> tuple[str, ...]:
    """Parts whose only weights are pickles."""
    index = read_json_map(folder / INDEX)
    parts = [folder / part for part in PARTS if (index.get(part) or (None,))[0] is not None]
    return tuple(
        next(file for file in part.iterdir() if file.suffix in PICKLES).relative_to(folder).as_posix()
        for part in parts
        if part.is_dir()
        and not any(part.glob("*.safetensors"))
        and any(file.suffix in PICKLES for file in part.iterdir())
    )


def row_of_hub(repo: str) -> ModelSpec | None:
    """The row of the catalog whose weights are in this repository."""
    return next((row for row in BASES.values() if row.files.hub.casefold() == repo.casefold()), None)
