"""A ModelSpec for stories and plans, without weights."""

from onestory_cli.models.spec import ModelFiles, ModelSpec
from onestory_cli.storyworld.vocabulary import WORDS

SPEC = ModelSpec(
    name="tiny",
    files=ModelFiles(adapter="adapter"),
    licence="",
    about="",
    width=64,
    height=64,
    size_multiple=16,
    fps=8,
    frames=17,
    max_frames=33,
    steps=24,
    guidance=4.0,
    scheduler="euler",
    shift=3.0,
    memory_frames=6,
    budget=1.0,
    words=WORDS,
    phrases=("desert", "city at night"),
)
