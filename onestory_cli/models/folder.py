"""A stock diffusers folder -> ModelSpec, from its configs alone. No torch here.

Strides, channels, experts, the first-frame input and the scheduler come from the configs. Values that configs do not
contain (size, length, frames per second, steps, guidance) come from the most similar row of the catalog, so a folder, a
hub id and a name of the same weights give the same numbers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from onestory_cli.errors import ExitCode, OnestoryError, shorten
from onestory_cli.models.bases import BASES, I2V_720P, PUBLISHED_WIDTHS
from onestory_cli.models.cards import validate_spec
from onestory_cli.models.config_limits import excess_of_part
from onestory_cli.models.spec import ModelSpec, Task
from onestory_cli.models.weights_header import read_header
from onestory_cli.utils.untrusted import read_json_map

INDEX = "model_index.json"
PARTS = ("transformer", "transformer_2", "vae", "text_encoder", "image_encoder")  # the parts with weights
MAX_INDEX_BYTES = 16 * 2**20
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
    """The scheduler's name, and its flow shift if it was chosen on purpose: 3.0 and 5.0 are written by diffusers'
    conversion script and are not the Wan team's."""
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
    """Parts and files that a diffusers folder names but does not contain, and weight files that are damaged, with the
    reason. Only headers of weights are read."""
    return tuple(item for part in _named_parts(folder) for item in _missing_of(part))


def pickled_parts(folder: Path) -> tuple[str, ...]:
    """Parts whose only weights are pickles."""
    found = []
    for part in _named_parts(folder):
        files = sorted(part.iterdir()) if part.is_dir() else []
        pickles = [file for file in files if file.suffix in PICKLES]
        if pickles and not any(file.suffix == ".safetensors" for file in files):
            found.append(pickles[0].relative_to(folder).as_posix())
    return tuple(found)


def _named_parts(folder: Path) -> list[Path]:
    """The folders of the parts with weights that the index names; none for an index that cannot be read."""
    try:
        index = read_json_map(folder / INDEX)
    except (OSError, ValueError):
        return []
    return [
        folder / part for part in PARTS if isinstance(index.get(part), list) and index[part][:1] not in ([], [None])
    ]


def _missing_of(part: Path) -> list[str]:
    if not (part / "config.json").is_file():
        return [f"{part.name}/config.json"]
    if why := excess_of_part(part):
        return [f"{part.name}/config.json ({shorten(why)})"]
    indices = sorted(part.glob("*.safetensors.index.json"))
    if indices:
        return [f"{part.name}/{item}" for index in indices for item in _missing_of_index(index)]
    files = sorted(file for file in part.glob("*.safetensors") if file.is_file())
    if not files:
        return [f"{part.name}/*.safetensors"]
    return [f"{part.name}/{file.name} ({why})" for file in files if (why := _damage(file))]


def _missing_of_index(index: Path) -> list[str]:
    """Missing and damaged shards of an index, and tensors that their shard does not hold."""
    try:
        shards = read_shards(index)
    except (OSError, ValueError) as fault:
        return [f"{index.name} ({fault})"]
    problems = []
    for shard, tensors in shards.items():
        file = index.parent / shard
        if not file.is_file():
            problems.append(shard)
        elif why := _damage(file, tensors):
            problems.append(f"{shard} ({why})")
    return problems


def read_shards(index: Path) -> dict[str, set[str]]:
    """The tensors of each shard that an index lists.

    Raises:
        ValueError: it is not an index of safetensors files in its own folder; a pickle could be loaded otherwise.
    """
    listed = read_json_map(index, limit=MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise ValueError("it has no weight_map")
    shards: dict[str, set[str]] = {}
    for tensor, shard in listed.items():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise ValueError(f"it lists {str(shard)[:80]!r}, which is not a safetensors file of its folder")
        shards.setdefault(shard, set()).add(tensor)
    return shards


def _damage(file: Path, expected: Collection[str] = ()) -> str:
    """Why a weight file cannot be loaded; "" if its header is valid, its data complete and all `expected` are there."""
    try:
        found = read_header(file).tensors
    except (OSError, ValueError) as fault:
        return str(fault)
    absent = min((name for name in expected if name not in found), default=None)
    return "" if absent is None else f'it lacks "{absent[:80]}"'


def row_of_hub(repo: str) -> ModelSpec | None:
    """The row of the catalog whose weights are in this repository."""
    return next((row for row in BASES.values() if row.files.hub.casefold() == repo.casefold()), None)
