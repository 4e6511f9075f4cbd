"""HoloCine: a caption of the whole scene with labelled characters, and a caption per shot, as keys or in one string."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from onestory_cli.importers.draft import Draft, ImportReport
from onestory_cli.importers.entities import ScriptEntity
from onestory_cli.importers.rows import ShotRow, bounded, draft_of_rows
from onestory_cli.importers.source import SourceFile, choose_story
from onestory_cli.importers.values import Node, list_of
from onestory_cli.story.referential_phrase import default_again

_FPS = 15  # of its inference script
_MAX_FRAMES = 100_000
_STRING = re.compile(r"(?is)(?:\[global caption\])?(?P<scene>.*?)\[per shot caption\](?P<shots>.*)")
_CUT = re.compile(r"(?i)\[shot cut\]")
_COUNT = re.compile(r"(?i)\bthis scene contains \d+ shots?\.?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\[])")
_LABEL = re.compile(r"\[([\w -]{1,60})\]")
# "[character1] is a tall man", and "a young painter, [character1], with grey eyes".
_IS = re.compile(r"\[([\w -]{1,60})\](?: is|:|,) ((?:an?|the|two|three)\b[^\[\]]*?)(?=,? (?:and|while) \[|[.;]?$)")
_BETWEEN = re.compile(
    r"\b(an? [^,\[\]]{3,100}), \[([\w -]{1,60})\],? ((?:with|wearing|dressed|in|who)\b[^\[\]]*?)[.;]?$"
)
_PLACE = re.compile(r"(?:The )?(?:scene is set|setting is)(?: in| on| at)? (an? .+)")
_MORE = re.compile(r"(?:His|Her|Its|Their|He|She|It|They)\b")  # starts a sentence that describes them further
_WOMEN = re.compile(r"(?i)\b(?:woman|girl|lady|female|mother|queen|actress|sister|daughter)\b")
_MEN = re.compile(r"(?i)\b(?:man|boy|gentleman|male|father|king|actor|brother|son)\b")


def sign_of_holocine(source: SourceFile) -> str:
    """Why a file is of this format, or ""."""
    if not source.looks_like_json:
        marks = "[per shot caption]" in source.text.content
        return 'the marks "[per shot caption]"' if marks else ""
    if "shot_captions" in source.node:
        return 'the key "shot_captions"'
    return 'the mark "[per shot caption]" in the prompt' if _is_marked(source.node.peek("prompt")) else ""


def _is_marked(prompt: object) -> bool:
    return isinstance(prompt, str) and "[per shot caption]" in prompt


def from_holocine(source: SourceFile) -> Draft:
    """`global_caption, shot_captions[], num_frames, shot_cut_frames[]`, or a prompt with "[shot cut]" between shots.

    A text has a prompt per line.
    """
    if not source.looks_like_json:
        prompts = [line for line in source.text.content.splitlines() if _is_marked(line)]
        prompt = prompts[choose_story(source.number, len(prompts))] if prompts else source.text.content
        return _draft(*_split(prompt), [], source.report)
    node = source.node
    if _is_marked(node.peek("prompt")):
        scene, captions = _split(node.text("prompt"))
    else:
        captions = node.texts("shot_captions", required=True)
        scene = node.text("global_caption")
    lengths = list(_lengths(node, len(captions)))
    node.report_unused()
    return _draft(scene, captions, lengths, source.report)


def _split(prompt: str) -> tuple[str, list[str]]:
    """The caption of the scene and those of the shots in one string."""
    match = _STRING.fullmatch(prompt.strip())
    scene, shots = (match["scene"], match["shots"]) if match else ("", prompt)
    return scene.strip(), [part.strip() for part in _CUT.split(shots) if part.strip()]


def _lengths(node: Node, count: int) -> Iterator[float | None]:
    """The seconds of shots between the cuts, or of equal parts."""
    total = node.value("num_frames")
    cuts = [item for item in list_of(node.value("shot_cut_frames")) if isinstance(item, int)]
    if not isinstance(total, int) or not 0 < total < _MAX_FRAMES or not count:
        return
    if len(cuts) != count - 1:
        cuts = [round(total * number / count) for number in range(1, count)]
    ends = [0, *cuts, total]
    for start, end in pairwise(ends):
        yield bounded(round((end - start) / _FPS, 2))


def _draft(scene: str, captions: Sequence[str], lengths: Sequence[float | None], report: ImportReport) -> Draft:
    """Labels with a description become characters, and the place a setting. Other text comes before every shot."""
    report.require_shots(len(captions))
    report.limit("caption", scene, "global_caption")
    report.refuse()
    entities, rest = _cast(_COUNT.sub("", scene))
    place = _place(_plain(rest))
    if place:
        rest = ""
    elif rest:
        report.kept("the global caption", "caption", "global_caption", help="it comes before the caption of every shot")
    rows = [
        ShotRow(
            text=" ".join(part for part in (_plain(rest), _plain(text)) if part),
            where=f"shot_captions[{index}]",
            id=str(index + 1),
            people=tuple(_meant(text, entities)),
            place=place.name if place else "",
            seconds=lengths[index] if index < len(lengths) else None,
        )
        for index, text in enumerate(captions)
    ]
    return draft_of_rows(rows, report, entities=[*entities, *([place] if place else [])])


def _place(text: str) -> ScriptEntity | None:
    """The setting that "The scene is set in a ballroom." declares, with the sentences after it."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    look = match[1].rstrip(". ")
    again = default_again("scene", look)
    return ScriptEntity(name=again.removeprefix("the same "), kind="setting", look=look, again=again)


def _plain(text: str) -> str:
    return _LABEL.sub(r"\1", text)


def _cast(scene: str) -> tuple[list[ScriptEntity], str]:
    """The labelled characters with their looks, and the sentences that describe none of them."""
    looks: dict[str, str] = {}
    rest: list[str] = []
    last = ""
    for sentence in _SENTENCE.split(" ".join(scene.split())):
        found = [(match[1], match[2]) for match in _IS.finditer(sentence)]
        found += [(match[2], f"{match[1]} {match[3]}") for match in _BETWEEN.finditer(sentence)]
        if last and _MORE.match(sentence):
            looks[last] = f"{looks[last]}. {sentence.rstrip('. ')}"
        elif found:
            looks = {**looks, **{label: look for label, look in found if label not in looks}}
            last = found[-1][0]
        else:
            last = ""
            rest.append(sentence)
    return [_entity(label, look.strip(" ,")) for label, look in looks.items()], " ".join(rest)


def _entity(label: str, look: str) -> ScriptEntity:
    return ScriptEntity(name=label, kind="character", look=look, again=default_again(label.lower(), look))


def _meant(text: str, entities: Sequence[ScriptEntity]) -> list[str]:
    """The labels that the pronouns of a caption without a label can mean."""
    words = set() if _LABEL.search(text) else set(re.findall(r"[a-z]+", text.lower()))
    if words & {"they", "their", "them"} and len(entities) > 1:
        return [entity.name for entity in entities]
    people = [(entity.name, _WOMEN.search(entity.look), _MEN.search(entity.look)) for entity in entities]
    women, men = [name for name, she, _ in people if she], [name for name, _, he in people if he]
    unknown = [name for name, she, he in people if not she and not he]
    found = (women or unknown) if words & {"she", "her"} else []
    return [*found, *((men or unknown) if words & {"he", "his", "him"} else [])]
