"""The manual: Markdown pages by topic, and search over them. The pages are the .md files next to this module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_HERE = Path(__file__).parent
_WEIGHTS = _HERE.parent / "models" / "weights" / "storyworld"
GUIDE = ("character", "redo", "wan", "sound", "ci", "footage")
REFERENCE = (
    "stories",
    "editing",
    "run-directory",
    "trust",
    "memory",
    "models",
    "comfyui",
    "command-models",
    "batch",
    "export",
    "report",
    "review",
    "commands",
    "curate",
    "training",
    "evaluation",
    "performance",
    "python",
    "plugins",
    "agents",
    "editors",
    "storyworld",
    "benchmarks",
)
TOPICS = (*GUIDE, *REFERENCE)
_ELSEWHERE = {"storyworld": _WEIGHTS / "README.md", "benchmarks": _WEIGHTS / "BENCHMARKS.md"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page. `text` is Markdown without the comments and metadata that only tools read."""

    topic: str
    text: str

    @property
    def title(self) -> str:
        return self.sections[0][0]

    @property
    def text_for_terminal(self) -> str:
        """The text with commands instead of links to other pages, which a terminal cannot follow."""
        return re.sub(r"!?\[([^]]+)\]\((?!https?:)(.+?)\)", _link, self.text)

    @cached_property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """Heading and text of every section, in order; `#` in code blocks is not a heading."""
        parts: list[tuple[str, list[str]]] = []
        in_code = False
        for line in self.text.splitlines():
            in_code ^= line.startswith("```")
            heading = None if in_code else re.match("#+ (.*)", line)
            if heading:
                parts.append((heading[1], []))
            elif parts:
                parts[-1][1].append(line)
        return tuple((heading, "\n".join(lines)) for heading, lines in parts)


@dataclass(frozen=True, kw_only=True)
class Match:
    """A section that contains a word that was searched for; `line` is the first such line."""

    topic: str
    section: str
    line: str


def words() -> set[str]:
    """All words of the manual, in lower case."""
    return {word for topic in TOPICS for word in re.findall(r"[a-z][a-z-]{3,}", read(topic).text.lower())}


def read(topic: str) -> Page:
    """The page of one of `TOPICS`."""
    text = _ELSEWHERE.get(topic, _HERE / f"{topic}.md").read_text(encoding="utf-8")
    text = re.sub(r"\A---\n.*?\n---\n+", "", text, flags=re.DOTALL)
    return Page(topic=topic, text=re.sub(r"<!-- [\w-]+:(begin|end) -->\n?", "", text))


def search(word: str) -> list[Match]:
    """Sections in which a word begins with `word`, in any case; those with it in the heading first."""
    pattern = re.compile(rf"\b{re.escape(word.strip())}", re.IGNORECASE)
    found = [match for topic in TOPICS for match in _matches(read(topic), pattern)]
    return sorted(found, key=lambda match: not pattern.search(match.section))


def _matches(page: Page, pattern: re.Pattern[str]) -> Iterator[Match]:
    for heading, text in page.sections:
        lines = [line.strip() for line in text.splitlines() if pattern.search(line)]
        if lines or pattern.search(heading):
            yield Match(topic=page.topic, section=heading, line=lines[0] if lines else "")


def _link(link: re.Match[str]) -> str:
    """What stands for a link: its text, and the command for the page or the path in the repository."""
    name, path = link[1], link[2].partition("#")[0]
    elsewhere = {file.name: topic for topic, file in _ELSEWHERE.items() if "weights" in path}
    topic = elsewhere.get(path.rpartition("/")[2], path.removesuffix(".md"))
    target = f"onestory help {topic}" if topic in TOPICS else path.replace("../", "")
    return f"{name} (`{target}`)" if target else name
