"""The whole line from footage to a model: `python -m tests.benchmarks.curation_line --out DIR` prints JSON lines.

Storyworld films are written as plain mp4 files and curated with the read-out as captioner. One adapter is trained from
that set and one, with the same recipe, from the ground truth of the same films. `onestory evaluate` then measures both.
The colour of characters that return is what the two are compared by. The defaults are a toy; `--videos 600 --steps 2000
--stories 64` takes hours on one core.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import yaml

from onestory_cli.evaluation.world import world_of
from onestory_cli.models.catalog import find
from onestory_cli.storyworld.stories import make_story, relevance
from tests.curation import footage

SHOTS = 4
FIRST_SEED = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--stories", type=int, default=2, help="stories of the evaluation")
    given = parser.parse_args()
    start = time.monotonic()
    truth = write_films(given.out, given.videos)
    curated = given.out / "set"
    onestory(
        "curate", given.out / "videos", "--out", curated, "--captioner", "readout", "--cast", "readout",
        "--encoders", "readout", "--recipe", write_curate_recipe(given.out),
    )  # fmt: skip
    recipe = write_recipe(given.out / "recipe.yaml", given.steps)
    report({"step": "curate", "seconds": round(time.monotonic() - start), **counts(curated / "shots.jsonl")})
    for name, data in (("curated", curated), ("truth", truth)):
        onestory("train", recipe, "--data", data, "--out", given.out / name, "--device", "cpu")
        log = (given.out / name / "log.jsonl").read_text().splitlines()
        report({"step": "train", "data": name, **json.loads(log[-1])})
        text = onestory("evaluate", given.out / name / "model", "--stories", given.stories, "--device", "cpu", "--json")
        (given.out / f"{name}.json").write_text(text)
        report({"step": "evaluate", "data": name, "file": str(given.out / f"{name}.json")})


def write_films(out: Path, count: int) -> Path:
    """Write the films and the manifest of their truth; return its path."""
    (out / "videos").mkdir(parents=True)
    config, lines = world_of(find("storyworld")), []
    for number in range(count):
        story = make_story(FIRST_SEED + number, config, shots=SHOTS)
        film = footage.storyworld_film(FIRST_SEED + number, SHOTS, config)
        path = footage.write(out / "videos" / f"{number:04}.mp4", film.pixels_PHWC, config.fps)
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
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(json.dumps({"video": f"videos/{path.name}", "digest": digest, "shots": shots}))
    (out / "truth.jsonl").write_text("\n".join(lines) + "\n")
    return out / "truth.jsonl"


def write_curate_recipe(out: Path) -> Path:
    """Films of the storyworld have places without motion, and eight frames per second."""
    recipe = {"cuts": {"margin": 0}, "filters": {"frozen": None, "unrelated": None, "copy": None}}
    (out / "curate.yaml").write_text(yaml.safe_dump(recipe))
    return out / "curate.yaml"


def write_recipe(path: Path, steps: int) -> Path:
    """The adapter of both trainings: a LoRA and a new selector and conditioner for the embedded model."""
    train = {"steps": steps, "batch": 4, "rate": 5e-4, "warmup": max(1, steps // 10), "uniform_steps": steps // 4}
    recipe = {
        "name": "line",
        "base": "storyworld",
        "data": {"storyworld": {"stories": 2}},
        "delta": "lora",
        "lora": {"rank": 16, "alpha": 16},
        "memory": {"remembered": [8], "budgets": [1.0], "selector_width": 128},
        "dtype": "float32",
        "checkpoint_every": max(1, steps // 4),
        "log_every": max(1, steps // 20),
        "train": train,
    }
    path.write_text(yaml.safe_dump(recipe))
    return path


def counts(manifest: Path) -> dict[str, int]:
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    return {"sequences": len(lines), "shots": sum(len(line["shots"]) for line in lines)}


def onestory(*arguments: object) -> str:
    command = [sys.executable, "-m", "onestory_cli", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(row: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
