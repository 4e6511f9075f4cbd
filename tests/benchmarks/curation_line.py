"""The whole line from footage to a model: `python -m tests.benchmarks.curation_line --out DIR` prints JSON lines.

Storyworld films are written as plain mp4 files and curated with the read-out as captioner. One adapter is trained from
that set and one, with the same recipe, from the ground truth of the same films. `onestory evaluate` then measures both.
The two are compared by the colour of returning characters. The defaults are a toy; `--videos 600 --steps 600
--stories 32` takes about an hour of one core.

Run it again with the same arguments to continue after an interruption: finished steps are kept in `DIR/steps`, and
`curate` and `train` continue their own work.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from onestory_cli.evaluation.world import world_of
from onestory_cli.models.catalog import find
from onestory_cli.storyworld.stories import make_story, relevance
from onestory_cli.utils.atomic import write_atomic
from onestory_cli.utils.untrusted import file_sha256
from tests.curation import footage

SHOTS = 4
FIRST_SEED = 20_000
RECIPE = Path(__file__).parents[2] / "examples/recipes/storyworld-footage.yaml"
COLOUR = "later: colour"
KINDS = ("truth", "curated")

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; one that exists is continued")
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--steps", type=int, default=4, help="training steps of each adapter")
    parser.add_argument("--stories", type=int, default=2, help="stories of the evaluation")
    given = parser.parse_args()
    line = Line(given.out, given.videos, given.steps, given.stories)
    for name, step in line.steps():
        row = run_once(given.out / "steps" / f"{name}.json", step)
        sys.stdout.write(json.dumps({"step": name, **row}) + "\n")
        sys.stdout.flush()


def run_once(path: Path, step: Callable[[], Row]) -> Row:
    """Run a step unless its row is in `path`; return the row, with its seconds."""
    if not path.exists():
        start = time.monotonic()
        row = {**step(), "seconds": round(time.monotonic() - start)}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(row).encode())
    row = json.loads(path.read_text())
    assert isinstance(row, dict)
    return row


class Line:
    """The steps of one comparison in `out`."""

    def __init__(self, out: Path, videos: int, steps: int, stories: int) -> None:
        self._out, self._videos, self._steps, self._stories = out, videos, steps, stories

    def steps(self) -> list[tuple[str, Callable[[], Row]]]:
        """Name and function of each step, in order."""
        trained = [
            (f"{what}-{kind}", partial(step, kind))
            for kind in KINDS
            for what, step in (("train", self.train), ("evaluate", self.evaluate))
        ]
        return [("films", self.films), *trained[:2], ("curate", self.curate), *trained[2:], ("compare", self.compare)]

    def films(self) -> Row:
        """Write the films and the manifest of their truth."""
        config, lines = world_of(find("storyworld")), []
        (self._out / "videos").mkdir(parents=True, exist_ok=True)
        for number in range(self._videos):
            story = make_story(FIRST_SEED + number, config, shots=SHOTS)
            path = self._out / "videos" / f"{number:04}.mp4"
            film = footage.storyworld_film(FIRST_SEED + number, SHOTS, config)
            footage.write(path, film.pixels_PHWC, config.fps)
            seconds = config.frames / config.fps
            shots = [
                {
                    "start": index * seconds,
                    "end": (index + 1) * seconds,
                    "caption": shot.caption,
                    "relevance": list(relevance(story, index)),
                }
                for index, shot in enumerate(story.shots)
            ]
            digest = file_sha256(path)[0].hex()
            lines.append(json.dumps({"video": f"videos/{path.name}", "digest": digest, "shots": shots}))
        (self._out / "truth.jsonl").write_text("\n".join(lines) + "\n")
        return counts(self._out / "truth.jsonl")

    def curate(self) -> Row:
        """Films of the storyworld have places without motion, and eight frames per second."""
        recipe = {"cuts": {"margin": 0}, "filters": {"frozen": None, "unrelated": None, "copy": None}}
        path = self._out / "curate.yaml"
        path.write_text(yaml.safe_dump(recipe))
        onestory(
            "curate", self._out / "videos", "--out", self._out / "set", "--captioner", "readout", "--cast", "readout",
            "--encoders", "readout", "--recipe", path,
        )  # fmt: skip
        return counts(self._out / "set/shots.jsonl")

    def train(self, kind: str) -> Row:
        """Train an adapter from the truth or from the curated set, with the same recipe."""
        folder, recipe = self._out / kind, self._out / "recipe.yaml"
        tree = yaml.safe_load(RECIPE.read_text())
        steps = self._steps
        tree["train"] |= {"steps": steps, "warmup": max(1, steps // 10), "uniform_steps": steps // 4}
        recipe.write_text(yaml.safe_dump(tree))
        data = self._out / ("truth.jsonl" if kind == "truth" else "set")
        more = ("--resume",) if folder.exists() else ()
        if kind == "curated" and not folder.exists():  # most of its shots have been encoded: their times are the same
            shutil.copytree(self._out / "truth/cache", folder / "cache")
            more = ("--resume",)
        onestory("train", recipe, "--data", data, "--out", folder, "--device", "cpu", *more)
        row = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
        assert isinstance(row, dict)
        return {key: value for key, value in row.items() if key != "seconds"}

    def evaluate(self, kind: str) -> Row:
        """Render held-out stories with the adapter and measure them."""
        file = self._out / f"{kind}.json"
        onestory(
            "evaluate", self._out / kind / "model", "--stories", self._stories, "--policies", "adaptive", "--steps", 8,
            "--device", "cpu", "--out", file, "--force",
        )  # fmt: skip
        return {COLOUR: colour(file)}

    def compare(self) -> Row:
        """The difference of the colour of characters that return, in points."""
        one, other = (colour(self._out / f"{kind}.json")["percent"] for kind in KINDS)
        return {"colour_truth": one, "colour_curated": other, "points": round(other - one, 1)}


def colour(file: Path) -> Row:
    """How many returning characters have their colour: percent, interval and count."""
    row = json.loads(file.read_text())["rows"]["adaptive"][COLOUR]
    assert isinstance(row, dict)
    return row


def counts(manifest: Path) -> dict[str, int]:
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    return {"sequences": len(lines), "shots": sum(len(line["shots"]) for line in lines)}


def onestory(*arguments: object) -> None:
    command = [sys.executable, "-m", "onestory_cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
