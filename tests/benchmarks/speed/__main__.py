"""`python -m tests.benchmarks.speed STORY`: our engine beside stock diffusers, as ratios.

The film is made by both, each time in a fresh process: the same shots, weights, steps, size and encoder, ours with its
memory, its checks and its store, theirs without any of them. Then the parts: a step with memory and without, and the
fiftieth shot of a film beside the second, which has less to remember, and beside the first whose memory is full.
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
    """The films in order of their making, and the parts; None or nothing is what was not asked for."""

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
    """All that was asked for, the least disturbed of `turns`."""
    films: dict[Way, list[Film]] = {"ours": [], "stock": []}
    for _ in range(options.turns):
        for way, made in films.items():
            made.append(film(way, options.story, options.device))
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
    """Tables: ours, stock, and ours as a part of stock; a step with memory; a late shot beside earlier ones."""
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
        lines += ["", "| what | s | remembers | the late one to it |", "|---|---|---|---|", *_age_rows(speed.shots)]
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
    parser.add_argument("--turns", type=int, default=3, help="how often each side is measured; the least counts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--step",
        type=int,
        nargs=5,
        metavar=("LAYERS", "HEADS", "WIDTH", "HEIGHT", "FRAMES"),
        default=(1, 12, 416, 240, 81),
        help="the random Wan transformer and the shot whose step is measured; 0 layers: no step",
    )
    parser.add_argument("--late", type=int, default=50, help="the shot that is measured beside early ones; 0: none")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
