"""The JSON formats StoryMem, ViMax, ShotStream and MemFlow: one function each, Node -> Draft.

Their prompts become captions unchanged. None of them declares characters or settings, so the story has none either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from onestory_cli.importers.draft import MAX_SHOTS, Draft, DraftShot, ImportReport, escape
from onestory_cli.importers.names import Names
from onestory_cli.importers.values import Node

_SHOT = re.compile(r"shot_?([0-9]{1,6})", re.ASCII)
_NO_FIRST_FRAME = "onestory does not generate first frames from text; add `image:` to the shot if you have one"


def from_storymem(source: Node, report: ImportReport) -> Draft:
    """`story_name, story_overview, scenes[]{scene_num, video_prompts[], first_frame_prompt[], cut[]}`.

    `cut: false` starts a shot from the last frame of the previous one, which becomes the policy `last`.
    """
    shots: list[DraftShot] = []
    names = Names()
    for number, scene in enumerate(source.nodes("scenes"), start=1):
        shots += _scene_of_storymem(scene, scene.number("scene_num") or str(number), names, report, bool(shots))
        scene.report_unused()
    return _draft(source, report, "story_name", shots)


def _scene_of_storymem(
    scene: Node, number: str, names: Names, report: ImportReport, later: bool
) -> Iterator[DraftShot]:
    captions, cuts = scene.texts("video_prompts", required=True), scene.flags("cut")
    firsts = scene.texts("first_frame_prompt")
    for key, values in (("cut", cuts), ("first_frame_prompt", firsts)):
        if len(values) > len(captions):
            report.fault(f"{len(values)} values for {len(captions)} video_prompts", scene.at(key))
    for index, caption in enumerate(captions):
        continues = index < len(cuts) and not cuts[index] and (later or index > 0)
        notes = _first_frame(firsts[index] if index < len(firsts) else "", scene.at("first_frame_prompt"), report)
        where = f"{scene.at('video_prompts')}[{index}]"
        id = names.new(f"scene{number}-shot{index + 1}", otherwise="shot")
        yield _shot(id, caption, where, report, continues=continues, notes=notes)


def from_vimax(source: Node, report: ImportReport) -> Draft:
    """`story_overview, scenes[]{scene_num, shots[]{shot_id, first_frame, video_prompt}}`, with cuts everywhere."""
    shots: list[DraftShot] = []
    names = Names()
    for number, scene in enumerate(source.nodes("scenes"), start=1):
        name = scene.number("scene_num") or str(number)
        for index, shot in enumerate(scene.nodes("shots"), start=1):
            notes = _first_frame(shot.text("first_frame"), shot.at("first_frame"), report)
            id = names.new(f"scene{name}-shot{shot.number('shot_id') or index}", otherwise="shot")
            shots.append(
                _shot(id, shot.text("video_prompt", required=True), shot.at("video_prompt"), report, notes=notes)
            )
            shot.report_unused()
        scene.report_unused()
    return _draft(source, report, "story_name", shots)


def from_shotstream(source: Node, report: ImportReport) -> Draft:
    """`global_caption, shot1..shotN`. The global caption becomes the style."""
    keys = sorted(source.matching(_SHOT), key=_number_of_shot)
    if not keys:
        report.fault('"shot1" is missing', "the whole file")
    shots = [_shot(f"shot-{_number_of_shot(key)}", source.text(key), key, report) for key in keys]
    if len({shot.id for shot in shots}) < len(shots):
        report.fault("two shots have the same number", keys[0])
    style = source.text("global_caption")
    report.limit("style", style, "global_caption")
    if style:
        report.kept("the global caption", "style", "global_caption", help="the style is appended to every caption")
    return _draft(source, report, "title", shots, style=style)


def from_memflow(source: Node, report: ImportReport) -> Draft:
    """`{"prompts": [...]}`: one continuous video without cuts, whose memory is selected by the text, as ours is."""
    captions = source.texts("prompts", required=True)
    shots = [
        _shot(f"shot-{number}", caption, f"prompts[{number - 1}]", report, continues=number > 1)
        for number, caption in enumerate(captions, start=1)
    ]
    return _draft(source, report, "title", shots)


def _draft(source: Node, report: ImportReport, title: str, shots: list[DraftShot], *, style: str = "") -> Draft:
    """The whole draft. Texts other than shots become a note."""
    name, overview = source.text(title), source.text("story_overview")
    report.limit("title", name, title)
    if overview:
        report.kept("the overview", "note", "story_overview", help="a model sees only captions")
    if any(shot.continues for shot in shots):
        help = "a film has a cut between shots; `memory: {policy: last}` starts from the last frame"
        report.kept("a missing cut", "x-cut: false", "", help=help)
    source.report_unused()
    if not shots:
        report.fault("the source has no shots", "the whole file")
    if len(shots) > MAX_SHOTS:
        report.too_much(f"{len(shots)} shots; the maximum is {MAX_SHOTS}", "the whole file")
    return Draft(title=name, note=overview, style=style, shots=tuple(shots))


def _shot(
    id: str,
    caption: str,
    where: str,
    report: ImportReport,
    *,
    continues: bool = False,
    notes: dict[str, str] | None = None,
) -> DraftShot:
    if not caption:
        report.fault("the prompt is empty", where)
    report.limit("caption", escape(caption), where)
    return DraftShot(id=id, caption=escape(caption), continues=continues, notes=notes or {})


def _first_frame(text: str, where: str, report: ImportReport) -> dict[str, str]:
    if not text:
        return {}
    report.kept("the text of a first frame", "x-first-frame", where, help=_NO_FIRST_FRAME)
    return {"x-first-frame": text}


def _number_of_shot(key: str) -> int:
    match = _SHOT.fullmatch(key)
    assert match, key
    return int(match[1])
