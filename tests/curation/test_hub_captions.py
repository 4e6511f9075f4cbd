"""Tiny random Qwen3-VL and SmolVLM2 write captions through the `hub:` path, without torchvision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from onestory_cli.curation.captioner_factory import make_captioner
from onestory_cli.curation.captioners import ShotView
from onestory_cli.curation.hub_captions import HubCaptioner
from onestory_cli.curation.recipe import CaptionSettings
from onestory_cli.errors import OnestoryError
from tests.curation import vision_language

pytestmark = pytest.mark.slow  # each loads transformers and a model


@pytest.mark.parametrize("kind", ["qwen", "smolvlm"])
def test_frames_become_a_caption(tmp_path: Path, kind: str) -> None:
    if kind == "smolvlm":
        pytest.importorskip("num2words", reason="transformers' SmolVLM needs it")
    folder = getattr(vision_language, f"save_{kind}")(tmp_path / kind)
    captioner = make_captioner(CaptionSettings(captioner=f"hub:{folder}"), tmp_path, "cpu")
    assert isinstance(captioner, HubCaptioner)
    frames = [np.full((48, 64, 3), 40 * number, np.uint8) for number in range(3)]
    view = ShotView(video=Path("film.mp4"), start=0, end=1, frames=frames)
    made: list[dict[str, object]] = []
    generate = captioner.model.generate
    captioner.model.generate = lambda **inputs: made.append(inputs) or generate(**inputs)  # type: ignore[func-returns-value]
    first = captioner.caption(view)
    assert captioner.caption(view) == first
    captioner.rewrite(view, "A fox waves.", view, ["A fox."])
    image = captioner.processor.image_token_id
    tokens = [int((item["input_ids"] == image).sum()) for item in made]  # type: ignore[union-attr,attr-defined]
    assert tokens[0] > 0
    assert tokens[2] == 2 * tokens[0]


def test_a_folder_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OnestoryError) as fault:
        make_captioner(CaptionSettings(captioner=f"hub:{tmp_path}"), tmp_path, "cpu")
    assert fault.value.code == "T654"
