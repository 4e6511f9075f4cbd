"""Expected latents of StoryMem's own sampler on tiny random weights, for tests/generation/test_storymem.py.

    git clone https://github.com/Kevin-thu/StoryMem /tmp/StoryMem
    python -m tests.parity.storymem /tmp/StoryMem

writes expected_storymem.safetensors next to this file. Computed with commit e027735. Its transformer, LoRA loading,
channels, masks, noise and sampler are used as they are; the text encoder and the VAE, which are the base's, are this
package's tiny ones. Flash attention needs CUDA and is replaced by torch's attention.
"""

from __future__ import annotations

import math
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

EXPECTED = Path(__file__).with_name("expected_storymem.safetensors")
RANK = 4
EXPERTS = ("high", "low")
STEPS, SHIFT, GUIDANCE, BOUNDARY = 4, 4.0, 3.5, 0.9
FRAMES, SIZE, SEED = 5, 64, 7
KEYFRAMES = 2
LORA_SCALE = math.sqrt(RANK)  # alpha / sqrt(rank) with alpha = rank


def random_weights(module: nn.Module, seed: int) -> None:
    """Fill all parameters by name, so that they do not depend on the order of initialization."""
    for number, (_, value) in enumerate(sorted(module.named_parameters())):
        drawn = np.random.default_rng([seed, number]).standard_normal(tuple(value.shape)) * 0.1
        value.data = torch.from_numpy(drawn).to(value)


def random_lora(modules: dict[str, tuple[int, int]], seed: int) -> dict[str, Tensor]:
    """A LoRA of Wan module names (outputs, inputs), in the naming of peft."""
    state = {}
    for number, (name, (outputs, inputs)) in enumerate(sorted(modules.items())):
        draw = np.random.default_rng([seed, number])
        down, up = draw.standard_normal((RANK, inputs)) * 0.1, draw.standard_normal((outputs, RANK)) * 0.1
        state[f"base_model.model.{name}.lora_A.weight"] = torch.from_numpy(down).float()
        state[f"base_model.model.{name}.lora_B.weight"] = torch.from_numpy(up).float()
    return state


def lora_modules(width: int, feed_forward: int, blocks: int) -> dict[str, tuple[int, int]]:
    """The modules that StoryMem trains, with (outputs, inputs)."""
    attention = [f"{kind}.{part}" for kind in ("self_attn", "cross_attn") for part in "qkvo"]
    found = {f"blocks.{block}.{part}": (width, width) for block in range(blocks) for part in attention}
    found |= {f"blocks.{block}.ffn.0": (feed_forward, width) for block in range(blocks)}
    return found | {f"blocks.{block}.ffn.2": (width, feed_forward) for block in range(blocks)}


def pictures() -> list[np.ndarray]:
    """The keyframes and, last, a first frame: (H, W, 3)."""
    draw = np.random.default_rng(11)
    return [draw.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(KEYFRAMES + 1)]


def text(width: int) -> Tensor:
    """Caption and negative caption, (2, L, E)."""
    return torch.from_numpy(np.random.default_rng(13).standard_normal((2, 6, width))).float()


def _import(folder: Path) -> Any:
    """StoryMem's memory2video module, with stand-ins for packages that need CUDA or are not used here."""
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "decord", "einops"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.transforms.functional"].to_tensor = lambda image: (  # type: ignore[attr-defined]
        torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
    )
    sys.modules["torchvision.transforms"].functional = sys.modules["torchvision.transforms.functional"]  # type: ignore[attr-defined]
    sys.modules["decord"].VideoReader = sys.modules["decord"].cpu = None  # type: ignore[attr-defined]
    sys.modules["einops"].rearrange = None  # type: ignore[attr-defined]
    wan = types.ModuleType("wan")
    wan.__path__ = [str(folder / "wan")]  # without its __init__, which imports the other models
    sys.modules["wan"] = wan
    sys.path.insert(0, str(folder))
    source = (folder / "wan" / "memory2video.py").read_text()
    # its released code replaces an encoded first frame by gray; the intention is to keep it
    broken = "        else:\n            u = torch.zeros(3, F, h, w)"
    assert source.count(broken) == 1
    source = source.replace(broken, broken.replace("else:", "elif first_frame_file is None:"))
    torch.cuda.current_device = lambda: 0  # a default argument asks for it
    module = types.ModuleType("wan.memory2video")
    module.__package__ = "wan"
    exec(compile(source, "memory2video.py", "exec"), module.__dict__)
    import wan.modules.model as model  # type: ignore[import-not-found]

    model.flash_attention = _attention
    return module, model.WanModel


