"""Real networks of transformers at toy size with random weights, saved in the layout of hub folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BitImageProcessorPil,
    DFineConfig,
    DFineForObjectDetection,
    Dinov2Config,
    Dinov2Model,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    HGNetV2Config,
    PreTrainedTokenizerFast,
    RTDetrImageProcessorPil,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SwinConfig,
    VideoMAEImageProcessorPil,
    XCLIPConfig,
    XCLIPModel,
)

WORDS = ("a", "red", "fox", "robot", "waves", "on", "beach")
TINY = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
BERT = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}  # GroundingDINO needs these ids


def save_dinov2(folder: Path) -> Path:
    torch.manual_seed(0)
    config = Dinov2Config(**TINY, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def save_dfine(folder: Path, labels: Sequence[str] = ("person", "dog")) -> Path:
    torch.manual_seed(0)
    backbone = HGNetV2Config(
        embedding_size=8,
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 8, 8, 16],
        stage_mid_channels=[8] * 4,
        stage_out_channels=[8, 8, 16, 16],
        stage_num_blocks=[1] * 4,
        stage_downsample=[False, True, True, True],
        stage_light_block=[False, False, True, True],
        stage_kernel_size=[3, 3, 5, 5],
        stage_numb_of_layers=[1] * 4,
        out_indices=[2, 3, 4],
    )
    config = DFineConfig(
        backbone_config=backbone,
        encoder_hidden_dim=16,
        encoder_in_channels=[8, 16, 16],
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        decoder_in_channels=[16] * 3,
        decoder_ffn_dim=16,
        decoder_n_points=[2] * 3,
        decoder_layers=2,
        decoder_attention_heads=2,
        num_queries=10,
        num_denoising=0,
        hidden_expansion=0.5,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    DFineForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def save_grounding_dino(folder: Path) -> Path:
    torch.manual_seed(0)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1, 2, 2, 2], window_size=4, out_indices=[2, 3, 4]
        ),
        text_config=BertConfig(**TINY, vocab_size=1100, max_position_embeddings=64),
        num_queries=6,
        d_model=32,
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        encoder_n_points=2,
        decoder_layers=2,
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        decoder_n_points=2,
        max_text_len=16,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    GroundingDinoImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 192}).save_pretrained(folder)
    vocabulary = {**BERT, **{word: number for number, word in enumerate(WORDS, start=1)}}
    _tokenizer(vocabulary, "[CLS]", "[SEP]", "[PAD]", "[UNK]", 64).save_pretrained(folder)
    return folder


def save_xclip(folder: Path) -> Path:
    torch.manual_seed(0)
    vision = {"image_size": 32, "patch_size": 16, "num_frames": 4, **TINY}
    mixing = {
        "mit_hidden_size": 16,
        "mit_intermediate_size": 16,
        "mit_num_hidden_layers": 1,
        "mit_num_attention_heads": 2,
    }
    config = XCLIPConfig(
        text_config=_text(16),
        vision_config={**vision, **mixing},
        projection_dim=16,
        prompt_layers=1,
        prompt_num_attention_heads=2,
    )
    XCLIPModel(config).save_pretrained(folder)
    VideoMAEImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    _text_tokenizer(16).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    torch.manual_seed(0)
    config = SiglipConfig(text_config=_text(8), vision_config={"image_size": 32, "patch_size": 16, **TINY})
    SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    _text_tokenizer(8).save_pretrained(folder)
    return folder


def _text(length: int) -> dict[str, int]:
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    return {**TINY, **special, "vocab_size": 20, "max_position_embeddings": length, "projection_size": 16}


def _text_tokenizer(length: int) -> PreTrainedTokenizerFast:
    names = ["<pad>", "<unk>", "<s>", "</s>", ".", *WORDS]
    return _tokenizer({word: number for number, word in enumerate(names)}, "<s>", "</s>", "<pad>", "<unk>", length)


def _tokenizer(
    vocabulary: Mapping[str, int], start: str, end: str, pad: str, unknown: str, length: int
) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel(dict(vocabulary), unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, vocabulary[start]), (end, vocabulary[end])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, eos_token=end, model_max_length=length
    )
