"""Check a LoRA file by the names and shapes in its header, in whichever naming it was saved. No torch here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError, Place
from onestory_cli.models.spec import LoraSpec, ModelSpec
from onestory_cli.models.wan_names import to_diffusers, wan_modules
from onestory_cli.models.weights_header import read_header

# Longest first: prefixes of the tools that save LoRA files.
_PREFIXES = (
    "base_model.model.",
    "pipe.dit.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer_2.",
    "transformer.",
    "model.",
    "dit.",
)
_KOHYA = ("lora_unet__", "lora_unet_", "lycoris_")
# What a key says about its layer: the end of the key -> the kind. peft inserts the name of an adapter.
_ENDINGS = (
    (re.compile(r"\.(lora_A|lora_down|lora\.down)(\.\w+)?\.weight$"), "down"),
    (re.compile(r"\.(lora_B|lora_up|lora\.up)(\.\w+)?\.weight$"), "up"),
    (re.compile(r"\.(lora_B|lora_up)(\.\w+)?\.bias$"), "up_bias"),
    (re.compile(r"\.alpha$"), "alpha"),
    (re.compile(r"\.diff$"), "diff"),
    (re.compile(r"\.diff_b$"), "diff_bias"),
)
_SHOWN = 3  # names in a message
Shapes = Mapping[str, tuple[int, ...]]


def sort_keys(keys: Iterable[str], modules: Collection[str], parameters: Collection[str]) -> dict[str, dict[str, str]]:
    """kind -> module -> key of a LoRA for a transformer with these module and parameter names, in diffusers' naming.

    Raises:
        ValueError: keys have no place in the transformer, or half of a pair is missing; names the first ones.
    """
    flat = {name.replace(".", "_"): name for name in modules}
    flat |= {wan.replace(".", "_"): name for wan, name in wan_modules(modules).items()}
    kinds: dict[str, dict[str, str]] = {kind: {} for _, kind in _ENDINGS}
    unknown = []
    for key in keys:
        found = next(((match.start(), kind) for ending, kind in _ENDINGS if (match := ending.search(key))), None)
        name = _module(key[: found[0]], flat) if found else ""
        if found is None or (name not in modules and name not in parameters):
            unknown.append(key)
        else:
            kinds[found[1]][name] = key
    if unknown:
        raise ValueError(f"it has weights that this model does not have: {_listed(unknown)}")
    if not kinds["down"] and not kinds["diff"] and not kinds["diff_bias"]:
        raise ValueError("it contains no LoRA weights")
    if unpaired := sorted(kinds["down"].keys() ^ kinds["up"].keys()):
        half = "lora_B (lora_up)" if unpaired[0] in kinds["down"] else "lora_A (lora_down)"
        raise ValueError(f"its {half} is missing for {_listed(unpaired)}")
    return kinds


def _module(name: str, flat: Mapping[str, str]) -> str:
    """The diffusers module that a key names."""
    kohya = next((item for item in _KOHYA if name.startswith(item)), None)
    if kohya is not None:
        return flat.get(name.removeprefix(kohya), name)
    while (prefix := next((item for item in _PREFIXES if name.startswith(item)), None)) is not None:
        name = name.removeprefix(prefix)
    return to_diffusers(name)


def _listed(names: list[str]) -> str:
    shown = ", ".join(f'"{name[:80]}"' for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def require_fit(name: str, layer: tuple[int, ...], down: tuple[int, ...], up: tuple[int, ...]) -> None:
    """Refuse low-rank weights of another shape than the weights of their layer.

    Raises:
        ValueError: names the layer and both shapes.
    """
    outputs, inputs = (*layer, 0)[:2]
    given = (up[0], *down[1:2]) if len(up) > 1 else ()
    if given != (outputs, inputs) or up[1] != down[0]:
        raise ValueError(f'it is for a layer of {" x ".join(map(str, given))}, but "{name}" is {outputs} x {inputs}')


def require_loras(spec: ModelSpec, *, place: Place | None = None) -> None:
    """Refuse LoRA files that cannot be applied to a model, as far as the headers of the weights tell.

    The keys are compared with those of the base if it is a folder on this machine. `place` is that of the LoRAs in the
    story.

    Raises:
        OnestoryError: M521.
    """
    for lora in spec.files.loras:
        for expert in range(spec.experts):
            if lora.file and lora.applies_to(expert):
                try:
                    _check(lora, _shapes_of_base(spec, expert))
                except (OSError, ValueError) as fault:
                    raise unsuitable_lora(spec, lora, str(fault), place=place) from fault


def _check(lora: LoraSpec, base: Shapes) -> None:
    shapes = read_header(Path(lora.file)).shapes
    if not base:
        return
    modules = {name.rpartition(".")[0] for name in base}
    kinds = sort_keys(shapes, modules, base.keys())
    for name, key in kinds["down"].items():
        if layer := base.get(f"{name}.weight"):
            require_fit(name, layer, shapes[key], shapes[kinds["up"][name]])


def _shapes_of_base(spec: ModelSpec, expert: int) -> Shapes:
    """The shapes of the weights of a transformer; {} if they are in a single file or not on this machine."""
    files = spec.files
    if not files.base or (files.transformer_file, files.transformer_2_file)[expert]:
        return {}
    folder = Path(files.base) / ("transformer", "transformer_2")[expert]
    try:
        headers = [read_header(file) for file in sorted(folder.glob("*.safetensors"))]
    except (OSError, ValueError):
        return {}  # the check of the model reports damaged weights
    return {name: shape for header in headers for name, shape in header.shapes.items()}


def unsuitable_lora(spec: ModelSpec, lora: LoraSpec, why: str, *, place: Place | None = None) -> OnestoryError:
    """M521 for a LoRA that does not fit a model."""
    return OnestoryError(
        "M521",
        f'the LoRA "{Path(lora.file).name}" does not fit "{spec.name}": {why}',
        help="use a LoRA trained for this model, or the model that it was trained for",
        place=place,
        exit=ExitCode.MACHINE,
    )
