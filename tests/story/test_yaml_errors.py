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