def _attention(q: Tensor, k: Tensor, v: Tensor, **_: Any) -> Tensor:
    return functional.scaled_dot_product_attention(*(item.transpose(1, 2) for item in (q, k, v))).transpose(1, 2)


def _sampler(module: Any, kind: Any, base: Path, folder: Path) -> Any:
    """StoryMem's sampler on the tiny base, on the CPU."""
    from onestory_cli.models.catalog import find
    from onestory_cli.models.load import load_codec, load_transformer
    from onestory_cli.models.wan_names import to_diffusers

    spec, cpu = find(str(base)), torch.device("cpu")
    codec = load_codec(spec, cpu)
    random_weights(codec.vae, 3)
    sampler = object.__new__(module.WanM2V)
    sampler.device, sampler.rank, sampler.t5_cpu, sampler.init_on_cpu, sampler.sp_size = cpu, 0, True, False, 1
    sampler.num_train_timesteps, sampler.boundary, sampler.param_dtype = 1000, BOUNDARY, torch.float32
    sampler.vae_stride, sampler.patch_size, sampler.sample_neg_prompt = (4, 8, 8), (1, 2, 2), "-"
    for number, expert in enumerate(EXPERTS):
        ours = load_transformer(spec, "transformer" if number == 0 else "transformer_2", torch.float32)
        random_weights(ours, number)
        config = ours.config
        width = config.num_attention_heads * config.attention_head_dim
        theirs = kind(
            model_type="i2v", text_len=6, in_dim=36, dim=width, ffn_dim=config.ffn_dim, freq_dim=config.freq_dim,
            text_dim=config.text_dim, out_dim=16, num_heads=config.num_attention_heads, num_layers=config.num_layers,
        )  # fmt: skip
        state = ours.state_dict()
        theirs.load_state_dict(
            {name: state[to_diffusers(name)].reshape(value.shape) for name, value in theirs.state_dict().items()}
        )
        file = folder / f"{expert}.safetensors"
        modules = lora_modules(width, config.ffn_dim, config.num_layers)
        save_file(random_lora(modules, 20 + number), file)
        targets = ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "cross_attn.q", "cross_attn.k"]
        targets += ["cross_attn.v", "cross_attn.o", "ffn.0", "ffn.2"]
        lora = {"r": RANK, "lora_alpha": RANK, "target_modules": targets, "use_rslora": True, "bias": "none"}
        theirs = sampler._load_lora(theirs, {**lora, "enabled": True, "weight": str(file)})
        setattr(sampler, f"{expert}_noise_model", theirs.eval())
    embeds = text(config.text_dim)
    sampler.text_encoder = lambda prompts, _device: [embeds[int(prompts[0] == "-")]]
    sampler.vae = types.SimpleNamespace(encode=codec.encode_values)
    sampler._vae_decode = lambda z, **_: (z, None)
    return sampler


def main(folder: Path) -> None:
    from tests.bases import write_base

    module, kind = _import(folder)
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        sampler = _sampler(module, kind, write_base(here / "base", "i2v-a14b", card={}), here)
        files = [str(here / f"{number}.png") for number in range(KEYFRAMES + 1)]
        for file, picture in zip(files, pictures(), strict=True):
            Image.fromarray(picture).save(file)
        generate: Callable[..., Tensor] = lambda first: sampler.generate(  # noqa: E731
            "+", files[:KEYFRAMES], first_frame_file=first, max_area=SIZE * SIZE, frame_num=FRAMES, shift=SHIFT,
            sampling_steps=STEPS, guide_scale=GUIDANCE, seed=SEED, offload_model=False,
        )  # fmt: skip
        found = {"memory": generate(None), "memory_and_first_frame": generate(files[-1])}
    save_file({name: value[:, KEYFRAMES:].contiguous() for name, value in found.items()}, EXPECTED)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
