"""Whether a model can make a shot on a card, told from shapes before anything is loaded or fetched. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onestory_cli.memory.levels import allocate
from onestory_cli.models.offload.config import Asked, Card, Fitting, Sizes, fits, ladder, loading, need, usable, waiting
from onestory_cli.models.offload.sizes import Parts, sizes_of
from onestory_cli.models.spec import ModelSpec

PROGRAM = 6 * 10**8  # bytes of the libraries themselves, in the machine's memory


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is asked of a model at once: pixel frames of a size, their noise tokens, and context tokens of memory."""

    frames: int
    width: int
    height: int
    noise: int
    context: int


@dataclass(frozen=True, kw_only=True)
class Way:
    """One fitting, the bytes that it needs of the card and of the machine while it works, and whether it has them."""

    fitting: str
    card: int
    machine: int
    fits: bool


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A model and its largest work on a card. `memory` is the card's, or the machine's where there is no card, of which
    `usable` can be counted on. `ways` go down to the one that `chosen` names; None is chosen where no way fits.

    `loading` is what the machine's memory holds while the weights are read.
    """

    model: str
    parts: Mapping[str, int]
    work: Work
    step: int
    decode: int
    gpu: bool
    memory: int
    usable: int
    host: int
    loading: int
    ways: tuple[Way, ...]
    chosen: str | None

    @property
    def fits(self) -> bool:
        return self.chosen is not None and self.loading <= self.host


def default_work(spec: ModelSpec) -> Work:
    """A shot at the model's own size and length, with all the memory that it takes by itself."""
    rows, columns = spec.latent_size(spec.width, spec.height)
    levels = allocate(spec.memory_frames, spec.budget, height=rows, width=columns, levels=spec.levels)
    per_frame = spec.tokens_per_frame(spec.width, spec.height)
    return Work(
        frames=spec.frames,
        width=spec.width,
        height=spec.height,
        noise=spec.latent_frames(spec.frames) * per_frame,
        context=sum(level.tokens(rows, columns) for level in levels),
    )


def foresee(spec: ModelSpec, parts: Parts, work: Work, card: Card, asked: Asked) -> Outlook:
    """The way that `--vram auto` would take, and those before it that are too large."""
    sizes = sizes_of(spec, frames=work.frames, width=work.width, height=work.height, context=work.context, parts=parts)
    ways: list[Way] = []
    fitting = Fitting()
    for fitting in ladder(sizes, card, asked):
        ways.append(_way(sizes, fitting, card))
        if ways[-1].fits:
            break
    return Outlook(
        model=spec.name,
        parts=parts.sizes,
        work=work,
        step=sizes.step,
        decode=sizes.tiled_decode if fitting.vae_tiling else sizes.decode,
        gpu=card.gpu,
        memory=card.memory,
        usable=usable(card.memory),
        host=card.host,
        loading=loading(sizes, fitting) + PROGRAM,
        ways=tuple(ways),
        chosen=ways[-1].fitting if ways[-1].fits else None,
    )


def _way(sizes: Sizes, fitting: Fitting, card: Card) -> Way:
    if not card.gpu:
        all_of_it = need(sizes, fitting) + PROGRAM
        return Way(fitting=str(fitting), card=0, machine=all_of_it, fits=all_of_it <= usable(card.memory))
    waits = 0 if fitting.offload == "none" else waiting(sizes, fitting)
    return Way(
        fitting=str(fitting),
        card=need(sizes, fitting),
        machine=waits + PROGRAM,
        fits=fits(sizes, fitting, card),
    )


def computed_on(spec: ModelSpec, card: Card) -> ModelSpec:
    """The spec with the type that it computes in there: processors take float32."""
    return spec if card.gpu else replace(spec, dtype="float32")
