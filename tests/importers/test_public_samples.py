"""Counts of public sample sets, in the folder that ONESTORY_SAMPLES names; without it the tests are skipped.

The folder has a folder per set, with files of a public repository, which are not copied here:
    storymem: story/*.json of Kevin-thu/StoryMem
    entitybench: data/scripts/*.json of Catherine-R-He/EntityBench
    vimax: vimax_benchmark/*_type*.json of HKUDS/ViMax
    shotstream: demo/testdata of KlingAIResearch/ShotStream
    echoshot: benchmark and dataset of D2I-ai/EchoShot
    longlive: example of NVlabs/LongLive
    memento: infer_stories of ernie-research/Memento, and story_rewritten_aligned/showcase of its history
    holocine: HoloCine_inference_full_attention.py of yihao-meng/HoloCine
    joyai: nine requests of echo_longvideo/examples/the_last_visa of 3a1b2c3/JoyAI-Echo, some of them cut short
    vistorybench: story.json, the example story of the README of ViStoryBench/vistorybench
    bigfish: "Big Fish.fountain" of nyousefi/Fountain
    screenplain: examples of vilcans/screenplain
    afterwriting: samples/*.fountain of ifrost/afterwriting-labs
    screenplay-tools: tests/*.fountain and tests/*.fdx of wildwinter/screenplay-tools
    storyboarder: test/fixtures of wonderunit/storyboarder
    otio: tests/sample_data/*.otio of AcademySoftwareFoundation/OpenTimelineIO
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.importers.formats import Imported, import_story
from onestory_cli.importers.listed_files import shots_of_folder

SAMPLES = Path(os.environ.get("ONESTORY_SAMPLES", "samples"))
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="ONESTORY_SAMPLES names no folder")

# Set -> pattern of its files, and the least counts: files read, shots, characters, those with a look, settings.
SETS: dict[str, tuple[str, tuple[int, int, int, int, int]]] = {
    "storymem": ("*.json", (30, 300, 23, 19, 1)),
    "entitybench": ("*.json", (140, 2491, 986, 984, 648)),
    "vimax": ("*_type*.json", (35, 437, 38, 38, 0)),
    "shotstream": ("0?.json", (6, 31, 4, 4, 0)),
    "longlive": ("*.txt", (1, 8, 0, 0, 0)),
    "memento": ("*.json", (28, 279, 54, 54, 0)),
    "vistorybench": ("story.json", (1, 1, 2, 2, 0)),
    "bigfish": ("Big Fish.fountain", (1, 864, 46, 19, 151)),
    "screenplain": ("*.f*", (6, 2036, 130, 48, 406)),
    "afterwriting": ("*.fountain", (3, 189, 20, 5, 23)),
    "screenplay-tools": ("*.f*", (27, 119, 85, 0, 52)),
    "storyboarder": ("*.storyboarder", (13, 31, 0, 0, 0)),
    "otio": ("*.otio", (13, 52, 0, 0, 0)),
}


def read(path: Path, number: int | None = None) -> Imported | None:
    """The imported file; None if it is refused with a code."""
    try:
        return import_story(path.read_bytes(), str(path), number=number)
    except OnestoryError:
        return None


@pytest.mark.parametrize("name", SETS)
def test_counts(name: str) -> None:
    pattern, least = SETS[name]
    files = sorted((SAMPLES / name).rglob(pattern))
    if not files:
        pytest.skip(f"no {name} in the folder of samples")
    read_files = [found.counts for found in map(read, files) if found]
    total = Counter(files=len(read_files))
    for counts in read_files:
        total.update(counts)
    found = [total[key] for key in ("files", "shots", "characters", "characters with a look", "settings")]
    assert all(count >= limit for count, limit in zip(found, least, strict=True)), (found, least)


@pytest.mark.parametrize(("file", "stories"), [("eval_en.json", 100), ("eval_cn.json", 100), ("train.json", 2)])
def test_every_story_of_echoshot_is_read(file: str, stories: int) -> None:
    paths = sorted((SAMPLES / "echoshot").rglob(file))
    if not paths:
        pytest.skip("no echoshot in the folder of samples")
    assert all(read(paths[0], number) for number in range(1, stories + 1))
    assert read(paths[0], stories + 1) is None


def test_prompts_of_holocine() -> None:
    """All prompts of its script: the characters that they label, each with a look, and a setting for most."""
    paths = sorted((SAMPLES / "holocine").rglob("HoloCine_inference_full_attention.py"))
    if not paths:
        pytest.skip("no holocine in the folder of samples")
    prompts = re.findall(r'prompt="(\[global caption\][^"]*)"', paths[0].read_text())
    total: Counter[str] = Counter()
    for prompt in prompts:
        imported = import_story(prompt.encode(), "prompt.txt")
        labels = set(re.findall(r"\[(character\d+)\]", prompt))
        assert {item.id for item in imported.draft.characters} == labels
        assert len(imported.draft.shots) == prompt.count("[shot cut]") + 1
        total.update(imported.counts)
    found = [total[key] for key in ("shots", "characters", "characters with a look", "settings")]
    assert (len(prompts), found) == (4, [22, 7, 7, 3])


def test_labels_of_memento_become_references() -> None:
    """Every label in a shot caption is a `$id`: as many references as labels, and no label is left."""
    paths = sorted((SAMPLES / "memento").rglob("*.json"))
    if not paths:
        pytest.skip("no memento in the folder of samples")
    for path in paths:
        imported = read(path)
        assert imported
        prompts = [item for scene in json.loads(path.read_bytes())["scenes"] for item in scene["video_prompts"]]
        for shot, prompt in zip(imported.draft.shots, prompts, strict=True):
            labels = re.findall(r"\[[^\[\]]+\]", prompt.partition("shot caption:")[2])
            assert len(re.findall(r"\$[a-z]", shot.caption)) == len(labels), (path.name, shot.id)


def test_requests_of_joyai() -> None:
    folders = sorted({path.parent for path in (SAMPLES / "joyai").rglob("*_shot_*.json")})
    if not folders:
        pytest.skip("no joyai in the folder of samples")
    imported = import_story(shots_of_folder(folders[0], None)[0], str(folders[0]))
    assert imported.format == "joyai"
    assert [item.id for item in imported.draft.characters] == ["nathan", "rusk", "elena", "tomas"]
    assert (len(imported.draft.shots), imported.counts["shots with dialogue"]) == (18, 5)
    assert not [shot.id for shot in imported.draft.shots if "ID_" in shot.caption]


def test_references_follow_the_schedule_of_entitybench() -> None:
    """At least 99 % of the scheduled appearances are a `$id` in the caption of their shot."""
    scheduled = right = 0
    for path in sorted((SAMPLES / "entitybench").rglob("*.json")):
        imported = read(path)
        assert imported
        draft = imported.draft
        ids = {item.again: item.id for item in (*draft.characters, *draft.settings)}
        captions = {shot.id: shot.caption for shot in draft.shots}
        for key, shown in json.loads(path.read_bytes())["entity_schedule"].items():
            scene, shot = key.split(":")
            for name in (*shown["characters"], *shown["places"]):
                scheduled += 1
                caption = captions[f"scene{scene}-shot{shot}"]
                right += bool(name in ids and re.search(rf"\${ids[name]}(?![\w-]*\w)", caption))
    if not scheduled:
        pytest.skip("no entitybench in the folder of samples")
    assert right / scheduled >= 0.99


def test_a_page_of_big_fish_is_a_minute() -> None:
    """The film runs for 125 minutes."""
    paths = sorted((SAMPLES / "bigfish").rglob("Big Fish.fountain"))
    if not paths:
        pytest.skip("no bigfish in the folder of samples")
    imported = read(paths[0])
    assert imported
    assert 110 < sum(shot.seconds or 0 for shot in imported.draft.shots) / 60 < 130
