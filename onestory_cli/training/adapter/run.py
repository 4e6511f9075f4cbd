"""`onestory train` for a base: encode the shots once, train an adapter or a student, write the result."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    InitProcessGroupKwargs,
    disable_fsdp_ram_efficient_loading,
)

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.events import Emit, Warned, ignore
from onestory_cli.memory.levels import Level
from onestory_cli.models.context_parallel import TIMEOUT, free_groups_at_exit
from onestory_cli.models.load import silence_library_logging
from onestory_cli.training.adapter.base import AdapterModel, Base
from onestory_cli.training.adapter.build import build_adapter, build_student
from onestory_cli.training.adapter.cache import Shards
from onestory_cli.training.adapter.fit import fit, unused_levels
from onestory_cli.training.adapter.prepare import Keys, WorkSplit, encode_captions, encode_shots
from onestory_cli.training.adapter.recipe import AdapterRecipe, read_adapter_recipe
from onestory_cli.training.adapter.save import TrainingSummary, last_losses, save_adapter
from onestory_cli.training.adapter.source import VideoFormat, open_source
from onestory_cli.training.adapter.student import STUDENT_WEIGHTS, save_student
from onestory_cli.training.adapter.trainer import AdapterTrainer
from onestory_cli.training.adapter.triples import Shots

VALIDATION_SHARE = 0.05  # of the videos of a set, where the recipe names none


def train_adapter(
    path: Path, folder: Path, emit: Emit = ignore, *, device: str = "auto", data: Path | None = None
) -> Path:
    """Train the adapter of a recipe, resuming from its last checkpoint if there is one, and write `folder/model`.

    A recipe with `distil` trains a student instead, and its LoRA is written to `folder/lora`.

    `data` is a set of `onestory curate`, or a manifest, that replaces the recipe's data.

    Under `accelerate launch` every process calls this; the first one reports and writes.

    Returns:
        The model folder, which `model:` of a story can name; of a student its file, which `lora:` can name.

    Raises:
        OnestoryError: T601 for a recipe that cannot be used, T602 and T603 for its shots, T604 for image encoders,
            T605 for a checkpoint of another recipe, M514 for a tracker that is not installed, M5xx for the base.
    """
    silence_library_logging()
    recipe = read_adapter_recipe(path) if data is None else with_data(read_adapter_recipe(path), data)
    wanted = fit(recipe, path, folder / "model" / "adapter")
    accelerator = open_accelerator(recipe, folder, device)
    if accelerator.num_processes > 1:
        free_groups_at_exit()
    emit = emit if accelerator.is_main_process else ignore
    if not recipe.distil and (unused := unused_levels(recipe.memory, wanted.spec)):
        emit(Warned(code="W332", message=_untrained(unused)))
    base = Base(wanted.spec, accelerator.device, wanted.part, sharded=shares_weights(recipe, accelerator))
    cache = path.parent / recipe.cache if recipe.cache else folder / "cache"
    shots = _encoded(recipe, base, accelerator, cache, emit, relative_to=path.parent)
    model = _built(recipe, base, relative_to=path.parent)
    trainer = AdapterTrainer(recipe, model, shots, accelerator, folder, emit, wanted=wanted)
    trainer.run()
    weights = trainer.state.averaged(keep=accelerator.is_main_process)
    accelerator.end_training()
    result = folder / "lora" / STUDENT_WEIGHTS if recipe.distil else folder / "model"
    if accelerator.is_main_process:
        text = path.read_text(encoding="utf-8") + (f"# --data {data}\n" if data else "")
        story = TrainingSummary(
            recipe=recipe,
            text=text,
            keys=shots.keys,
            losses=last_losses(folder / "log.jsonl"),
            processes=accelerator.num_processes,
            part=wanted.part,
            other=path.parent / recipe.other_expert / "adapter" if recipe.other_expert else None,
        )
        if recipe.distil:
            save_student(result, model.spec, weights, story)
        else:
            save_adapter(result, model, weights, story)
    return result


def _built(recipe: AdapterRecipe, base: Base, *, relative_to: Path) -> AdapterModel:
    """The untrained adapter or student. Frozen weights are in bfloat16 on a GPU."""
    half = recipe.dtype == "bfloat16" and base.device.type == "cuda"
    frozen = torch.bfloat16 if half else torch.float32
    if recipe.distil:
        return build_student(recipe, base, frozen=frozen)
    return build_adapter(recipe, base, frozen=frozen, relative_to=relative_to)


def _untrained(levels: list[Level]) -> str:
    patches = " and ".join(str(level.patch) for level in levels)
    return f"no frame gets a level of patch {patches} within the budgets of the recipe, so it stays untrained"


def with_data(recipe: AdapterRecipe, data: Path) -> AdapterRecipe:
    """Return the recipe with a set or a manifest for its data; short shots are left out, some videos validate."""
    share = recipe.data.validation or VALIDATION_SHARE
    changed = replace(recipe.data, manifest=str(data.absolute()), storyworld=None, short="drop", validation=share)
    return replace(recipe, data=changed)


def open_accelerator(recipe: AdapterRecipe, folder: Path, device: str) -> Accelerator:
    """The processes and devices of `accelerate launch`, or this single process.

    Raises:
        OnestoryError: M514 for a tracker that is not installed, M504 for a device that does not support the recipe.
    """
    for name in recipe.track:
        if importlib.util.find_spec(name) is None:
            help = f"run `pip install 'onestory[{name}]'`, or remove it from `track`"
            raise OnestoryError("M514", f"the tracker {name} is not installed", help=help, exit=ExitCode.MACHINE)
    try:
        return Accelerator(
            cpu=device == "cpu",
            mixed_precision="bf16" if recipe.dtype == "bfloat16" else "no",
            gradient_accumulation_steps=recipe.train.accumulate,
            log_with=list(recipe.track) or None,
            project_dir=folder / "tracked",
            kwargs_handlers=[
                # the budget of a step decides which patchifiers it uses
                DistributedDataParallelKwargs(find_unused_parameters=True),
                # others wait for days while one process hashes videos, encodes its share or writes a checkpoint
                InitProcessGroupKwargs(timeout=TIMEOUT),
            ],
        )
    except ValueError as fault:
        help = "use `dtype: float32`, or select another device with --device"
        raise OnestoryError("M504", str(fault), help=help, exit=ExitCode.MACHINE) from fault


def shares_weights(recipe: AdapterRecipe, accelerator: Accelerator) -> bool:
    """Whether the first process gives the others their shards of the base (FSDP 2), so host memory holds one base.

    That is set here and not in the environment, where it would also leave the encoders of other processes empty. For a
    student each process reads the base, because the adapter of the base is checked against its weights.
    """
    disable_fsdp_ram_efficient_loading()
    shares = accelerator.num_processes > 1 and accelerator.is_fsdp2 and not recipe.distil
    if shares:
        accelerator.state.fsdp_plugin.cpu_ram_efficient_loading = True
    return shares


def _encoded(
    recipe: AdapterRecipe, base: Base, accelerator: Accelerator, cache: Path, emit: Emit, *, relative_to: Path
) -> Shots:
    """The recipe's shots, with everything that training reads encoded in the cache; each process encodes its share."""
    spec = base.spec
    format = VideoFormat(
        width=spec.width,
        height=spec.height,
        frames=spec.frames,
        fps=spec.fps,
        buckets=recipe.buckets,
        windows=recipe.data.windows,
    )
    share = WorkSplit(index=accelerator.process_index, count=accelerator.num_processes)
    with accelerator.main_process_first():  # it hashes the videos, the others read its digests
        source = open_source(recipe.data, format, relative_to=relative_to, cache=cache, emit=emit)
        keys = Keys(
            source=source,
            format=format,
            text=base.text_identity,
            video=base.video_identity,
            encoders=() if recipe.distil else recipe.data.labels,
            more_captions=(spec.negative,) if recipe.distil else (),
            first_frame=spec.first_frame,
            image_tokens=spec.image_tokens,
        )
        _ = source.videos
    shards = Shards(cache, writer=share.index)
    encode_captions(keys, base, shards, share, emit)
    encode_shots(keys, base, shards, share, emit)
    accelerator.wait_for_everyone()
    shards.refresh()
    return Shots(keys, shards, labelled=recipe.distil is None)
