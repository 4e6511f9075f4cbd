"""No command prints line breaks or bidirectional controls in names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Onestory

EVIL = "a\n::error::b\u202e\x1b[2J"
RUN, STORY = f"{EVIL}.run", f"{EVIL}.story.yaml"


@pytest.mark.parametrize(
    "command",
    [
        ("validate", STORY),
        ("validate", STORY, "--format", "concise"),
        ("validate", STORY, "--format", "github"),
        ("plan", STORY),
        ("plan", STORY, "--why", "city"),
        ("plan", STORY, "--format", "github"),
        ("plan", f"gone-{STORY}"),
        ("render", STORY),
        ("resume", RUN),
        ("resume", f"gone-{RUN}"),
        ("take", "list", RUN),
        ("take", "show", RUN, "city"),
        ("take", "accept", RUN, "city", "0"),
        ("take", "accept", RUN, "city", EVIL),
        ("take", "sheet", RUN),
        ("verify", RUN),
        ("prune", RUN, "--keep", "0"),
        ("export", RUN, "--to", "edl"),
        ("inspect", RUN),
        ("inspect-memory", RUN),
        ("inspect-memory", RUN, "--shot", "city"),
        ("report", RUN),
        ("report", RUN, "--out", f"{EVIL}.html"),
        ("contact-sheet", RUN),
        ("new", f"new-{EVIL}"),
        ("import", STORY),
        ("explain", EVIL),
        ("help", EVIL),
        ("schema", EVIL),
        ("models", "accept", EVIL),
        ("train", EVIL),
        ("batch", STORY, "--out", f"gone-{EVIL}", "--set", EVIL),
        ("batch", STORY, "--out", f"out-{EVIL}", "--report"),
        ("diff", RUN, RUN),
        ("diff", RUN, f"gone-{RUN}"),
        ("diff", RUN, STORY, "--page", f"{EVIL}.html"),
        ("evaluate", RUN),
        ("evaluate", EVIL),
        ("curate", EVIL, "--out", f"set-{EVIL}"),
        ("curate", RUN, "--out", f"set-{EVIL}", "--captioner", EVIL),
        ("models", "check", EVIL),
        ("models", "check", STORY),
        ("models", "template", EVIL),
        ("models", "template", "wan2.2-ti2v-5b", "--out", f"{EVIL}.json"),
        ("take", "sheet", RUN, EVIL),
        ("inspect", STORY),
        ("inspect", f"gone-{RUN}"),
        ("inspect", RUN, "--extract", STORY),
        ("export", RUN, "--to", "comfyui"),
        ("export", RUN, "--to", "comfyui", "--template", f"{EVIL}.json"),
        (EVIL,),
    ],
    ids=lambda command: " ".join(command[:2]).replace(EVIL, "X"),
)
def test_no_command_prints_untrusted_text_raw(onestory: Onestory, film_run: Path, command: tuple[str, ...]) -> None:
    Path("film.story.yaml").rename(STORY)
    film_run.rename(RUN)
    result = onestory(*command)
    text = result.out + result.err
    assert text
    assert not any(mark in text for mark in ("\u202e", "\x1b[2J"))
    assert not [line for line in text.splitlines() if line.startswith("::error::b")]
    assert not [line for line in text.splitlines() if line.strip() == "a"]
