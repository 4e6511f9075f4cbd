"""`python -m tests.benchmarks.speed STORY`: compare the engine with stock diffusers, as ratios.

Both render the film, each time in a new process, with the same shots, weights, steps, size and encoder. The engine also
has its memory, checks and store. Then parts are measured: a step with and without memory, and shot 50 of a film
compared with shot 2, which remembers less, and with the first shot that has a full memory.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.speed.films import Film, Way, film, plan_of
from tests.benchmarks.speed.parts import Aged, Pair, StepShape, ages, step_with_memory


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The films in the order of rendering, and the parts; None or empty if not requested."""

    ours: tuple[Film, ...]
    stock: tuple[Film, ...]
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
    films: dict[Way, list[Film]] = {"ours": [], "stock": []}
    for _ in range(options.turns):
        for way, results in films.items():
            results.append(film(way, options.story, options.device))
    from onestory_cli.models.load import load_model, pick_device

    layers, heads, width, height, frames = options.step
    shape = StepShape(layers=layers, heads=heads, width=width, height=height, frames=frames)
    device = pick_device(options.device)
    step = step_with_memory(shape, budget=1.0, turns=options.turns, device=device) if layers else None
    plan = plan_of(options.story)
    shots: tuple[Aged, ...] = ()
    if options.late:
        model = load_model(plan.model, options.device)
        shots = ages(model, plan.jobs[-1], late=options.late, turns=options.turns)
    return Speed(ours=tuple(films["ours"]), stock=tuple(films["stock"]), step=step, shots=shots)


def report(speed: Speed) -> str:
    """Tables: engine, stock and their ratio; a step with memory; a late shot compared with earlier ones."""
    rows = [("film, s", "seconds", 1.0), ("film, s of processor", "cpu_seconds", 1.0)]
    rows += [("weights read, MB", "read_bytes", 1e6), ("loading, s", "load_seconds", 1.0)]
    rows += [("loaded, MB", "load_bytes", 1e6), ("peak memory, MB", "peak_bytes", 1e6)]
    lines = ["| what | ours | stock | ratio |", "|---|---|---|---|"]
    for name, field, unit in rows:
        ours, stock = speed.best("ours", field), speed.best("stock", field)
        lines.append(f"| {name} | {ours / unit:.2f} | {stock / unit:.2f} | {ours / stock:.2f} |")
    first, last = (min(film.peaks[place] for film in speed.ours) / 1e6 for place in (0, -1))
    lines += ["", f"Peak memory of ours after its first shot {first:.0f} MB, after its last {last:.0f} MB."]
    if speed.step:
        lines += ["", "| what | with | without | ratio |", "|---|---|---|---|", _step_row(speed.step)]
    if speed.shots:
        lines += ["", "| what | s | remembers | late shot / this |", "|---|---|---|---|", *_age_rows(speed.shots)]
    return "\n".join([*lines, ""])


def _step_row(pair: Pair) -> str:
    what = "a step with memory at budget 1.0, s"
    return f"| {what} | {pair.seconds:.3f} | {pair.without:.3f} | {pair.ratio:.3f} |"


def _age_rows(shots: Sequence[Aged]) -> Iterator[str]:
    late = shots[-1]
    for shot in shots:
        ratio = late.seconds / shot.seconds
        yield f"| shot {shot.number} | {shot.seconds:.3f} | {shot.remembered} frames | {ratio:.3f} |"


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
    parser.add_argument("--late", type=int, default=50, help="number of the late shot; 0: skip it")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
