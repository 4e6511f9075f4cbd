from __future__ import annotations

from pathlib import Path

from onestory_cli.commands.compiling import compile_story
from onestory_cli.errors import ExitCode
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
