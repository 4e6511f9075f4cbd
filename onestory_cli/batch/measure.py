"""What a batch costs and saves, on this machine: `python -m onestory_cli.batch.measure --out DIR`.

Films of six short shots by the embedded model: by one worker, by two, and by two that are killed again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from onestory_cli.batch.films import films_of
from onestory_cli.batch.local import Processes
from onestory_cli.batch.render_story import Work
from onestory_cli.batch.result import Result
from onestory_cli.batch.run import Hands, Planned, run_batch
from onestory_cli.events import Emit, Event, FilmStarted, FilmTold, WorkerLost, ignore
from onestory_cli.models.catalog import find
from onestory_cli.models.fingerprint import fingerprint_of
from onestory_cli.plan import make_plan
from onestory_cli.store.layout import LOCK
from onestory_cli.story.load import load_story

CAPTIONS = ("walks right on a beach", "waves on a beach", "stands in a city", "jumps on a moon", "waves", "stands")


def plans_of(folder: Path, out: Path, *, films: int, steps: int) -> list[Planned]:
    """So many stories of six shots of five frames, each with a seed of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    shots = [{"id": f"shot-{n}", "caption": f"Wide shot. A red fox {does}."} for n, does in enumerate(CAPTIONS)]
    planned = []
    for number in range(films):
        defaults = {"seed": number, "steps": steps, "frames": 5}
        story = {"story": 1, "title": f"Film {number}", "defaults": defaults, "shots": shots}
        path = folder / f"film-{number}.story.yaml"
        path.write_text(json.dumps(story))
        (film,) = films_of([path], out)
        spec = find("storyworld")
        plan, _ = make_plan(load_story(path)[0], spec, model_fingerprint=fingerprint_of(spec))
        planned.append(Planned(film=film, plan=plan))
    return planned


def measured(plans: list[Planned], workers: int, emit: Emit = ignore) -> Result:
    """The batch, a thread for each worker."""
    work = Work(device="cpu", threads=1, share=workers, checkpoint_seconds=0)
    hands = Hands(where="local", workers=workers, hire=lambda: Processes(work))
    return run_batch(plans, plans[0].film.run.parent, hands, emit)


class Killer:
    """Kills a worker at the second event of every film that it begins, until it has done so `kills` times."""

    def __init__(self, plans: list[Planned], kills: int) -> None:
        self._runs = {item.film.name: item.film.run for item in plans}
        self._left, self._at = kills, dict[str, int]()
        self.lost = 0

    def __call__(self, event: Event) -> None:
        self.lost += isinstance(event, WorkerLost)
        if isinstance(event, FilmStarted):
            self._at[event.film] = 2 if event.attempt < 4 else -1  # a fourth loss would be the film's last
        if isinstance(event, FilmTold) and event.kind == "StepDone":
            self._at[event.film] -= 1
            if self._at[event.film] == 0 and self._left:
                self._left -= 1
                os.kill(json.loads((self._runs[event.film] / LOCK).read_bytes())["pid"], signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    given = parser.parse_args()

    def plans(name: str) -> list[Planned]:
        return plans_of(given.out / "stories", given.out / name, films=given.films, steps=given.steps)

    one, two = measured(plans("one"), 1), measured(plans("two"), 2)
    made = sum(row.outcome.seconds for row in one.rows)
    hunted = plans("killed")
    killer = Killer(hunted, given.kills)
    killed = measured(hunted, 2, killer)
    numbers = {
        "films": given.films,
        "seconds": {"one": round(one.seconds, 1), "two": round(two.seconds, 1)},
        "two_of_one": round(two.seconds / one.seconds, 3),
        "seconds_beside_films": {"each": round((one.seconds - made) / given.films, 2), "of_films": round(made, 1)},
        "workers_lost": killer.lost,
        "films_lost": given.films - killed.states.get("done", 0),
    }
    sys.stdout.write(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    main()
