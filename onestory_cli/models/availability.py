"""Whether the weights of a model are on this machine, judged by file names alone. No torch here, no network."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.policies import needs_scores
from onestory_cli.models.catalog import not_downloaded
from onestory_cli.models.folder import is_stock, missing_parts, pickled_parts
from onestory_cli.models.hub import cached_snapshot
from onestory_cli.models.spec import LoraSpec, ModelSpec


class Presence(StrEnum):
    """How much of a model is on this machine."""

    WHOLE = "yes"
    PART = "in part"
    NOTHING = "no"


def presence(spec: ModelSpec) -> Presence:
    """How much of a model is on this machine."""
    if spec.external:
        return Presence.PART if _lacks_scorer(spec) else Presence.WHOLE
    if not spec.files.base:
        return Presence.NOTHING
    absent = missing_weights(spec) or not all(lora.file for lora in spec.files.loras)
    return Presence.PART if absent or pickled_parts(Path(spec.files.base)) else Presence.WHOLE


def require_weights(spec: ModelSpec) -> None:
    """Refuse a model that cannot be loaded, before any work starts.

    Raises:
        OnestoryError: M509 for weights to download, M503 for files missing from a folder, M511 for pickles.
    """
    if not spec.files.base and spec.external is None:
        raise not_downloaded(spec.name, spec.files.hub)
    require_files(spec)
    for lora in spec.files.loras:
        if not lora.file:
            raise _no_lora(lora)
    if _lacks_scorer(spec):
        raise _no_scorer(spec)


def require_loadable(spec: ModelSpec) -> None:
    """Refuse an external model where weights are loaded.

    Raises:
        OnestoryError: M558.
    """
    if spec.external:
        raise OnestoryError(
            "M558",
            f'"{spec.name}" is an external model: it has no weights to load',
            help="render a story with it, or choose a model of `onestory models` that is not external",
            exit=ExitCode.USAGE,
        )


def require_files(spec: ModelSpec) -> None:
    """Refuse a model whose folder or single files are incomplete. Weights that are still to download are not missing.

    Raises:
        OnestoryError: M509 for an incomplete download, M503 for files missing from a folder, M511 for pickles.
    """
    base, hub = spec.files.base, spec.files.hub
    if base and is_stock(Path(base)) and (pickles := _not_replaced(spec, pickled_parts(Path(base)))):
        raise OnestoryError(
            "M511",
            f'the weights of "{spec.name}" are pickles ({pickles[0]}); opening a pickle can run any code',
            help="download them as .safetensors, or convert them on a machine where you trust them",
            exit=ExitCode.MACHINE,
        )
    if missing := missing_files(spec):
        if hub:
            raise not_downloaded(spec.name, hub, missing[0])
        message = f'weights of "{spec.name}" are missing or damaged: {", ".join(missing)}'
        help = "restore the files, or choose another model of `onestory models`"
        raise OnestoryError("M503", message, help=help, exit=ExitCode.MACHINE)


def _no_lora(lora: LoraSpec) -> OnestoryError:
    return OnestoryError(
        "M509",
        f'the LoRA "{lora.hub_file}" of "{lora.hub}" is not on this machine',
        help=f"run `onestory models fetch {lora.hub} --file {lora.hub_file}`",
        exit=ExitCode.MACHINE,
    )


def _no_scorer(spec: ModelSpec) -> OnestoryError:
    return OnestoryError(
        "M509",
        f'"{spec.name}" scores its memory with "{spec.scorer}", which is not on this machine',
        help=f"run `onestory models fetch {spec.scorer}`, or copy it as the folder scorer into that of the model, "
        "or use a policy without scores, such as recent",
        exit=ExitCode.MACHINE,
    )


def missing_weights(spec: ModelSpec) -> tuple[str, ...]:
    """The parts that a model needs and this machine does not have; includes the scorer if the policy reads scores."""
    files = missing_files(spec)
    return (*files, spec.scorer) if _lacks_scorer(spec) else files


def missing_files(spec: ModelSpec) -> tuple[str, ...]:
    """Files that a model's folder or card names and that are missing or damaged; none before the base is downloaded."""
    single = [item for item in (spec.files.transformer_file, spec.files.transformer_2_file) if item]
    missing = tuple(item for item in single if not Path(item).is_file())
    base = Path(spec.files.base)
    parts = _not_replaced(spec, missing_parts(base)) if spec.files.base and is_stock(base) else ()
    return (*parts, *missing)


def _lacks_scorer(spec: ModelSpec) -> bool:
    needed = spec.remembers == "keyframes" or (spec.needs_pixels and needs_scores(spec.policy))
    return needed and not Path(spec.scorer).is_dir() and cached_snapshot(spec.scorer) is None


def _not_replaced(spec: ModelSpec, parts: tuple[str, ...]) -> tuple[str, ...]:
    """`parts` without those that a single file replaces."""
    files = {"transformer": spec.files.transformer_file, "transformer_2": spec.files.transformer_2_file}
    return tuple(part for part in parts if not files.get(part.partition("/")[0]))
