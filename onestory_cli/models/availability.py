"""Whether a model can be loaded on this machine, told from names of files alone. No torch here, no network."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.memory.policies import needs_scores
from onestory_cli.models.catalog import not_downloaded
from onestory_cli.models.folder import is_stock, missing_parts, pickled_parts
from onestory_cli.models.hub import cached_snapshot
from onestory_cli.models.spec import ModelSpec


class Presence(StrEnum):
    """How much of a model's weights is here."""

    WHOLE = "yes"
    PART = "in part"
    NOTHING = "no"


def presence(spec: ModelSpec) -> Presence:
    """How much of a model is on this machine."""
    if not spec.base:
        return Presence.NOTHING
    return Presence.PART if missing_weights(spec) or pickled_parts(Path(spec.base)) else Presence.WHOLE


def require_weights(spec: ModelSpec) -> None:
    """Refuse a model that cannot be loaded, before anything is begun.

    Raises:
        OnestoryError: M509 for weights that are to be fetched, M503 for files that a folder lacks, M511 for pickles.
    """
    if not spec.base:
        raise not_downloaded(spec.name, spec.hub)
    if is_stock(Path(spec.base)) and (pickles := _not_replaced(spec, pickled_parts(Path(spec.base)))):
        raise OnestoryError(
            "M511",
            f'the weights of "{spec.name}" are pickles ({pickles[0]}), which can run any code when they are opened',
            help="get them as .safetensors, or convert them where you trust them",
            exit=ExitCode.MACHINE,
        )
    if lacks := missing_weights(spec):
        if lacks == (spec.scorer,):
            raise _no_scorer(spec)
        if spec.hub:
            raise not_downloaded(spec.name, spec.hub, lacks[0])
        message = f'weights of "{spec.name}" are missing: {", ".join(lacks)}'
        help = "put them back, or name another model of `onestory models`"
        raise OnestoryError("M503", message, help=help, exit=ExitCode.MACHINE)


def _no_scorer(spec: ModelSpec) -> OnestoryError:
    return OnestoryError(
        "M509",
        f'"{spec.name}" judges its memory by "{spec.scorer}", whose weights are not on this machine',
        help=f"`onestory models fetch {spec.scorer}` gets them; "
        "or put its folder, named scorer, into that of the model; or use a policy that goes by place, such as recent",
        exit=ExitCode.MACHINE,
    )


def missing_weights(spec: ModelSpec) -> tuple[str, ...]:
    """The parts that a model needs and this machine lacks; the scorer where it decides what is remembered."""
    base = Path(spec.base)
    parts = _not_replaced(spec, missing_parts(base)) if is_stock(base) else ()
    return (*parts, spec.scorer) if _lacks_scorer(spec) else parts


def _lacks_scorer(spec: ModelSpec) -> bool:
    wanted = spec.remembers not in ("context", "nothing") and needs_scores(spec.policy)
    return wanted and not Path(spec.scorer).is_dir() and cached_snapshot(spec.scorer) is None


def _not_replaced(spec: ModelSpec, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Without the parts for which a single file stands."""
    replaced = {"transformer": spec.transformer_file, "transformer_2": spec.transformer_2_file}
    return tuple(part for part in parts if not replaced.get(part.partition("/")[0]))
