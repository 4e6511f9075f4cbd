"""Kill renders and restart servers: `python -m tests.external.kills --kills 50 --restarts 10`.

Films of six shots are rendered by a server on this machine. A render is killed by SIGKILL a random time after its start
or after one of its prompts, and continued until its film is whole. Then every take must be undamaged, and the server
must have generated each prompt once. A restart makes the server forget its queue and its history while a render waits
for it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

from PIL import Image

from onestory_cli.rendering.external_generator import ExternalGenerator
from onestory_cli.rendering.loading import generator_loader
from onestory_cli.rendering.render import render
from onestory_cli.store.run import Run
from onestory_cli.store.take_query import accepted_takes
from onestory_cli.store.verify import find_damage
from tests.external.conftest import STORY, plan_of, write_workflow
from tests.external.server import FakeComfyUi

SHOTS = 6
PROMPT_SECONDS = 0.05  # of the server
MORE_PROMPTS = 2  # at most, that a render sends before it is killed
KILL_SECONDS = (0.0, 0.3)  # after the last of these prompts
MAX_ATTEMPTS = 200  # renders of one film
assert ExternalGenerator  # imported before processes are forked, which makes their start fast


@dataclass
class Tally:
    """What happened. `lost` are shots without an undamaged take, `repeated` prompts that were generated again."""

    kills: int = 0
    restarts: int = 0
    films: int = 0
    lost: int = 0
    repeated: int = 0
    failed: list[int] = field(default_factory=list)  # exit codes of renders that were not killed

    def __str__(self) -> str:
        return (
            f"| {self.kills} | {self.restarts} | {self.films} | {self.films * SHOTS} | {self.lost} | {self.repeated} "
            f"| {len(self.failed)} |"
        )


class RemoteServer:
    """A server in a process of its own."""

    def __init__(self, address: str, pipe: Connection) -> None:
        self.address, self._pipe = address, pipe

    def forget(self) -> None:
        """Restart it, as far as a client can see."""
        self._pipe.send("forget")

    def sent(self) -> int:
        """How many prompts it was sent."""
        self._pipe.send("sent")
        return int(self._pipe.recv())

    def repeated(self) -> int:
        """How many prompts were generated although an equal one was generated before."""
        self._pipe.send("count")
        return int(self._pipe.recv())


@contextmanager
def served() -> Iterator[RemoteServer]:
    """A server that ends with the block."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield RemoteServer(ours.recv(), ours)
    finally:
        process.kill()
        process.join()


def _serve(pipe: Connection) -> None:
    server = FakeComfyUi()
    server.seconds = PROMPT_SECONDS
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that were killed
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    pipe.send(server.address)
    while True:
        command = pipe.recv()
        if command == "forget":
            server.forget()
        elif command == "sent":
            pipe.send(len(server.prompts))
        else:
            texts = Counter(json.dumps(server.prompts[id], sort_keys=True) for id in server.generated)
            pipe.send(sum(count - 1 for count in texts.values()))


def write_film(folder: Path, address: str, number: int) -> Path:
    """A story of six shots whose captions no other film has."""
    folder.mkdir()
    write_workflow(folder / "shots.json")
    Image.new("RGB", (64, 64), (250, 120, 10)).save(folder / "fox.png")
    path = folder / "film.story.yaml"
    path.write_text(STORY.format(server=address).replace("look: a red fox", f"look: a red fox {number}"))
    path.write_text(path.read_text().replace("caption: A", f"caption: In film {number} a"))
    return path


def render_in_child(story: Path) -> int:
    """Start a render in a forked process and return its id."""
    id = os.fork()
    if id:
        return id
    try:
        plan = plan_of(story)
        render(plan, Run.create(story.with_name("film.run")), generator_loader(plan, "cpu", lambda event: None))
        os._exit(0)
    finally:
        os._exit(1)


def kill_until_whole(story: Path, random: random.Random, tally: Tally, server: RemoteServer, *, kills: int) -> None:
    """Kill the renders of a film, at most `kills` times in all, until one of them finishes."""
    for _ in range(MAX_ATTEMPTS):
        id = render_in_child(story)
        if tally.kills < kills:
            last = server.sent() + random.randint(0, MORE_PROMPTS)
            while server.sent() < last and not _ended(id):
                time.sleep(0.005)
            time.sleep(random.uniform(*KILL_SECONDS))
            if not _ended(id):
                os.kill(id, signal.SIGKILL)
                tally.kills += 1
        status = os.waitstatus_to_exitcode(os.waitpid(id, 0)[1])
        if status > 0:
            tally.failed.append(status)
        if status == 0:
            return


def _ended(id: int) -> bool:
    """Whether a child has ended; it is not reaped."""
    return os.waitid(os.P_PID, id, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def restart_until_whole(
    story: Path, random: random.Random, tally: Tally, server: RemoteServer, *, restarts: int
) -> None:
    """Restart the server while a film is rendered."""
    id = render_in_child(story)
    while not _ended(id):
        time.sleep(random.uniform(0.1, 0.5))
        if tally.restarts < restarts:
            server.forget()
            tally.restarts += 1
    if status := os.waitstatus_to_exitcode(os.waitpid(id, 0)[1]):
        tally.failed.append(status)
        kill_until_whole(story, random, tally, server, kills=0)


def count_lost(story: Path) -> int:
    """The shots of a film without an undamaged accepted take."""
    run = Run.open(story.with_name("film.run"))
    state, damages = run.state(), find_damage(run)
    assert state is not None
    takes = accepted_takes(run.path, state, [job.shot for job in plan_of(story).jobs]).takes
    return SHOTS - len(takes) + len(damages)


def attack(kills: int, restarts: int, seed: int, say: Callable[[str], object] = lambda text: None) -> Tally:
    """Make films until the kills and restarts are done."""
    tally, source = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name, served() as server:
        for number in itertools.count():
            if tally.kills >= kills and tally.restarts >= restarts:
                return tally
            story = write_film(Path(name) / str(number), server.address, number)
            if tally.kills < kills:
                kill_until_whole(story, source, tally, server, kills=kills)
                tally.repeated = server.repeated()
            else:
                restart_until_whole(story, source, tally, server, restarts=restarts)
            tally.films += 1
            tally.lost += count_lost(story)
            say(f"{tally}\n")
    raise AssertionError("unreachable")


HEAD = "| kills | restarts | films | shots | lost | generated twice | other failures |\n|---|---|---|---|---|---|---|\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.external.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    tally = attack(options.kills, options.restarts, options.seed, sys.stderr.write)
    sys.stdout.write(f"{HEAD}{tally}\n")
    return bool(tally.lost or tally.repeated)


if __name__ == "__main__":
    sys.exit(main())
