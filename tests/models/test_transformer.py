"""Joint attention over context and noise, against the stock class and against its forward written out.

Shape letters: B batch, C latent channels, D width, S context tokens, N noise tokens per latent frame, T latent frames,
M joined tokens, L text tokens, E text width, H W latent cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from onestory_cli.models.transformer import MemoryWanTransformer, RotaryEmbedding, rotary_embedding, token_timesteps

SIZES = {
    "num_attention_heads": 1,
    "attention_head_dim": 32,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 8,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "rope_max_seq_len": 64,
}
HEAD = SIZES["attention_head_dim"]
POSITIONS_S3 = torch.tensor([[-1.0, 0, 0], [-1, 0, 1.5], [-2, 0.5, 3], [-3, 1.5, 1.5], [-3, 1.5, 5.5]])


@dataclass(frozen=True)
class Inputs:
    latents_BCTHW: Tensor
    time_B: Tensor
    text_BLE: Tensor
    context_BSD: Tensor
    rotary: RotaryEmbedding

    def context(self) -> dict[str, object]:
        return {"context_tokens": self.context_BSD, "context_rotary": self.rotary}


@pytest.fixture
def base() -> WanTransformer3DModel:
    torch.manual_seed(0)
    return WanTransformer3DModel(**SIZES).eval()


@pytest.fixture
def ours(base: WanTransformer3DModel) -> MemoryWanTransformer:
    model = MemoryWanTransformer(**SIZES).eval()
    model.load_state_dict(base.state_dict())
    return model


@pytest.fixture
def given() -> Inputs:
    draw = torch.Generator().manual_seed(1)
    return Inputs(
        latents_BCTHW=torch.randn(2, 4, 3, 8, 8, generator=draw),
        time_B=torch.tensor([700.0, 20.0]),
        text_BLE=torch.randn(2, 6, 8, generator=draw),
        context_BSD=torch.randn(2, len(POSITIONS_S3), 32, generator=draw),
        rotary=rotary_embedding(POSITIONS_S3, head_dim=HEAD),
    )


def call(model: WanTransformer3DModel, given: Inputs, time: Tensor | None = None, **context: object) -> Tensor:
    times = given.time_B if time is None else time
    with torch.no_grad():
        return model(given.latents_BCTHW, times, given.text_BLE, return_dict=False, **context)[0]


@torch.no_grad()
def written_out(base: WanTransformer3DModel, given: Inputs, time: Tensor | None = None, first: int = 0) -> Tensor:
    """Embed, join, rotate, attend, normalise, project, drop: Eq. 8 over the stock parts."""
    batch, channels, frames, height, width = given.latents_BCTHW.shape
    per_frame = height // 2 * (width // 2)
    longer = torch.zeros(1, channels, first + frames, height, width)
    tables = [
        torch.cat([context, noise[:, first * per_frame :]], dim=1)
        for context, noise in zip(given.rotary, base.rope(longer), strict=True)
    ]
    noise_BND = base.patch_embedding(given.latents_BCTHW).flatten(2).transpose(1, 2)
    joined_BMD = torch.cat([given.context_BSD, noise_BND], dim=1)
    times = given.time_B if time is None else time
    per_token = times.shape[1] if times.ndim == 2 else None
    embedded, modulation, text, _ = base.condition_embedder(
        times.flatten(), given.text_BLE, None, timestep_seq_len=per_token
    )
    modulation = modulation.unflatten(-1, (6, -1))
    for block in base.blocks:
        joined_BMD = block(joined_BMD, text, modulation, tuple(tables))
    shift, scale = (base.scale_shift_table + embedded[..., None, :]).unbind(-2)
    if per_token is None:
        shift, scale = shift[:, None], scale[:, None]
    out_BMD = base.proj_out(base.norm_out(joined_BMD) * (1 + scale) + shift)[:, given.context_BSD.shape[1] :]
    patches = out_BMD.reshape(batch, frames, height // 2, width // 2, 1, 2, 2, channels)
    return patches.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(given.latents_BCTHW.shape)


def test_without_context_it_is_bit_identical_to_its_base(
    base: WanTransformer3DModel, ours: MemoryWanTransformer, given: Inputs
) -> None:
    expected = call(base, given)
    assert torch.equal(call(ours, given), expected)
    assert torch.equal(call(ours, given, context_tokens=given.context_BSD[:, :0]), expected)
    assert not torch.allclose(call(ours, given, **given.context()), expected)
    assert torch.equal(call(ours, given), expected)


def test_after_an_error_it_is_still_identical_to_its_base(
    base: WanTransformer3DModel, ours: MemoryWanTransformer, given: Inputs
) -> None:
    wrong = rotary_embedding(POSITIONS_S3[:-1], head_dim=HEAD)
    with pytest.raises(RuntimeError):
        call(ours, given, context_tokens=given.context_BSD, context_rotary=wrong, first_frame=1)
    assert torch.equal(call(ours, given), call(base, given))


def test_context_without_positions_raises(ours: MemoryWanTransformer, given: Inputs) -> None:
    with pytest.raises(AssertionError, match="positions"):
        call(ours, given, context_tokens=given.context_BSD)


def test_with_context_it_equals_the_explicit_forward(
    base: WanTransformer3DModel, ours: MemoryWanTransformer, given: Inputs
) -> None:
    assert torch.equal(call(ours, given, **given.context()), written_out(base, given))


def test_one_timestep_per_token_reaches_context_and_noise(
    base: WanTransformer3DModel, ours: MemoryWanTransformer, given: Inputs
) -> None:
    times_BM = token_timesteps(given.time_B, context=5, frames=3, per_frame=16, given=1)
    assert times_BM.shape == (2, 5 + 3 * 16)
    assert times_BM[:, : 5 + 16].eq(0).all()
    assert times_BM[:, 5 + 16 :].eq(given.time_B[:, None]).all()
    made = call(ours, given, times_BM, **given.context())
    assert torch.equal(made, written_out(base, given, times_BM))
    assert not torch.allclose(made, call(ours, given, **given.context()))


def test_a_later_first_frame_uses_the_tail_of_a_longer_table(
    base: WanTransformer3DModel, ours: MemoryWanTransformer, given: Inputs
) -> None:
    later = call(ours, given, **given.context(), first_frame=2)
    assert torch.equal(later, written_out(base, given, first=2))
    assert not torch.allclose(later, call(ours, given, **given.context()))


def test_each_sample_can_have_its_own_positions(ours: MemoryWanTransformer, given: Inputs) -> None:
    moved = rotary_embedding(POSITIONS_S3 - 1, head_dim=HEAD)
    both = tuple(torch.cat(pair) for pair in zip(given.rotary, moved, strict=True))
    made = call(ours, given, context_tokens=given.context_BSD, context_rotary=both)
    torch.testing.assert_close(made[0], call(ours, given, **given.context())[0])
    alone = call(ours, given, context_tokens=given.context_BSD, context_rotary=moved)
    torch.testing.assert_close(made[1], alone[1])


def test_gradient_checkpointing_gives_the_same_gradients(ours: MemoryWanTransformer, given: Inputs) -> None:
    def gradients() -> list[Tensor]:
        context = given.context_BSD.clone().requires_grad_()
        made = ours(
            given.latents_BCTHW, given.time_B, given.text_BLE, context_tokens=context, context_rotary=given.rotary
        )
        return list(torch.autograd.grad(made.sample.square().sum(), [context, *ours.parameters()]))

    ours.train()
    plain = gradients()
    ours.enable_gradient_checkpointing()
    assert all(map(torch.equal, plain, gradients()))
    assert plain[0].abs().sum() > 0


def test_it_has_exactly_the_parameters_of_its_base(base: WanTransformer3DModel, ours: MemoryWanTransformer) -> None:
    assert list(ours.state_dict()) == list(base.state_dict())


def test_it_loads_and_saves_checkpoints_of_its_base(
    tmp_path: Path, base: WanTransformer3DModel, ours: MemoryWanTransformer, given: Inputs
) -> None:
    base.save_pretrained(tmp_path / "base")
    ours.save_pretrained(tmp_path / "ours")
    expected = call(base, given)
    for folder in ("base", "ours"):
        for kind in (WanTransformer3DModel, MemoryWanTransformer):
            loaded = kind.from_pretrained(tmp_path / folder, disable_mmap=True)
            assert torch.equal(call(loaded, given), expected)
    loaded = MemoryWanTransformer.from_pretrained(tmp_path / "base", disable_mmap=True)
    assert torch.equal(call(loaded, given, **given.context()), written_out(base, given))


def test_rotary_equals_the_base_table_at_integer_positions(base: WanTransformer3DModel) -> None:
    axes = [torch.arange(count, dtype=torch.float64) for count in (3, 4, 5)]
    positions_S3 = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    for made, table in zip(
        rotary_embedding(positions_S3, head_dim=HEAD), base.rope(torch.zeros(1, 4, 3, 8, 10)), strict=True
    ):
        assert made.dtype == table.dtype
        assert torch.equal(made, table)


def test_rotary_has_unit_norm_everywhere() -> None:
    cos, sin = rotary_embedding(
        torch.tensor([[-1.0, 0.5, 1.5], [-20.25, -3.5, 0.0], [0.125, 900.0, 7.0]]), head_dim=HEAD
    )
    assert cos.shape == sin.shape == (1, 3, 1, HEAD)
    torch.testing.assert_close(cos.square() + sin.square(), torch.ones_like(cos))


def test_rotary_of_no_positions_is_empty() -> None:
    cos, sin = rotary_embedding(torch.zeros(0, 3), head_dim=HEAD)
    assert cos.shape == sin.shape == (1, 0, 1, HEAD)


def test_lora_layers_work_with_context(ours: MemoryWanTransformer, given: Inputs) -> None:
    peft = pytest.importorskip("peft")
    plain = call(ours, given, **given.context())
    config = peft.LoraConfig(r=2, target_modules=["to_q", "patch_embedding", "proj_out"], init_lora_weights=True)
    ours.add_adapter(config)
    assert torch.equal(call(ours, given, **given.context()), plain)
    for name, weight in ours.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    assert not torch.allclose(call(ours, given, **given.context()), plain)
