"""`python -m tests.benchmarks.speed STORY`: compare the engine with stock diffusers, as ratios.

Both render the film, each time in a new process, with the same shots, weights, steps, size and encoder. The engine also
has its memory, checks and store. The pipeline also renders it with the steps and the guidance of the model that a
distilled one learned from. Then parts are measured: a step with and without memory, and late shots of a film compared
with shot 2, which remembers less, and with the first shot that has a full memory.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.speed.films import Film, Sampling, Way, film, in_new_process, plan_of
from tests.benchmarks.speed.parts import Aged, Pair, StepShape, ages, step_with_memory


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The films in the order of rendering, and the parts; None or empty if not requested.

    teacher: of the stock pipeline with `sampling`
    """

    ours: tuple[Film, ...]
    stock: tuple[Film, ...]
    teacher: tuple[Film, ...]
    sampling: Sampling | None
    step: Pair | None
    shots: tuple[Aged, ...]

    def best(self, way: Way, field: str) -> float:
        return min(float(getattr(item, field)) for item in getattr(self, way))


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    speed = measure(options)
    sys.stdout.write(json.dumps(asdict(speed), indent=2) + "\n" if options.json else report(speed))


def measure(options: argparse.Namespace) -> Speed:
    """Measure everything that `options` request."""
    steps, guidance = options.teacher
    sampling = Sampling(steps=int(steps), guidance=guidance) if steps else None
    ways: list[Way] = ["ours", "stock", *(["teacher"] if sampling else [])]
    films: dict[Way, list[Film]] = {"ours": [], "stock": [], "teacher": []}
    for _ in range(options.turns):
        for way in ways:
            films[way].append(film(way, options.story, options.device, sampling if way == "teacher" else None))
    from onestory_cli.models.load import pick_device

    layers, heads, width, height, frames = options.step
    shape = StepShape(layers=layers, heads=heads, width=width, height=height, frames=frames)
    device = pick_device(options.device)
    step = step_with_memory(shape, budget=1.0, turns=options.turns, device=device) if layers else None
    late = [number for number in options.late if number]
    shots = in_new_process(ages, plan_of(options.story), options.device, late, options.turns) if late else ()
    found = {way: tuple(results) for way, results in films.items()}
    return Speed(**found, sampling=sampling, step=step, shots=shots)


def report(speed: Speed) -> str:
    """Tables: engine, stock and their ratio; a step with memory; a late shot compared with earlier ones."""
    rows = [("film, s", "seconds", 1.0), ("film, s of processor", "cpu_seconds", 1.0)]
    rows += [("weights read, MB", "read_bytes", 1e6), ("loading, s", "load_seconds", 1.0)]
    rows += [("loaded, MB", "load_bytes", 1e6), ("peak memory, MB", "peak_bytes", 1e6)]
    lines = ["| what | ours | stock | ratio |", "|---|---|---|---|"]
    for name, field, unit in rows:
        ours, stock = speed.best("ours", field), speed.best("stock", field)
        lines.append(f"| {name} | {ours / unit:.2f} | {stock / unit:.2f} | {ours / stock:.2f} |")
    if speed.sampling:
        lines += [_teacher_row(speed, speed.sampling)]
    first, last = (min(film.peaks[place] for film in speed.ours) / 1e6 for place in (0, -1))
    lines += ["", f"Peak memory of ours after its first shot {first:.0f} MB, after its last {last:.0f} MB."]
    if speed.step:
        lines += ["", "| what | with | without | ratio |", "|---|---|---|---|", _step_row(speed.step)]
    if speed.shots:
        head = f"| what | s | remembers | shot {speed.shots[-1].number} / this | peak, MB |"
        lines += ["", head, "|---|---|---|---|---|", *_age_rows(speed.shots)]
    return "\n".join([*lines, ""])


def _teacher_row(speed: Speed, sampling: Sampling) -> str:
    """The film with the story's settings, and by the pipeline with those of the teacher."""
    ours, stock = speed.best("ours", "seconds"), speed.best("teacher", "seconds")
    what = f"film, s; the pipeline with {sampling.steps} steps and guidance {sampling.guidance:g}"
    return f"| {what} | {ours:.2f} | {stock:.2f} | {ours / stock:.2f} |"


def _step_row(pair: Pair) -> str:
    what = "a step with memory at budget 1.0, s"
    return f"| {what} | {pair.seconds:.3f} | {pair.without:.3f} | {pair.ratio:.3f} |"


def _age_rows(shots: Sequence[Aged]) -> Iterator[str]:
    late = shots[-1]
    for shot in shots:
        ratio = late.seconds / shot.seconds
        peak = shot.peak_bytes / 1e6
        yield f"| shot {shot.number} | {shot.seconds:.3f} | {shot.remembered} frames | {ratio:.3f} | {peak:.0f} |"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.speed", description=__doc__)
    parser.add_argument("story", type=Path)
    parser.add_argument("--turns", type=int, default=3, help="number of measurements of each side; the minimum counts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--step",
        type=int,
        nargs=5,
        metavar=("LAYERS", "HEADS", "WIDTH", "HEIGHT", "FRAMES"),
        default=(1, 12, 416, 240, 81),
        help="size of a random Wan transformer and of the shot for the step measurement; 0 layers: skip it",
    )
    parser.add_argument(
        "--late",
        type=int,
        nargs="+",
        metavar="N",
        default=(10, 50, 100),
        help="numbers of the late shots, in a film of random latents; 0: skip them",
    )
    parser.add_argument(
        "--teacher",
        type=float,
        nargs=2,
        metavar=("STEPS", "GUIDANCE"),
        default=(24, 3.0),
        help="sampling of the model that a distilled one learned from, for the pipeline; 0 0: skip it",
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
