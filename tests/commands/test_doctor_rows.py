from __future__ import annotations

from dataclasses import replace

import pytest

from onestory_cli.commands._doctor_rows import Row, rows_of, table_of
from onestory_cli.errors import OnestoryError
from onestory_cli.models.catalog import find
from onestory_cli.models.offload.estimate import Candidate, MemoryEstimate, Workload
from onestory_cli.rendering.feasibility import DiskSpace, Feasibility, ModelFeasibility, RenderTime

GB = 10**9
SPEC = find("storyworld").with_fields(name="small", base="")
WHOLE = Candidate(fitting="none", card=20 * GB, machine=GB, fits=False)
TILED = Candidate(fitting="vae tiling", card=6 * GB, machine=2 * GB, fits=True)
OUTLOOK = MemoryEstimate(
    model="small",
    parts={"transformer": 3 * GB, "text_encoder": 2 * 10**7},
    work=Workload(frames=17, width=64, height=48, noise=80, context=62),
    step=GB // 2,
    decode=2 * GB,
    gpu=True,
    memory=8 * GB,
    usable=7 * GB,
    host=32 * GB,
    loading=4 * GB,
    ways=(WHOLE, TILED),
    chosen="vae tiling",
)
NO_WAY = replace(OUTLOOK, ways=(WHOLE, replace(TILED, fits=False)), chosen=None)
ON_CPU = replace(OUTLOOK, gpu=False, ways=(replace(TILED, fitting="none"),), chosen="none")


def model(outlook: MemoryEstimate | None, *, lacks: OnestoryError | None = None, base: str = "") -> Feasibility:
    return Feasibility(models=(ModelFeasibility(spec=SPEC.with_fields(base=base), lacks=lacks, outlook=outlook),))


def row(fit: Feasibility, name: str) -> Row:
    return next(row for row in rows_of(fit) if row.name == name)


@pytest.mark.parametrize(
    ("outlook", "ok", "found"),
    [
        (
            OUTLOOK,
            True,
            "vae tiling: 6.0 GB of 7.0 GB that can be used on the GPU, 2.0 GB of the machine's; "
            "no fitting takes 20.0 GB",
        ),
        (NO_WAY, False, "nothing that is known fits into 7.0 GB of the GPU; vae tiling takes 6.0 GB"),
        (ON_CPU, True, "2.0 GB of 7.0 GB that can be used, without a GPU"),
        (replace(OUTLOOK, host=3 * GB), False, "loading takes 4.0 GB of 3.0 GB of the machine's memory"),
    ],
)
def test_memory_is_told_with_the_way_that_is_taken(outlook: MemoryEstimate, ok: bool, found: str) -> None:
    told = row(model(outlook), "memory for small")
    assert (told.ok, told.found) == (ok, found)
    assert told.help == (
        "" if ok else "a smaller size or fewer frames, a smaller model, or a .gguf file of it after `model:`"
    )


def test_weights_that_are_here_say_where() -> None:
    told = row(model(OUTLOOK, base="some/folder"), "weights of small")
    assert (told.ok, told.found, told.help) == (True, "in some/folder", "")


def test_weights_that_are_not_here_say_how_large_they_are() -> None:
    lacks = OnestoryError("M509", "not here", help="fetch them")
    told = row(model(OUTLOOK, lacks=lacks), "weights of small")
    assert (told.ok, told.found, told.help) == (False, "not here, about 3.0 GB", "fetch them")


def test_of_a_model_that_nobody_knows_only_the_weights_are_told() -> None:
    lacks = OnestoryError("M509", "not here", help="fetch them")
    (told,) = rows_of(model(None, lacks=lacks))
    assert (told.name, told.found) == ("weights of small", "not here")


def test_a_story_has_a_disk_and_a_time() -> None:
    disk, time = DiskSpace(folder="film.run", needed=2 * GB, free=GB), RenderTime(shot=1.25, film=3725.4)
    full, known = rows_of(Feasibility(models=(), disk=disk, time=time))
    assert (full.name, full.ok, full.found) == ("disk for the run", False, "2.0 GB at most for film.run, 1.0 GB free")
    assert "--run DIR" in full.help
    assert (known.found, known.optional) == ("about 1.2 s for the longest shot, 1:02:05 for all", False)
    enough, unknown = rows_of(Feasibility(models=(), disk=replace(disk, free=2 * GB)))
    assert (enough.ok, enough.help) == (True, "")
    assert (unknown.found, unknown.optional) == ("known once a shot was rendered here", True)


def test_the_table_has_parts_and_work() -> None:
    assert table_of(OUTLOOK) == (
        ("small", "GB"),
        [
            ("transformer", "3.0"),
            ("text encoder", "0.02"),
            ("a step of 142 tokens, 62 of them context", "0.5"),
            ("decoding 17 frames of 64x48", "2.0"),
        ],
    )
    alone = replace(OUTLOOK, work=replace(OUTLOOK.work, context=0))
    assert table_of(alone)[1][2][0] == "a step of 80 tokens"
