"""Whether a model can be used now: its weights are here and its licence was accepted. No torch here, no network."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import get_args

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.policies import needs_scores
from onestory_cli.models.catalog import CATALOG, EMBEDDED, ModelSpec, find, not_downloaded
from onestory_cli.models.folder import is_stock, missing_parts, pickled_parts
from onestory_cli.models.hub import folder_of
from onestory_cli.models.licences import accepted, needs_acceptance
from onestory_cli.models.spec import LoraSpec, MemoryInput
from onestory_cli.utils.system import user_folder

ACCEPT = "ONESTORY_ACCEPT_LICENCES"  # model names, separated by commas; for unattended machines
_MOST_FIRST: tuple[MemoryInput, ...] = get_args(MemoryInput)


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
        if hub and missing[0] not in (spec.files.transformer_file, spec.files.transformer_2_file):
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
    return needed and folder_of(spec.scorer) is None


def _not_replaced(spec: ModelSpec, parts: tuple[str, ...]) -> tuple[str, ...]:
    """`parts` without those that a single file replaces."""
    files = {"transformer": spec.files.transformer_file, "transformer_2": spec.files.transformer_2_file}
    return tuple(part for part in parts if not files.get(part.partition("/")[0]))


def licence_file() -> Path:
    """Where the licences that this user accepted are stored."""
    return user_folder() / "licences.json"


def require_ready(spec: ModelSpec) -> None:
    """Refuse a model that cannot be used now.

    Raises:
        OnestoryError: M509, M503 or M511 for its weights, M512 for a licence that the user has not accepted.
    """
    require_weights(spec)
    if must_accept(spec):
        name = licensed_name(spec)
        raise OnestoryError(
            "M512",
            f'"{name}" has a licence that may restrict use or territory: {spec.licence}',
            help=f"read it{_where(spec)}; then run `onestory models accept {name}`, "
            f"or set {ACCEPT}={name} on unattended machines",
            exit=ExitCode.MACHINE,
        )


def must_accept(spec: ModelSpec) -> bool:
    """Whether the user still has to accept the licence of a model."""
    if not needs_acceptance(spec.licence, fetched=bool(spec.files.hub)):
        return False
    name = licensed_name(spec)
    named = {item.strip() for item in os.environ.get(ACCEPT, "").split(",")}
    return name not in named and accepted(licence_file()).get(name) != spec.licence


def licensed_name(spec: ModelSpec) -> str:
    """The name that a licence is accepted for: the repository, or what `model:` names.

    The licence of M2V is that of its LoRA, not that of the base.
    """
    return spec.files.hub if spec.files.hub and spec.task != "m2v" else spec.name


def _where(spec: ModelSpec) -> str:
    if spec.task == "m2v":
        return ""
    if spec.files.hub:
        return f" on https://huggingface.co/{spec.files.hub}"
    return f" in {Path(spec.files.base) / 'README.md'}"


def best_installed() -> ModelSpec | None:
    """The downloaded model that remembers most, the largest of several; None if only embedded ones are there."""
    specs = [find(name) for name in CATALOG.builtin if name not in EMBEDDED]
    ready = [spec for spec in specs if presence(spec) is Presence.WHOLE]
    return max(ready, key=lambda spec: (-_MOST_FIRST.index(spec.remembers), spec.memory_gb), default=None)
