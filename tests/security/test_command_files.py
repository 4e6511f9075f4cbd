"""Every command that reads a file of unknown origin answers with a code, whatever is at the path: no bug, no hang."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onestory_cli.errors import ExitCode
from tests.commands.conftest import Onestory
from tests.commands.conftest import onestory as onestory  # the fixture
from tests.security.test_doors import FILES

PROCESSOR_SECONDS, SECONDS = 2, 60  # wall-clock time is for what waits without computing
STORY, RUN = "film.story.yaml", "film.run"
# A file, and the command lines that read it.
READERS: dict[str, tuple[str, ...]] = {
    STORY: (
        f"validate {STORY}",
        f"plan {STORY}",
        f"render {STORY}",
        f"batch {STORY} --out out",
        f"doctor {STORY}",
        f"models check {STORY}",
        f"import {STORY}",
    ),
    f"{RUN}/run.json": (
        f"resume {RUN}",
        f"verify {RUN}",
        f"prune {RUN} --keep 0",
        f"take list {RUN}",
        f"take show {RUN} a",
        f"take accept {RUN} a 1",
        f"take new {RUN} a",
        f"take sheet {RUN}",
        f"export {RUN} --to otio",
        f"report {RUN}",
        f"report {RUN} --out a.html",
        f"contact-sheet {RUN}",
        f"inspect-memory {RUN}",
        f"diff {RUN} {RUN}",
        f"diff {RUN} {RUN} --page a.html",
        f"evaluate {RUN}",
    ),
    "film.mp4": (
        "inspect film.mp4",
        "curate film.mp4 --out set --encoders none --cast none",
    ),
    "model/onestory.json": ("doctor model", "evaluate model", "plan good.story.yaml"),
    "recipe.yaml": ("train recipe.yaml --out trained", "curate good.story.yaml --recipe recipe.yaml --out set"),
    "videos.txt": ("curate videos.txt --out set --encoders none --cast none",),
    "captions.json": ("curate good.story.yaml --out set --captioner file:captions.json",),
    **{
        f"a.{suffix}": (f"import a.{suffix}",)
        for suffix in ("json", "jsonl", "fountain", "fdx", "csv", "md", "txt", "otio", "storyboarder")
    },
}
FIRST, *REST = READERS
PARAMETERS = [FIRST, *(pytest.param(file, marks=pytest.mark.hostile) for file in REST)]


@contextmanager
def limited(words: str) -> Iterator[None]:
    """Fail what computes or waits for too long."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError(f"`{words}` took too long")

    before = [signal.signal(kind, stop) for kind in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for kind, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(kind, handler)


@pytest.mark.parametrize("file", PARAMETERS)
def test_a_command_answers_with_a_code(
    onestory: Onestory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    bad = []
    for command in READERS[file]:
        for kind, make in FILES.items():
            folder = tmp_path / f"{command} {kind}".replace("/", "_")
            (folder / file).parent.mkdir(parents=True)
            (folder / "good.story.yaml").write_text(
                "story: 1\ntitle: t\nmodel: model\nshots: [{id: a, caption: A fox.}]\n"
            )
            make(folder / file)
            monkeypatch.chdir(folder)
            with limited(f"{command}, {kind}"):
                done = onestory(*command.split())
            if done.exit is ExitCode.BUG or "Traceback" in done.err or not (done.out or done.err):
                bad.append(f"{command}, {kind}: {done.exit} {done.err[:300]}")
    assert bad == []
