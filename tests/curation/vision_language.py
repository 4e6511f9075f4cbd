"""Folders of tiny random image-text models: Qwen3-VL and SmolVLM2, with the real classes and files."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

WORDS = ("[PAD]", "[UNK]", "[EOS]", "a", "fox", "waves", "the", "same", ".")
QWEN = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
SMOL = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>{% endfor %}"
)
SMOL_TEMPLATE = (
    "{% for message in messages %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<end_of_utterance>{% endfor %}"
)
TEXT = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "bos_token_id": 2,
}


def save_qwen(folder: Path) -> Path:
    torch.manual_seed(0)
    ids = {word: number for number, word in enumerate((*WORDS, *QWEN))}
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "patch_size": 16,
        "out_hidden_size": 16,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    config = Qwen3VLConfig(
        text_config={**TEXT, "rope_scaling": {"rope_type": "default", "mrope_section": [1, 1, 2]}},
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    size = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    Qwen2VLImageProcessorPil(size=size, patch_size=16).save_pretrained(folder)
    _save_tokenizer(folder, QWEN, QWEN_TEMPLATE)
    _name_processor(folder, "Qwen3VLProcessor")
    return folder


def save_smolvlm(folder: Path) -> Path:
    torch.manual_seed(0)
    ids = {word: number for number, word in enumerate((*WORDS, *SMOL))}
    config = SmolVLMConfig(
        text_config={**TEXT, "model_type": "llama"},
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
        },
        scale_factor=2,
        image_token_id=ids["<image>"],
        pad_token_id=0,
    )
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    SmolVLMImageProcessorPil(
        do_image_splitting=False, size={"longest_edge": 64}, max_image_size={"longest_edge": 64}
    ).save_pretrained(folder)
    _save_tokenizer(folder, SMOL, SMOL_TEMPLATE)
    _name_processor(folder, "SmolVLMProcessor", image_seq_len=4)
    return folder


def _save_tokenizer(folder: Path, special: tuple[str, ...], template: str) -> None:
    vocabulary = {word: number for number, word in enumerate((*WORDS, *special))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        eos_token="[EOS]",
        additional_special_tokens=list(special),
    )
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)


def _name_processor(folder: Path, name: str, **more: int) -> None:
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": name, **more}))
