"""Fonts for each script. Installed fonts differ between machines, so each test is limited to the available ones."""

import shutil

import pytest

from onestory_cli.media import fonts as letters
from onestory_cli.media.fonts import BUILT_IN, Face, faces_for, reads_from_right

PRIVATE_USE = "\ue123"  # no system font has it


@pytest.fixture
def bare(monkeypatch):
    """A machine without any fonts."""
    monkeypatch.setattr(letters, "NAMES", ())
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_english_uses_the_font_of_pillow():
    assert faces_for(["A fox, waving!", "7 > 3…"]) == [BUILT_IN, BUILT_IN]
    assert BUILT_IN.lacks("A fox,\n waving\u200b") == ""


def test_missing_characters_are_detected():
    assert BUILT_IN.lacks("Лис is a fox. Лис") == "Лис"
    assert BUILT_IN.replace_missing("Лис is a fox 狐") == "(?) is a fox (?)"
    assert BUILT_IN.replace_missing("[a] ^ - \\") == "[a] ^ - \\"


def test_without_system_fonts_pillows_is_used(bare):
    assert faces_for(["Лис", "fox"]) == [BUILT_IN, BUILT_IN]


def test_a_system_font_is_used_for_other_scripts(tmp_path, bare, monkeypatch):
    found = next((name for name in ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "arial.ttf") if works(name)), None)
    if found is None:
        pytest.skip("no font here has Cyrillic letters")
    monkeypatch.setattr(letters, "NAMES", ("no-such-font.ttf", found))
    assert faces_for(["Лис идёт", "a fox"]) == [Face(found)] * 2  # one font for the whole sheet
    alone, both = faces_for(["Лис", f"Лис {PRIVATE_USE}"])
    assert (alone, both) == (Face(found), Face(found))
    assert both.lacks(f"Лис {PRIVATE_USE}") == PRIVATE_USE


def test_fontconfig_is_used_for_missing_characters(tmp_path, bare, monkeypatch):
    program, asked = tmp_path / "fc-match", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\necho -n /no/such/font.ttf\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program) if name == "fc-match" else None)
    assert faces_for(["狐 fox"]) == [BUILT_IN]
    assert "sans:charset=72d0" in asked.read_text()


def test_directions():
    assert reads_from_right("  \u05d0 fox")
    assert reads_from_right("1: \u062b")
    assert not reads_from_right("A \u05d0")
    assert not reads_from_right("123")


def works(name: str) -> bool:
    try:
        return Face(name).lacks("Лисидёт") == ""
    except OSError:
        return False
