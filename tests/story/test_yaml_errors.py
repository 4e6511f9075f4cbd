from __future__ import annotations

import pytest
import yaml

from onestory_cli.errors import Findings
from onestory_cli.story import source

BROKEN = {
    "title: a: b\n": ("S107", 1, 9),
    "{look: a: b}\n": ("S107", 1, 9),
    'title: "a\nshots: 1\n': ("S106", 1, 8),
    "a: {b: 1\nc: 2\n": ("S106", 1, 4),
    "a: [1, 2\n": ("S106", 1, 4),
    "a: b\n c: d\n": ("S106", 2, 3),
    "a: 'it's'\n": ("S106", 1, 8),
    "a: @x\n": ("S106", 1, 4),
    "a: *\n": ("S106", 1, 4),
    "a: | x\n": ("S106", 1, 6),
    "a: ]\n": ("S106", 1, 4),
    "- a\nb: 1\n": ("S106", 2, 1),
    "a: b\nc\n": ("S106", 2, 1),
    "a: 1\n--- b\n...\n": ("S111", 2, 1),
    'a: "b\nc: 1\nd: "e"\n': ("S106", 1, 4),
    'a:\n  - {b: "c}\n  - {b: "d"}\n': ("S106", 2, 9),
    "a: 'b\nc: it's\n": ("S106", 1, 4),
    'a: "b" c\n': ("S106", 1, 8),
    "a:\u00a0b\nc: d\n": ("S117", 1, 3),
    "a:\n- b: c\n\u00a0 d: e\n- f: g\n": ("S117", 3, 1),
    "a: b\n \u3000c: d\n": ("S117", 2, 2),
    "%YAML 3.0\n---\na: 1\n": ("S106", 1, 1),
}


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_libyaml_and_pyyaml_give_the_same_finding(text: str, loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_LOADER", loader)
    with pytest.raises(Findings) as caught:
        source.parse(text.encode(), "a.story.yaml")
    (finding,) = caught.value.diagnostics
    assert finding.place is not None
    assert (finding.code, finding.place.line, finding.place.column) == BROKEN[text]
    assert finding.help


def test_the_hint_names_the_key_of_the_prose() -> None:
    with pytest.raises(Findings) as caught:
        source.parse(b"shots:\n  - id: a\n    caption: A sign: closed\n", "a.story.yaml")
    assert "`caption: |`" in caught.value.help


def test_the_messages_about_quotes() -> None:
    with pytest.raises(Findings, match="the quote that opens here is closed only in line 3"):
        source.parse(b'a: "b\nc: d\ne: "f"\n', "a.story.yaml")
    with pytest.raises(Findings, match="text follows a closing quote") as caught:
        source.parse(b"a: 'it's'\n", "a.story.yaml")
    assert "write '' for an apostrophe" in caught.value.help


def test_a_no_break_space_after_the_only_key_of_an_item() -> None:
    (finding,) = source.parse("shots:\n  - id:\u00a0one\n".encode(), "a.story.yaml").findings
    assert (finding.code, finding.place and finding.place.line) == ("S117", 2)


def test_no_break_spaces_in_prose_are_text() -> None:
    parsed = source.parse("a: 5\u00a0km\nb: |\n  \u00a0x\n  see: y\n".encode(), "a.story.yaml")
    assert parsed.value == {"a": "5\u00a0km", "b": "\u00a0x\nsee: y\n"}
    assert parsed.findings == ()
