"""The Wan transformer with context tokens: joint self-attention over memory and noise (OneStory Eq. 8).

Shape letters: B batch, C latent channels, D width, S context tokens, N noise tokens per latent frame, T latent frames,
M = S + T * N joined tokens, H W latent cells, R width of one attention head.

The stock forward is wrapped, not copied. For the duration of one call, the rotary table is extended, the patch
embedding returns the joined sequence, and the output projection drops the context tokens. Such hooks work with LoRA
wrappers, gradient checkpointing and context parallelism; a copied forward would have to follow every release of
diffusers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import Tensor, nn

RotaryEmbedding = tuple[Tensor, Tensor]
IsolatedRotary = tuple[Tensor, Tensor, int]  # and the number of context tokens at its start


class JoinedRotary(nn.Module):
    """The base's rotary table for the noise tokens, preceded by the rows of the context tokens of the current call.

    It is a module because context parallelism splits the output of the module named `rope`. `first_frame` is the time
    of the first noise frame, so that training can use a single latent frame of a shot at its true time. With
    `isolated`, the number of context tokens follows the table, for `context_attention.IsolatedContextProcessor`.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.context: RotaryEmbedding | None = None
        self.first_frame = 0
        self.isolated = False

    def forward(self, hidden_states_BCTHW: Tensor) -> RotaryEmbedding | IsolatedRotary:
        table = self._joined(hidden_states_BCTHW)
        if not self.isolated:
            return table
        return *table, 0 if self.context is None else self.context[0].shape[1]

    def _joined(self, hidden_states_BCTHW: Tensor) -> RotaryEmbedding:
        cos, sin = self._noise(hidden_states_BCTHW)
        if self.context is None:
            return cos, sin
        context_cos, context_sin = self.context
        return _put_before(context_cos, cos), _put_before(context_sin, sin)

    def _noise(self, hidden_states_BCTHW: Tensor) -> RotaryEmbedding:
        if self.first_frame == 0:
            return self.base(hidden_states_BCTHW)
        frames, height, width = hidden_states_BCTHW.shape[2:]
        # the base reads only the shape
        longer = hidden_states_BCTHW.new_empty(1, 1, frames + self.first_frame, height, width)
        cos, sin = self.base(longer)
        skipped = cos.shape[1] * self.first_frame // (frames + self.first_frame)
        return cos[:, skipped:], sin[:, skipped:]


def _put_before(context: Tensor, noise: Tensor) -> Tensor:
    """Concatenate (1 or B, S, 1, R) and (1, T * N, 1, R), with dtype and device of the second."""
    return torch.cat([context.to(noise), noise.expand(len(context), -1, -1, -1)], dim=1)


@dataclass
class ContextReuse:
    """Whether the present call computes the context tokens, or reads what an earlier call stored.

    tokens: of the context in this call, 0 between calls and in calls without any
    filled: an earlier call has stored the context
    """

    tokens: int = 0
    filled: bool = False

    @property
    def reads(self) -> bool:
        return self.filled and self.tokens > 0

    @contextmanager
    def call(self, tokens: int) -> Iterator[None]:
        """The duration of one forward call with `tokens` context tokens."""
        self.tokens = tokens
        try:
            yield
            self.filled = self.filled or tokens > 0
        finally:
            self.tokens = 0


class MemoryWanTransformer(WanTransformer3DModel):
    """A `WanTransformer3DModel` that reads context tokens. Without them it is bit-identical to its base class.

    It has no parameters of its own, so checkpoints of the base load unchanged. Never save a pipeline that contains this
    class: diffusers cannot resolve it from a pipeline's index.
    """

    rope: JoinedRotary
    context_reuse: ContextReuse | None = None  # set by `caches.reuse_context`

    # from_pretrained passes the entries of a config that this signature names
    @functools.wraps(WanTransformer3DModel.__init__)  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rope = JoinedRotary(self.rope)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        *args: Any,
        context_tokens: Tensor | None = None,
        context_rotary: RotaryEmbedding | None = None,
        first_frame: int = 0,
        **kwargs: Any,
    ) -> Any:
        """As the base class, over the joined sequence [context, noise].

        Args:
            hidden_states: noisy latents (B, C, T, H, W).
            timestep: (B,), or one per joined token (B, M) for bases that expand timesteps.
            encoder_hidden_states: text (B, L, text_dim).
            context_tokens: (B, S, D) from the Adaptive Conditioner; None or S = 0 is an empty memory.
            context_rotary: (cos, sin), each (1 or B, S, 1, R), from `rotary_embedding`; required with tokens.
            first_frame: time of the first latent frame; 0 except in training on single frames.

        Returns:
            The prediction for the noise tokens only, (B, C, T, H, W).
        """
        reuse = self.context_reuse or ContextReuse()
        with reuse.call(0 if context_tokens is None else context_tokens.shape[1]):
            if reuse.reads:
                timestep = timestep[:, reuse.tokens :] if timestep.ndim == 2 else timestep
                context_tokens = None
            with self._joined(context_tokens, context_rotary, first_frame):
                return super().forward(hidden_states, timestep, encoder_hidden_states, *args, **kwargs)

    @contextmanager
    def _joined(self, context_BSD: Tensor | None, rotary: RotaryEmbedding | None, first_frame: int) -> Iterator[None]:
        hooks = []
        self.rope.first_frame = first_frame
        if context_BSD is not None and context_BSD.shape[1] > 0:
            assert rotary is not None, "context tokens need rotary positions"
            self.rope.context = rotary
            hooks = self._context_hooks(context_BSD)
        try:
            yield
        finally:
            self.rope.context, self.rope.first_frame = None, 0
            for hook in hooks:
                hook.remove()

    def _context_hooks(self, context_BSD: Tensor) -> list[Any]:
        def join(_module: nn.Module, _inputs: Any, patches_BDTHW: Tensor) -> Tensor:
            patches_BDN = patches_BDTHW.flatten(2)
            joined_BDM = torch.cat([context_BSD.transpose(1, 2).to(patches_BDN.dtype), patches_BDN], dim=2)
            return joined_BDM[..., None, None]  # the base flattens (T, H, W) next

        def drop(_module: nn.Module, _inputs: Any, tokens_BMD: Tensor) -> Tensor:
            return tokens_BMD[:, context_BSD.shape[1] :]

        return [self.patch_embedding.register_forward_hook(join), self.proj_out.register_forward_hook(drop)]


def rotary_embedding(positions_S3: Tensor, *, head_dim: int, theta: float = 10000.0) -> RotaryEmbedding:
    """Rotary (cos, sin), each (1, S, 1, R), at real-valued positions (time, row, column) in units of noise tokens.

    Axis split and layout are the base's. At integer positions the values equal the base's table.
    """
    plane = 2 * (head_dim // 6)
    parts = [
        get_1d_rotary_pos_embed(
            dim,
            positions_S3[:, axis].double(),
            theta,
            use_real=True,
            repeat_interleave_real=True,
            freqs_dtype=torch.float64,
        )
        for axis, dim in enumerate((head_dim - 2 * plane, plane, plane))
    ]
    cos, sin = (torch.cat([part[index] for part in parts], dim=1)[None, :, None] for index in (0, 1))
    return cos.float(), sin.float()


def token_timesteps(time_B: Tensor, *, context: int, frames: int, per_frame: int, given: int = 0) -> Tensor:
    """One timestep per joined token, (B, M): 0 for context tokens and the `given` first latent frames."""
    times_BM = time_B[:, None].expand(-1, context + frames * per_frame).clone()
    times_BM[:, : context + given * per_frame] = 0
    return times_BM
