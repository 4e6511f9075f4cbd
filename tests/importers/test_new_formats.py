"""Shot lists, storyboards and prompts: columns, fields, separators, lengths, pictures and counts."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest
from PIL import Image

from onestory_cli import cli
from onestory_cli.console import Console
from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.importers import Imported, import_story
from onestory_cli.importers.listed_files import file_in_row
from onestory_cli.importers.prompts import split_prompts
from onestory_cli.importers.rows import field_of, seconds_of
from onestory_cli.importers.write import frames_near
from onestory_cli.models.catalog import find
from onestory_cli.planning.compile import compile_story
from onestory_cli.story.load import load_story
from tests.plugins import Install, install, project

__all__ = ["install"]
HERE = Path(__file__).parent


def imported(content: str, name: str, **options: object) -> Imported:
    return import_story(content.encode(), name, **options)  # type: ignore[arg-type]


def program(*arguments: str) -> tuple[ExitCode, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return cli.run(arguments, Console(stdout=out, stderr=err, color=False)), out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("2,5 s", 2.5),
        ("0:04", 4.0),
        ("00:00:04", 4.0),
        ("1:05", 65.0),
        ('3"', 3.0),
        ("0", None),
        ("x", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Shot #", "id"),
        ("Shot Description", "caption"),
        ("video_prompt", "caption"),
        ("Dauer", "duration"),
        ("f-stop", ""),
    ],
)
def test_headings(heading: str, field: str) -> None:
    assert field_of(heading) == field


@pytest.mark.parametrize(
    ("content", "count", "how"),
    [
        ("a\n---\nb\nc\n---\n", 2, "lines of dashes"),
        ("a | b | c", 3, "`|`"),
        ("1. a\n2. b\n   more\n3) c\n", 3, "numbers"),
        ("Shot 1: a\n\nShot 2: b\n", 2, "numbers"),
        ("a\nb\n\nc\n", 2, "empty lines"),
        ("a\nb\nc\n", 3, "line ends"),
    ],
)
def test_separators_of_prompts(content: str, count: int, how: str) -> None:
    parts, found = split_prompts(content)
    assert (len(parts), found) == (count, how)


def test_columns_can_be_named() -> None:
    content = "Was;Sekunden\nEin Fuchs;3\n"
    with pytest.raises(OnestoryError) as caught:
        imported(content, "a.csv")
    assert "--columns caption=HEADING" in caught.value.help
    assert "Was, Sekunden" in caught.value.help
    (shot,) = imported(content, "a.csv", columns={"caption": "Was", "duration": "Sekunden"}).draft.shots
    assert (shot.caption, shot.seconds) == ("Ein Fuchs.", 3.0)
    with pytest.raises(OnestoryError) as caught:
        imported(content, "a.csv", columns={"captoin": "Was"})
    assert 'did you mean "caption"?' in caught.value.help


def test_a_workbook_reads_as_the_same_table() -> None:
    rows = [line.split(";") for line in (HERE / "sources" / "shot-list.csv").read_text().splitlines()]
    book, data = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append([cell.strip('"') for cell in row])
    book.save(data)
    sheet = import_story(data.getvalue(), "shot-list.xlsx")
    table = import_story((HERE / "sources" / "shot-list.csv").read_bytes(), "shot-list.csv")
    assert (sheet.format, sheet.draft) == ("xlsx", table.draft)


def test_lengths_are_those_that_the_model_can_make() -> None:
    model = find("wan2.1-t2v-1.3b")
    frames = {seconds: frames_near(seconds, model) for seconds in (0.1, 2.0, 3.1, 60.0)}
    assert frames == {0.1: 5, 2.0: 33, 3.1: 49, 60.0: 81}
    content = json.dumps({"shots": [{"prompt": "A fox.", "duration": 3}]})
    assert "frames: 49  # 3 s in the source" in imported(content, "a.json", model=model).text
    assert "x-duration: 3s" in imported(content, "a.json").text


def test_dialogue_has_slots_for_recordings() -> None:
    content = json.dumps({"shots": [{"prompt": "A fox.", "dialogue": "Hello."}, {"prompt": "A robot."}]})
    text = imported(content, "a.json", narration=True).text
    assert text.count("narration/shot-1.wav, role: narration") == 1
    assert "narration" not in imported(content, "a.json").text


def test_pictures_of_a_storyboard_become_first_frames(tmp_path: Path) -> None:
    board = tmp_path / "harvest.storyboarder"
    board.write_bytes((HERE / "sources" / "harvest.storyboarder").read_bytes())
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "images" / "board-1-AA111.png")
    assert program("import", str(board), "--model", "storyworld")[0] is ExitCode.DONE
    story, _ = load_story(tmp_path / "harvest.story.yaml")
    assert [shot.image for shot in story.shots] == ["images/board-1-AA111.png", None]
    code, _, err = program("import", str(board), "--out", str(tmp_path / "other" / "b.story.yaml"), "--check")
    assert (code, "a picture that is not next to the source is dropped" in err) == (ExitCode.DONE, True)


def test_an_imported_shot_list_can_be_planned(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text("Description,Duration\nWide shot. A red fox walks right on a beach.,2s\nA red fox waves.,9s\n")
    code, out, err = program("import", str(table))
    assert (code, out) == (ExitCode.DONE, f"{tmp_path / 'list.story.yaml'}\n")
    assert "read as table, because of the suffix .csv" in err
    assert "columns: caption=Description, duration=Duration" in err
    plan, _ = compile_story(tmp_path / "list.story.yaml")
    assert [job.frames for job in plan.jobs] == [17, 17]


def test_check_counts_and_writes_nothing(tmp_path: Path) -> None:
    source = tmp_path / "llm.json"
    source.write_bytes((HERE / "sources" / "llm.json").read_bytes())
    code, out, _ = program("import", str(source), "--check")
    assert code is ExitCode.DONE
    counts = {what: int(count) for count, what in (line.split(maxsplit=1) for line in out.splitlines())}
    assert counts["shots"] == 3
    assert counts["characters with a look"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["llm.json"]


def test_a_folder_of_folders_has_a_story_in_each(tmp_path: Path) -> None:
    """As LongLive reads it: caption/STORY/*.json."""
    for name in ("beach", "city"):
        (tmp_path / "set" / "caption" / name).mkdir(parents=True)
        for number in (1, 2):
            file = tmp_path / "set" / "caption" / name / f"{number:02}.json"
            file.write_text(json.dumps({"caption": f"A fox in the {name}, {number}."}))
    code, _, error = program("import", str(tmp_path / "set"))
    assert code is ExitCode.USAGE
    assert "2 stories" in error
    assert program("import", str(tmp_path / "set"), "--number", "2")[0] is ExitCode.DONE
    story, _ = load_story(tmp_path / "set-2.story.yaml")
    assert [shot.caption.strip() for shot in story.shots] == ["A fox in the city, 1.", "A fox in the city, 2."]


def test_requests_of_joyai_are_read_as_folder_file_and_list(tmp_path: Path) -> None:
    requests = json.loads((HERE / "sources" / "joyai.json").read_bytes())
    for number, request in enumerate(requests):
        (tmp_path / f"{number}.json").write_text(json.dumps(request))
    assert program("import", str(tmp_path), "--out", str(tmp_path / "a.story.yaml"))[0] is ExitCode.DONE
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "index.json").write_text("{}")
    (tmp_path / "film" / "requests").mkdir()
    (tmp_path / "0.json").rename(tmp_path / "film" / "requests" / "0.json")
    assert program("import", str(tmp_path / "film"))[0] is ExitCode.DONE
    one = imported(json.dumps(requests[1]), "a.json")
    assert (one.format, [shot.id for shot in one.draft.shots]) == ("joyai", ["shot-002"])
    prompts = imported(json.dumps({"prompts": ["ID_A is Ada Lee, a tall woman. ID_A walks."]}), "a.json")
    assert (prompts.format, prompts.draft.shots[0].caption) == ("joyai", "$ada walks.")


@pytest.mark.parametrize("time", ["0:1.2.3", f"{'9' * 5000}:1"])
def test_invalid_times_of_joyai_are_ignored(time: str) -> None:
    prompt = f"ID_A is Ada Lee, a tall woman. shot1, from {time} to 0:04: ID_A walks."
    (shot,) = imported(json.dumps({"prompts": [prompt]}), "a.json").draft.shots
    assert shot.seconds is None


def test_cuts_of_holocine_after_the_end_give_no_length() -> None:
    source = {"shot_captions": ["A fox.", "A bear."], "num_frames": 150, "shot_cut_frames": [10**40]}
    assert [shot.seconds for shot in imported(json.dumps(source), "a.json").draft.shots] == [None, None]


def test_pronouns_of_holocine_mean_who_they_can() -> None:
    scene = "[character1] is a tall man. [character2] is a small girl. "
    text = f"[global caption] {scene}[per shot caption] His hat falls. [shot cut] She runs. [shot cut] A red door."
    captions = [shot.caption for shot in imported(text, "a.txt").draft.shots]
    assert captions == ["His hat falls. $character1.", "She runs. $character2.", "A red door."]


def test_timelines_with_numbers_that_are_not_json() -> None:
    text = (HERE / "sources" / "timeline.otio").read_text()
    extra = '"x": {"inf": -Infinity, "nan": NaN, "text": "not Inf", "big": 1' + "0" * 60 + "},"
    changed = text.replace("{", "{" + extra, 1)
    assert imported(changed, "a.otio").counts == imported(text, "a.otio").counts


def test_a_folder_has_a_json_file_per_shot(tmp_path: Path) -> None:
    folder = tmp_path / "trip"
    folder.mkdir()
    for number, text in ((2, "A fox sleeps."), (1, "A fox runs.")):
        (folder / f"{number:02}.json").write_text(json.dumps({"caption": text}))
    assert program("import", str(folder))[0] is ExitCode.DONE
    story, _ = load_story(tmp_path / "trip.story.yaml")
    assert [shot.caption.strip() for shot in story.shots] == ["A fox runs.", "A fox sleeps."]


def test_a_format_of_a_package(install: Install, tmp_path: Path) -> None:
    code = (
        "from onestory_cli.importers.formats import ImportFormat, by_suffix\n"
        "from onestory_cli.importers.rows import ShotRow, draft_of_rows\n"
        "def read(source):\n"
        "    rows = [ShotRow(text=line, where='') for line in source.text.content.splitlines()]\n"
        "    return draft_of_rows(rows, source.report, title='Beats')\n"
        "beats = ImportFormat(read=read, sign=by_suffix('.beats'))\n"
    )
    install(project(tmp_path / "p", "onestory.importers", code, beats="beats"))
    story = imported("A fox.\nA robot.\n", "a.beats")
    assert (story.format, story.reason, len(story.draft.shots)) == ("beats", "the suffix .beats", 2)


@pytest.mark.parametrize("number", ["1e400", "-5", "1e300", '"x"'])
def test_impossible_lengths_are_left_out(number: str) -> None:
    content = f'{{"boards": [{{"action": "A fox.", "duration": {number}}}]}}'
    assert imported(content, "a.storyboarder").draft.shots[0].seconds is None


def test_a_character_without_a_name_is_skipped() -> None:
    content = json.dumps({"characters": [{"look": {"prompt": "a red fox"}}], "shots": [{"prompt": "A fox."}]})
    assert imported(content, "a.json").draft.characters == ()


def test_an_empty_label_is_skipped() -> None:
    content = json.dumps({"scenes": [{"video_prompts": ["global caption: [ ]: x; shot caption: A fox."]}]})
    story = imported(content, "a.json")
    assert (story.format, story.draft.characters) == ("memento", ())


def test_every_list_of_echoshot_is_a_story() -> None:
    content = json.dumps([["A cook stirs.", "A cook tastes."], ["A dog runs."]])
    assert [shot.caption for shot in imported(content, "eval.json", number=2).draft.shots] == ["A dog runs."]
    with pytest.raises(OnestoryError, match="2 stories"):
        imported(content, "eval.json")


def test_lengths_of_echoshot_are_latent_frames() -> None:
    content = json.dumps(
        [{"shots": ["1.mp4", "2.mp4"], "cap_list": ["A cook stirs.", "A dog runs."], "inner_t": [9, 5]}]
    )
    story = imported(content, "train.json")
    assert [shot.seconds for shot in story.draft.shots] == [2.06, 1.06]
    assert story.dropped == 1


def test_rows_of_shotstream_name_json_files(tmp_path: Path) -> None:
    (tmp_path / "demo" / "json").mkdir(parents=True)
    shots = {"global_caption": "A storm at sea.", "shot1": "A ship rolls.", "shot2": "A sail tears."}
    (tmp_path / "demo" / "json" / "2.json").write_text(json.dumps(shots))
    rows = 'n,json_path,frame_number\n1,demo/json/1.json,[]\n2,demo/json/2.json,"[[0, 81], [81, 121]]"\n'
    (tmp_path / "demo" / "set.csv").write_text(rows)
    file = tmp_path / "demo" / "set.csv"
    data, name = file_in_row(file, file.read_bytes(), 2) or (b"", "")
    story = import_story(data, name)
    assert story.format == "shotstream"
    assert [(shot.caption, shot.seconds) for shot in story.draft.shots] == [
        ("A storm at sea. A ship rolls.", 5.06),
        ("A storm at sea. A sail tears.", 2.5),
    ]
    for number, code in ((1, "I702"), (3, "I704"), (None, "I704")):
        with pytest.raises(OnestoryError) as caught:
            file_in_row(file, file.read_bytes(), number)
        assert caught.value.code == code
    assert file_in_row(file, b"Shot,Action\n1,A fox.\n", None) is None


def test_boards_without_text_stay_shots() -> None:
    story = imported(
        '{"boards": [{"url": "a.png", "shot": "1A"}, {"action": "A fox.", "shot": "2A"}]}', "a.storyboarder"
    )
    assert [shot.caption for shot in story.draft.shots] == ["Shot 1A of the storyboard.", "A fox."]


def test_large_whole_numbers_of_other_tools_are_read() -> None:
    clip = {"OTIO_SCHEMA": "Clip.1", "name": "A fox", "metadata": {"id": 2**127}}
    content = {"OTIO_SCHEMA": "Timeline.1", "tracks": {"children": [{"kind": "Video", "children": [clip]}]}}
    assert imported(json.dumps(content), "a.otio").draft.shots[0].caption == "A fox"


def test_headings_and_cues_of_final_draft_are_in_capitals() -> None:
    heading, action = ("Scene Heading", "iNT. bARN - nIGHT"), ("Action", "Maya waits.")
    paragraphs = (heading, action, ("Character", "maYA"), ("Dialogue", "Oh."))
    rows = "".join(f'<Paragraph Type="{kind}"><Text>{text}</Text></Paragraph>' for kind, text in paragraphs)
    draft = imported(f"<FinalDraft><Content>{rows}</Content></FinalDraft>", "a.fdx").draft
    assert [item.look for item in (*draft.characters, *draft.settings)] == ["Maya", "barn, interior"]
