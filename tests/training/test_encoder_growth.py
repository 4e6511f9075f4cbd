"""Growing the text encoder: new layers change nothing at first, then learn word positions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import UMT5Config, UMT5EncoderModel

from onestory_cli.training.encoder_growth import grow_text_encoder, grow_vocabulary


@pytest.fixture
def encoder() -> UMT5EncoderModel:
    torch.manual_seed(0)
    config = UMT5Config(vocab_size=20, d_model=16, d_kv=4, d_ff=32, num_heads=4, num_layers=1, dropout_rate=0.0)
    return UMT5EncoderModel(config).eval()


WORDS = torch.tensor([[3, 4, 5, 6, 7, 8]])


def test_new_layer_changes_nothing(encoder: UMT5EncoderModel) -> None:
    before = encoder(WORDS).last_hidden_state
    grow_text_encoder(encoder, 3, seed=1)
    assert len(encoder.encoder.block) == encoder.config.num_layers == 3
    assert torch.equal(encoder(WORDS).last_hidden_state, before)


def test_existing_layers_are_kept(encoder: UMT5EncoderModel) -> None:
    weights = [value.clone() for value in encoder.parameters()]
    for layers in (0, 1):
        grow_text_encoder(encoder, layers, seed=1)
    assert all(torch.equal(one, other) for one, other in zip(weights, encoder.parameters(), strict=True))


def test_new_weights_depend_only_on_the_seed(encoder: UMT5EncoderModel) -> None:
    def grown(seed: int) -> torch.Tensor:
        torch.rand(3)  # must not change the new weights
        other = UMT5EncoderModel(encoder.config)
        grow_text_encoder(other, 2, seed=seed)
        return other.encoder.block[-1].layer[0].SelfAttention.v.weight

    encoder.config.num_layers = 1
    first = grown(1)
    encoder.config.num_layers = 1
    again = grown(1)
    encoder.config.num_layers = 1
    assert torch.equal(first, again)
    assert not torch.equal(first, grown(2))


def test_heads_attend_to_previous_word_all_before_and_all_after(encoder: UMT5EncoderModel) -> None:
    grow_text_encoder(encoder, 2, seed=1)
    attention = encoder.encoder.block[-1].layer[0].SelfAttention
    seen = attention.compute_bias(6, 6)[0].softmax(-1)  # (heads, words, attended words)
    assert seen[0, 3, 2] > 0.99
    assert seen[1, 3, 4:].sum() < 0.01
    assert seen[2, 3, 4:].sum() > 0.99
    assert seen[3, 5, 1:4].sum() > 0.99


def test_grown_encoder_is_a_stock_one(encoder: UMT5EncoderModel, tmp_path: Path) -> None:
    grow_text_encoder(encoder, 2, seed=1)
    torch.nn.init.normal_(encoder.encoder.block[-1].layer[0].SelfAttention.o.weight)
    encoder.save_pretrained(tmp_path)
    again = UMT5EncoderModel.from_pretrained(tmp_path).eval()
    assert torch.equal(again(WORDS).last_hidden_state, encoder(WORDS).last_hidden_state)


def test_new_words_do_not_change_known_ones(encoder: UMT5EncoderModel) -> None:
    before = encoder(WORDS).last_hidden_state
    grow_vocabulary(encoder, 23, seed=1)
    assert encoder.config.vocab_size == len(encoder.shared.weight) == 23
    assert torch.equal(encoder(WORDS).last_hidden_state, before)
    new = encoder.shared.weight[20:].detach()
    assert new.std() == pytest.approx(float(encoder.shared.weight[:20].detach().std()), rel=0.4)
    assert not torch.equal(new[0], new[1])
