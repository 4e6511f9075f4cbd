from __future__ import annotations

from pathlib import Path

import numpy as np

from onestory_cli.commands.compiling import compile_story
from onestory_cli.errors import ExitCode
from onestory_cli.partial import Partial
from onestory_cli.plan import retake
from onestory_cli.store.reuse import Lookup
from onestory_cli.store.run import Run
from onestory_cli.store.verify import find_damage
from tests.commands.conftest import Onestory, change
from tests.films import latents_of, render_with


def folders(run: Path) -> set[Path]:
    return set(run.glob("shots/*/*"))


def edited(story: Path, film_run: Path) -> set[Path]:
    """A run after an edit: the new takes."""
    before = folders(film_run)
    change(story, "A city at night.", "A city at dawn.")
    plan, _ = compile_story(story)
    render_with(plan, film_run)
    return folders(film_run) - before


def test_what_the_story_has_no_use_for_goes(onestory: Onestory, story: Path, film_run: Path) -> None:
    (old,) = film_run.glob("shots/city/*")
    edited(story, film_run)
    latents = latents_of(film_run)
    dry = onestory("prune", film_run, "--dry-run")
    assert (dry.exit, dry.out) == (ExitCode.DONE, f"{old}\n")
    size = sum(path.stat().st_size for path in old.iterdir())
    assert dry.err == f"1 takes, {size} bytes would be freed\n"
    assert old.exists()
    assert onestory("prune", film_run, "--json").json["bytes"] == size
    assert not old.exists()
    assert (latents_of(film_run), find_damage(Run.open(film_run))) == (latents, ())
    assert list(film_run.glob(".staging-*")) == []


def test_keep_0_leaves_the_accepted_takes(onestory: Onestory, story: Path, film_run: Path) -> None:
    edited(story, film_run)
    latents = latents_of(film_run)
    onestory("prune", film_run, "--keep", "9")
    assert len(folders(film_run)) > 3
    onestory("prune", film_run, "--keep", "0")
    assert len(folders(film_run)) == 3
    assert latents_of(film_run) == latents
    assert onestory("prune", film_run, "--keep", "1", "--unused").exit is ExitCode.USAGE


def partial_of(run: Path, shot: str, key: str) -> Path:
    arrays = {"latents": np.zeros((4, 2, 4, 4), np.float32)}
    Run(run).keep_partial(shot, key, Partial(identity="0", step=1, steps=3, arrays=arrays))
    return run / "shots" / shot / key[:12] / "partial.safetensors"


def key_of_what_is_to_be_made(story: Path, run: Path, shot: str, take: int) -> str:
    plan, _ = compile_story(story)
    there = Run.open(run)
    lookup = Lookup(plan, there.shelves(), accepted=there.accepted())
    digests = {item.job.shot: item.take.digest if item.take else None for item in lookup.forecast()}
    key = lookup.key(retake(plan.job(shot), take), digests)
    assert key
    return key


def test_work_that_no_shot_goes_on_with_goes_too(onestory: Onestory, story: Path, film_run: Path) -> None:
    needed = partial_of(film_run, "city", key_of_what_is_to_be_made(story, film_run, "city", 1))  # by `take new`
    stale, strange = partial_of(film_run, "city", "a" * 64), partial_of(film_run, "gone", "b" * 64)
    size = stale.stat().st_size + strange.stat().st_size
    dry = onestory("prune", film_run, "--dry-run")
    assert dry.out.splitlines() == [str(stale), str(strange)]
    assert dry.err == f"0 takes and 2 partials, {size} bytes would be freed\n"
    assert stale.exists()
    assert onestory("prune", film_run, "--keep", "0", "--json").json["partials"] == []
    document = onestory("prune", film_run, "--unused", "--json").json
    assert (document["bytes"], len(document["partials"])) == (size, 2)
    assert [path.exists() for path in (needed, stale.parent, strange.parent)] == [True, False, False]
    assert onestory("verify", film_run).exit is ExitCode.DONE


def test_work_on_the_take_that_is_to_count_stays(onestory: Onestory, story: Path, film_run: Path) -> None:
    change(story, "A city at night.", "A city at dawn.")
    plan, _ = compile_story(story)
    key = key_of_what_is_to_be_made(story, film_run, "city", 0)
    Run(film_run).freeze(plan)  # as a render does before it is cut off
    partials = partial_of(film_run, "city", key), partial_of(film_run, "return", "c" * 64)
    onestory("prune", film_run)
    assert [path.exists() for path in partials] == [True, True]  # `return` is to be decided
