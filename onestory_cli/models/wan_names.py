"""Names of Wan transformer weights: the Wan team's and ComfyUI's names -> diffusers' names. No torch here."""

from __future__ import annotations

from collections.abc import Iterable

# Longest first. Tools wrap a checkpoint in a module of their own and save it with that module's name.
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.")

# (part of a Wan name, part of the diffusers name); the same pairs as diffusers' own conversion of single files.
_WHOLE = {"head.modulation": "scale_shift_table", "head.head": "proj_out"}
_TOP = {
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "img_emb.proj.0": "condition_embedder.image_embedder.norm1",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb.proj.4": "condition_embedder.image_embedder.norm2",
    "img_emb.emb_pos": "condition_embedder.image_embedder.pos_embed",
}
# Wan's norm3 is diffusers' norm2; the third norm has no weights in either.
_BLOCK = {"self_attn": "attn1", "cross_attn": "attn2", "norm3": "norm2", "modulation": "scale_shift_table"}
_BLOCK |= {"before_proj": "proj_in", "after_proj": "proj_out"}  # of VACE blocks
_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "k_img": "add_k_proj", "v_img": "add_v_proj"}
_ATTENTION |= {"norm_k_img": "norm_added_k"}
_FEED_FORWARD = {"0": "net.0.proj", "2": "net.2"}
_BLOCKS = ("blocks", "vace_blocks")


def strip_prefix(name: str) -> str:
    """A name without the prefix of the tool that saved it."""
    prefix = next((item for item in PREFIXES if name.startswith(item)), "")
    return name.removeprefix(prefix)


def to_diffusers(name: str) -> str:
    """The diffusers name of a weight or module; a name that is already diffusers' is returned unchanged."""
    for wan, ours in {**_WHOLE, **_TOP}.items():
        if name == wan or name.startswith(f"{wan}."):
            return ours + name.removeprefix(wan)
    parts = name.split(".")
    if len(parts) < 3 or parts[0] not in _BLOCKS or not _is_wan_block(parts[2:]):
        return name
    return ".".join([*parts[:2], *_block_part(parts[2:])])


def is_wan_name(name: str) -> bool:
    """Whether a name is one of the Wan team's that diffusers calls differently."""
    return to_diffusers(name) != name


def _is_wan_block(parts: list[str]) -> bool:
    """Whether a name inside a block can be the Wan team's: diffusers has norms too, but no self_attn, ffn.0 or q."""
    return parts[0] in _BLOCK or (parts[0] == "ffn" and len(parts) > 1 and parts[1] in _FEED_FORWARD)


def _block_part(parts: list[str]) -> list[str]:
    if parts[0] == "ffn":
        return ["ffn", _FEED_FORWARD[parts[1]], *parts[2:]]
    rest = parts[1:]
    if parts[0] in ("self_attn", "cross_attn") and rest:
        rest = [_ATTENTION.get(rest[0], rest[0]), *rest[1:]]
    return [_BLOCK[parts[0]], *rest]


_MODULES_OF_BLOCK = (
    *(f"{attention}.{part}" for attention in ("self_attn", "cross_attn") for part in _ATTENTION),
    *(f"{attention}.{norm}" for attention in ("self_attn", "cross_attn") for norm in ("norm_q", "norm_k")),
    "ffn.0",
    "ffn.2",
    "norm3",
    "before_proj",
    "after_proj",
)


def wan_modules(names: Iterable[str]) -> dict[str, str]:
    """Wan name -> diffusers name of the modules in `names`, which are diffusers'."""
    known = set(names)
    blocks = {".".join(name.split(".")[:2]) for name in known if name.split(".")[0] in _BLOCKS and "." in name}
    candidates = [*_WHOLE, *_TOP, *(f"{block}.{part}" for block in sorted(blocks) for part in _MODULES_OF_BLOCK)]
    return {name: to_diffusers(name) for name in candidates if to_diffusers(name) in known}
