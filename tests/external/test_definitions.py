"""The node classes that are newer than the server of test_real_comfyui.py, and the reader of definitions.

Each definition was compared by reading with the file that is named here, in ComfyUI's source of November 2026 (0.38.1).
`python -m tests.external.definitions FOLDER` repeats that with a checkout.
"""

from __future__ import annotations

import json
from pathlib import Path

import onestory_cli
from tests.external.definitions import differences, read_definitions

NEWER = {
    "ComfyMathExpression": "comfy_extras/nodes_math.py",
    "LTXVAudioVAEDecode": "comfy_extras/nodes_lt_audio.py",
    "LTXVConcatAVLatent": "comfy_extras/nodes_lt.py",
    "LTXVDualCFGGuider": "comfy_extras/nodes_lt.py",
    "LTXVEmptyLatentAudio": "comfy_extras/nodes_lt_audio.py",
    "LTXVImgToVideoInplace": "comfy_extras/nodes_lt.py",
    "LTXVLatentUpsampler": "comfy_extras/nodes_lt_upsampler.py",
    "LTXVSeparateAVLatent": "comfy_extras/nodes_lt.py",
    "LatentUpscaleModelLoader": "comfy_extras/nodes_hunyuan.py",
    "ManualSigmas": "comfy_extras/nodes_custom_sampler.py",
}
SOURCE = """
class Audio(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LTXVEmptyLatentAudio",
            inputs=[
                io.Int.Input("frames_number", default=97),
                io.MultiType.Input(io.Float.Input("frame_rate", default=25.0), [io.Int]),
                io.Int.Input("batch_size"),
                io.Vae.Input(id="audio_vae"),
            ],
            outputs=[io.Latent.Output(display_name="Latent")],
        )

class Wan(IO.ComfyNode):
    @classmethod
    def define_schema(cls):
        return IO.Schema(
            node_id="LTXVLatentUpsampler",
            inputs=[IO.Latent.Input("samples"), IO.LatentUpscaleModel.Input("upscale_model", optional=True)],
            outputs=[IO.Latent.Output()],
        )
"""


def test_every_newer_class_was_compared() -> None:
    path = Path(onestory_cli.__file__).parent / "external" / "node_inputs.json"
    assert NEWER.keys() == set(json.loads(path.read_text())["newer"])


def test_schemas_are_read_and_compared() -> None:
    found = read_definitions(SOURCE)
    assert found["LTXVLatentUpsampler"]["optional"] == {"upscale_model": "LATENT_UPSCALE_MODEL"}
    assert [line.partition(" is ")[0] for line in differences(found)] == [
        "LTXVLatentUpsampler: required",
        "LTXVLatentUpsampler: optional",
    ]
