from __future__ import annotations

from dataclasses import replace

import pytest

from onestory_cli.commands._doctor_checks import MachineCheck
from onestory_cli.commands.doctor import feasibility_checks, memory_table
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
NO_WAY = replace(OUTLOOK, usable=5 * GB, ways=(WHOLE, replace(TILED, fits=False)), chosen=None)
LITTLE_RAM = replace(OUTLOOK, host=3 * GB)
OFFLOADED = replace(OUTLOOK, host=8 * GB, ways=(WHOLE, replace(TILED, machine=10 * GB, fits=False)))
ON_CPU = replace(OUTLOOK, gpu=False, ways=(replace(TILED, fitting="none"),), chosen="none")


def model(outlook: MemoryEstimate | None, *, lacks: OnestoryError | None = None, base: str = "") -> Feasibility:
    return Feasibility(models=(ModelFeasibility(spec=SPEC.with_fields(base=base), lacks=lacks, outlook=outlook),))


def check(fit: Feasibility, name: str) -> MachineCheck:
    return next(item for item in feasibility_checks(fit) if item.name == name)


@pytest.mark.parametrize(
    ("outlook", "ok", "text"),
    [
        (OUTLOOK, True, "vae tiling: 6.0 GB of 7.0 GB usable; no offload needs 20.0 GB"),
        (LITTLE_RAM, True, "vae tiling: 6.0 GB of 7.0 GB usable; no offload needs 20.0 GB"),
        (OFFLOADED, True, "vae tiling: 6.0 GB of 7.0 GB usable; no offload needs 20.0 GB"),
        (NO_WAY, False, "no offload or quantization fits into 5.0 GB; vae tiling needs 6.0 GB"),
    ],
)
def test_vram_names_the_chosen_config_whatever_the_ram(outlook: MemoryEstimate, ok: bool, text: str) -> None:
    found = check(model(outlook), "VRAM for small")
    assert (found.ok, found.found) == (ok, text)
    assert found.help == (
        "" if ok else "use a smaller size, fewer frames, a smaller model, or a .gguf file of this model"
    )


@pytest.mark.parametrize(
    ("outlook", "ok", "text"),
    [
        (OUTLOOK, True, "4.0 GB while loading, 2.0 GB while rendering with vae tiling; this machine has 32.0 GB"),
        (LITTLE_RAM, False, "4.0 GB while loading, 2.0 GB while rendering with vae tiling; this machine has 3.0 GB"),
        (OFFLOADED, False, "4.0 GB while loading, 10.0 GB while rendering with vae tiling; this machine has 8.0 GB"),
        (ON_CPU, True, "2.0 GB while rendering without a GPU, 4.0 GB while loading; this machine has 32.0 GB"),
        (
            replace(ON_CPU, host=3 * GB),
            False,
            "2.0 GB while rendering without a GPU, 4.0 GB while loading; this machine has 3.0 GB",
        ),
    ],
)
def test_ram_is_checked_independently(outlook: MemoryEstimate, ok: bool, text: str) -> None:
    found = check(model(outlook), "RAM for small")
    assert (found.ok, found.found) == (ok, text)
    assert found.help.startswith("" if ok else "use a machine with more RAM")


def test_without_a_gpu_there_is_no_vram_check() -> None:
    names = [item.name for item in feasibility_checks(model(ON_CPU, base="some/folder"))]
    assert names == ["weights of small", "RAM for small"]


def test_present_weights_name_their_folder() -> None:
    found = check(model(OUTLOOK, base="some/folder"), "weights of small")
    assert (found.ok, found.found, found.help) == (True, "in some/folder", "")


def test_missing_weights_name_their_size() -> None:
    lacks = OnestoryError("M509", "not here", help="fetch them")
    found = check(model(OUTLOOK, lacks=lacks), "weights of small")
    assert (found.ok, found.found, found.help) == (False, "not here, about 3.0 GB", "fetch them")


def test_a_model_of_unknown_size_has_no_memory_check() -> None:
    lacks = OnestoryError("M509", "not here", help="fetch them")
    (found,) = feasibility_checks(model(None, lacks=lacks))
    assert (found.name, found.found) == ("weights of small", "not here")


def test_a_story_has_a_disk_and_a_time_check() -> None:
    disk, time = DiskSpace(folder="film.run", needed=2 * GB, free=GB), RenderTime(shot=1.25, film=3725.4)
    full, known = feasibility_checks(Feasibility(models=(), disk=disk, time=time))
    assert (full.name, full.ok, full.found) == ("disk for the run", False, "at most 2.0 GB for film.run, 1.0 GB free")
    assert "--run DIR" in full.help
    assert (known.found, known.optional) == ("about 1.2 s for the longest shot, 1:02:05 for all", False)
    enough, unknown = feasibility_checks(Feasibility(models=(), disk=replace(disk, free=2 * GB)))
    assert (enough.ok, enough.help) == (True, "")
    assert (unknown.found, unknown.optional) == ("unknown until a shot was rendered here", True)


def test_the_memory_table_has_parts_and_working_memory() -> None:
    assert memory_table(OUTLOOK) == (
        ("small", "GB"),
        [
            ("transformer", "3.0"),
            ("text encoder", "0.02"),
            ("a step of 142 tokens, 62 of them context", "0.5"),
            ("decoding 17 frames of 64x48", "2.0"),
        ],
    )
    alone = replace(OUTLOOK, work=replace(OUTLOOK.work, context=0))
    assert memory_table(alone)[1][2][0] == "a step of 80 tokens"
