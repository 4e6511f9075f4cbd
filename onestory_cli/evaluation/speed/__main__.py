"""`python -m onestory_cli.evaluation.speed STORY`: our engine beside stock diffusers, as ratios.

The film is made by both, each time in a fresh process: the same shots, weights, steps, size and encoder, ours with its
memory, its checks and its store, theirs without any of them. Then the parts: a step with memory and without, and the
second shot of a film beside its fiftieth.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from onestory_cli.evaluation.speed.films import Film, Way, film, plan_of
from onestory_cli.evaluation.speed.parts import Pair, StepShape, late_and_early, step_with_memory


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The films in order of their making, and the parts; None is what was not asked for."""

    ours: tuple[Film, ...]
    stock: tuple[Film, ...]
    step: Pair | None
    shots: Pair | None

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
    shots = None
    if options.late:
        model = load_model(plan.model, options.device)
        shots = late_and_early(model, plan.jobs[-1], late=options.late, turns=options.turns)
    return Speed(ours=tuple(films["ours"]), stock=tuple(films["stock"]), step=step, shots=shots)


def report(speed: Speed) -> str:
    """A table: ours, stock, and ours as a part of stock; or with and without."""
    rows = [("film, s", "seconds", 1.0), ("film, s of processor", "cpu_seconds", 1.0)]
    rows += [("loading, s", "load_seconds", 1.0)]
    rows += [("loaded, MB", "load_bytes", 1e6), ("peak memory, MB", "peak_bytes", 1e6)]
    lines = ["| what | ours | stock | ratio |", "|---|---|---|---|"]
    for name, field, unit in rows:
        ours, stock = speed.best("ours", field), speed.best("stock", field)
        lines.append(f"| {name} | {ours / unit:.2f} | {stock / unit:.2f} | {ours / stock:.2f} |")
    lines += ["", "| what | with | without | ratio |", "|---|---|---|---|"]
    for name, pair in (
        ("a step with memory at budget 1.0, s", speed.step),
        ("a late shot, an early one, s", speed.shots),
    ):
        if pair:
            lines.append(f"| {name} | {pair.seconds:.3f} | {pair.without:.3f} | {pair.ratio:.3f} |")
    return "\n".join([*lines, ""])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m onestory_cli.evaluation.speed", description=__doc__)
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
    parser.add_argument("--late", type=int, default=50, help="the shot that is measured beside the second; 0: none")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
