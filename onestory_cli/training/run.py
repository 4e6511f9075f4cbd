"""`onestory train`: run the resumable stages of a recipe, then write the model folder."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean
from onestory_cli.events import Emit, ignore
from onestory_cli.models.catalog import find
from onestory_cli.models.context_attention import join_context
from onestory_cli.models.load import LoadedModel
from onestory_cli.models.model import Denoiser
from onestory_cli.storyworld.vocabulary import words_of
from onestory_cli.training.adversarial import AdversarialObjective, FrameDiscriminator
from onestory_cli.training.build import build_model, continue_model, save_model
from onestory_cli.training.checkpoint import atomic_path, load_weights, save_weights
from onestory_cli.training.clip_vae import encode_clips, whole_clips
from onestory_cli.training.data import LatentData, PixelData, known_words, to_model_range
from onestory_cli.training.distil import DistilObjective
from onestory_cli.training.encoder_growth import grow_text_encoder
from onestory_cli.training.loop import Objective, run_stage
from onestory_cli.training.objective import ShotObjective, TextObjective, mixed_precision
from onestory_cli.training.probes.labels import LOOK_CLASSES, ROLE_CLASSES, SETTING_CLASSES, WordProbe
from onestory_cli.training.probes.token_probe import TokenProbe
from onestory_cli.training.recipe import Recipe, Stage, world_config
from onestory_cli.training.recipe_reader import read_recipe
from onestory_cli.training.samples import draw_reconstructions, draw_samples, generate_latents
from onestory_cli.training.vae_growth import widen_decoder
from onestory_cli.training.vae_objective import VaeObjective, latent_statistics


def train(
    recipe_path: Path, folder: Path, emit: Emit = ignore, *, device: str = "cpu", stage: str | None = None
) -> Path:
    """Run all stages, or those up to and including `stage`, and write `folder/model`. Finished stages are skipped.

    Returns:
        The model folder, which `model:` of a story can name.

    Raises:
        OnestoryError: T601 for an invalid recipe or an unknown stage.
    """
    recipe = read_recipe(recipe_path)
    names = [item.name for item in recipe.stages]
    if stage is not None and stage not in names:
        hint = did_you_mean(stage, names) or f"the stages are {', '.join(names)}"
        raise OnestoryError("T601", f'{recipe_path}: no stage "{stage}"', help=hint, exit=ExitCode.USAGE)
    folder.mkdir(parents=True, exist_ok=True)
    world = world_config(recipe.world)
    if recipe.start:
        model = continue_model(recipe, relative_to=recipe_path.parent)
    else:
        model = build_model(recipe, words_of(world.version, kites=world.kites), known_words(world))
    model.to(torch.device(device))
    if recipe.compile:
        model.transformer.compile_repeated_blocks(dynamic=True)
    teacher_isolated = _teacher_is_isolated(recipe, relative_to=recipe_path.parent)
    trainer = StageRunner(recipe, model, folder, emit, teacher_isolated=teacher_isolated)
    for index, item in enumerate(recipe.stages):
        trainer.run(index)
        if item.name == stage:
            break
    save_model(model, folder / "model")
    return folder / "model"


def _teacher_is_isolated(recipe: Recipe, relative_to: Path) -> bool:
    """Whether a distil stage of the recipe has a teacher with isolated context: one that started or trained with it."""
    if recipe.start and find(recipe.start, relative_to=relative_to).isolated_context:
        return True
    return recipe.model.memory.isolated_context and any(stage.kind == "adapter" for stage in recipe.stages)


class StageRunner:
    """Runs stages one after the other on the same model and folder.

    `teacher_isolated`: the teacher of a distil stage has isolated context, not only its student.
    """

    def __init__(self, recipe: Recipe, model: LoadedModel, folder: Path, emit: Emit, *, teacher_isolated: bool) -> None:
        self.recipe, self.model, self.folder, self.emit = recipe, model, folder, emit
        self.config = world_config(recipe.world)
        self.teacher_isolated = teacher_isolated

    def run(self, index: int) -> None:
        """Run one stage, or load its weights if it has finished."""
        stage = self.recipe.stages[index]
        grow_text_encoder(self.model.text.encoder, stage.text_layers, seed=self.recipe.seed)
        codec = self.model.codec
        codec.vae = widen_decoder(codec.vae, stage.decoder_dim, seed=self.recipe.seed)
        modules = self._modules(stage.kind)
        finished = self.folder / "stages" / f"{stage.name}.safetensors"
        if finished.exists():
            load_weights(finished, modules)
        elif stage.kind in ("vae", "decoder"):
            self._run_vae(index, modules)
        elif stage.kind == "text":
            self._run_text(index, modules)
        elif stage.kind == "distil":
            self._run_distil(index, modules)
        else:
            self._run_shots(index, modules)
        after = self.recipe.stages[index + 1 : index + 2]
        if stage.kind == "vae" and not stage.keep_latents and not any(item.kind == "vae" for item in after):
            self._set_statistics(stage.name)

    def _run_vae(self, index: int, modules: Mapping[str, nn.Module]) -> None:
        data, stage = self._pixels(), self.recipe.stages[index]
        objective: VaeObjective | AdversarialObjective
        kept = self._frozen_vae() if stage.keep_latents else None
        objective = VaeObjective(model=self.model, data=data, stage=stage, compiled=self.recipe.compile, before=kept)
        if stage.adversarial:
            discriminator = FrameDiscriminator(seed=self.recipe.seed).to(self.model.device)
            modules = {**modules, "discriminator": discriminator}
            objective = AdversarialObjective(
                reconstruction=objective,
                discriminator=discriminator,
                generated=self._generated() if stage.generated else torch.empty(0),
                dtype=self.recipe.dtype,
                before=self._frozen_vae(),
            )
        self._train(index, modules, objective, lambda path: draw_reconstructions(self.model, data, path))

    def _frozen_vae(self) -> AutoencoderKLWan:
        return copy.deepcopy(self.model.codec.vae).requires_grad_(False)

    def _generated(self) -> Tensor:
        path = self.folder / "cache" / "generated.safetensors"
        if not path.exists():
            with sampling_mode(self.model, self.recipe.dtype):
                latents = generate_latents(self.model, self.config, self.recipe.data, self.emit)
            save_weights(path, {"latents": latents.half()})
        return load_file(path)["latents"].float()

    def _run_text(self, index: int, modules: Mapping[str, nn.Module]) -> None:
        stage = self.recipe.stages[index]
        words = self._words()
        objective = TextObjective(
            model=self.model,
            data=self._latents(),
            stage=stage,
            words=words,
            before=copy.deepcopy(self.model.text.encoder),
        )
        self._train(index, {**modules, "words": words}, objective, self._draw_samples)

    def _run_shots(self, index: int, modules: Mapping[str, nn.Module]) -> None:
        stage = self.recipe.stages[index]
        readers, words = self._readers(stage), self._words() if stage.words_weight else None
        objective = ShotObjective(model=self.model, data=self._latents(), stage=stage, readers=readers, words=words)
        asking = {**readers, "words": words} if words else readers
        self._train(index, {**modules, **asking}, objective, self._draw_samples)

    def _run_distil(self, index: int, modules: Mapping[str, nn.Module]) -> None:
        objective = DistilObjective(
            student=self.model,
            teacher=replace(self.model, denoiser=self._teacher()),
            data=self._latents(),
            stage=self.recipe.stages[index],
            dtype=self.recipe.dtype,
        )
        self._train(index, modules, objective, self._draw_samples)

    def _teacher(self) -> Denoiser:
        """A copy of the denoiser, with the attention that it was trained with."""
        teacher = copy.deepcopy(self.model.transformer).eval().requires_grad_(False)
        spec = replace(self.model.spec, isolated_context=self.teacher_isolated)
        if not spec.isolated_context:
            join_context(teacher)
        if self.recipe.compile:  # a copy is not compiled
            teacher.compile_repeated_blocks(dynamic=True)
        return replace(self.model.denoiser, spec=spec, transformers=(teacher,))

    def _train(
        self, index: int, modules: Mapping[str, nn.Module], objective: Objective, draw: Callable[[Path], None]
    ) -> None:
        pictures, name = self.folder / "samples", self.recipe.stages[index].name

        def sample(step: int) -> None:
            draw(pictures / f"{index}-{name}-{step:06}.png")

        run_stage(self.recipe, index, modules, objective, self.folder, self.emit, sample=sample)

    def _draw_samples(self, path: Path) -> None:
        with sampling_mode(self.model, self.recipe.dtype):
            draw_samples(self.model, self.config, path)

    def _modules(self, kind: str) -> dict[str, nn.Module]:
        model = self.model
        if kind == "vae":
            return {"vae": model.codec.vae}
        if kind == "decoder":
            return {"decoder": model.codec.vae.decoder, "post_quant_conv": model.codec.vae.post_quant_conv}
        if kind == "text":
            return {"text_encoder": model.text.encoder}
        if kind == "distil":
            return {"transformer": model.transformer}
        parts: dict[str, nn.Module] = {"transformer": model.transformer, "text_encoder": model.text.encoder}
        if kind == "adapter":
            parts |= {"selector": model.selector, "conditioner": model.conditioner}
        return parts

    def _readers(self, stage: Stage) -> dict[str, TokenProbe]:
        """The token probes of a stage; they are dropped after it."""
        probes = {
            "looks": (stage.looks_weight, LOOK_CLASSES),
            "roles": (stage.roles_weight, ROLE_CLASSES),
            "setting": (stage.setting_weight, SETTING_CLASSES),
        }
        seed, config = self.recipe.seed, self.model.transformer.config
        width = config.num_attention_heads * config.attention_head_dim
        readers = {name: TokenProbe(width, classes, seed=seed) for name, (weight, classes) in probes.items() if weight}
        return {name: reader.to(self.model.device) for name, reader in readers.items()}

    def _words(self) -> WordProbe:
        """The word probe of a stage."""
        return WordProbe(self.model.text.encoder.config.d_model, seed=self.recipe.seed).to(self.model.device)

    def _pixels(self) -> PixelData:
        return PixelData(self.folder / "cache", config=self.config, data=self.recipe.data, emit=self.emit)

    def _set_statistics(self, stage: str) -> None:
        """Store the mean and deviation of the latents in the VAE's config: the transformer expects unit scale."""
        self.model.codec.vae.eval()
        path = self.folder / "stages" / f"{stage}.statistics.json"
        if not path.exists():
            mean, std = latent_statistics(self.model, self._pixels())
            with atomic_path(path) as draft:
                draft.write_text(json.dumps({"latents_mean": mean, "latents_std": std}), encoding="utf-8")
        self.model.codec.vae.register_to_config(**json.loads(path.read_text(encoding="utf-8")))

    def _latents(self) -> LatentData:
        return LatentData(
            self.folder / "cache" / "stories.safetensors",  # older versions wrote other names, without all masks
            config=self.config,
            data=self.recipe.data,
            encode=self._encode,
            emit=self.emit,
        )

    @torch.no_grad()
    def _encode(self, pixels_BPHWC: NDArray[np.uint8]) -> Tensor:
        codec = self.model.codec
        with mixed_precision(codec.device, self.recipe.dtype), whole_clips(codec.vae, compiled=False):
            latents = encode_clips(codec.vae, to_model_range(pixels_BPHWC).to(codec.device)).mode()
        return codec.normalized(latents.float()).cpu()


@contextmanager
def sampling_mode(model: LoadedModel, dtype: str) -> Iterator[None]:
    """Compute as in training, but eagerly.

    Sampling would compile more variants of a block, which exceeds the recompilation limit of the next stage.
    """
    with torch.compiler.set_stance("force_eager"), mixed_precision(model.device, dtype):
        yield
