"""Plan -> film. `render` is the loop; `ShotMaker` in `shot_maker.py` is the model that it asks for shots."""

from onestory_cli.render.loop import render
from onestory_cli.render.maker import Made, Maker, Recalled
from onestory_cli.render.resume import load_run_plan

__all__ = ["Made", "Maker", "Recalled", "load_run_plan", "render"]
