"""Captions by an image-text model of transformers: any `AutoModelForImageTextToText`, with frames as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText

from onestory_cli.curation.captioners import Pixels, Prompts, ShotView, rewrite_question
from onestory_cli.curation.errors import caption_fault
from onestory_cli.curation.network_identity import network_identity
from onestory_cli.curation.picture_processor import load_picture_processor
from onestory_cli.curation.stage_store import stage_key
from onestory_cli.models.hub import folder_of
from onestory_cli.models.network_size import require_size

MAX_NEW_TOKENS = 200
SIDE = 512  # pixels of the longer side of a frame


@dataclass(frozen=True, kw_only=True)
class HubCaptioner:
    """A loaded model; greedy decoding, so that the same frames give the same caption."""

    model: Any
    processor: Any
    prompts: Prompts
    identity: str
    needs_frames: bool = True

    @classmethod
    def load(cls, name: str, prompts: Prompts, device: str) -> HubCaptioner:
        """Load a model by hub id or folder.

        Raises:
            OnestoryError: T654 when it cannot be loaded.
        """
        try:
            if folder := folder_of(name):
                network = AutoModelForImageTextToText.from_config
                require_size(folder, lambda: network(AutoConfig.from_pretrained(folder)))
            model = AutoModelForImageTextToText.from_pretrained(name, use_safetensors=True)
            processor = load_picture_processor(name)
        except (OSError, ValueError, ImportError) as fault:
            reason = str(fault).strip().splitlines()[0]
            raise caption_fault(
                f'captioner "{name}" cannot be loaded: {reason}', "name a folder, or download it first"
            ) from fault
        prompt = stage_key(network_identity(name), prompts.caption, prompts.rewrite)
        return cls(model=model.to(device).eval(), processor=processor, prompts=prompts, identity=f"hub {prompt}")

    def caption(self, view: ShotView) -> str:
        return self._ask(self.prompts.caption, view.frames)

    def rewrite(self, view: ShotView, caption: str, before: ShotView, earlier: Sequence[str]) -> str:
        return self._ask(rewrite_question(self.prompts, caption, earlier), [*before.frames, *view.frames])

    @torch.inference_mode()
    def _ask(self, question: str, frames: Sequence[Pixels]) -> str:
        pictures = [_small(frame) for frame in frames]
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": question}]
        text = self.processor.tokenizer.apply_chat_template(  # the processor's own method asks for video settings
            [{"role": "user", "content": content}],
            chat_template=self.processor.chat_template,
            add_generation_prompt=True,
            tokenize=False,
        )
        inputs = self.processor(text=[text], images=[pictures], return_tensors="pt").to(self.model.device)
        made = self.model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        answer = made[:, inputs["input_ids"].shape[1] :]
        return " ".join(self.processor.batch_decode(answer, skip_special_tokens=True)[0].split())


def _small(frame_HWC: Pixels) -> Image.Image:
    picture = Image.fromarray(frame_HWC)
    picture.thumbnail((SIDE, SIDE))
    return picture
