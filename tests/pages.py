"""The README and the manual as tests read them: code blocks, command lines, links, and blocks that are generated.

A generated block is between `<!-- name:begin -->` and `<!-- name:end -->`.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MANUAL = ROOT / "onestory_cli" / "manual"
EXAMPLES = ROOT / "examples"
WEIGHTS = ROOT / "onestory_cli" / "models" / "weights" / "storyworld"
PAGES = (
    README,
    EXAMPLES / "README.md",
    *sorted(MANUAL.glob("*.md")),
    WEIGHTS / "README.md",
    WEIGHTS / "BENCHMARKS.md",
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def fenced(page: Path, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL)


def shell_lines(page: Path) -> list[str]:
    return [line for block in fenced(page, "bash") for line in block.splitlines()]


def command_lines(page: Path) -> Iterator[list[str]]:
    """The arguments of every `onestory ...`, in code blocks and in sentences."""
    spans = re.findall(r"`(onestory [^`]+)`", text(page).replace("\n", " "))
    for line in [*shell_lines(page), *spans]:
        for part in re.split("&&|;| do ", line):
            words = shlex.split(part.partition(" > ")[0], comments=True)
            if words[:1] == ["onestory"]:
                yield words[1:]


def block(page: Path, name: str) -> str:
    """The contents of a generated block."""
    return re.split(rf"<!-- {name}:(?:begin|end) -->\n?", text(page))[1]


def with_block(page: Path, name: str, body: str) -> str:
    """The page with other contents of a generated block."""
    head, rest = text(page).split(f"<!-- {name}:begin -->\n")
    _, tail = rest.split(f"<!-- {name}:end -->")
    return f"{head}<!-- {name}:begin -->\n{body}<!-- {name}:end -->{tail}"


def without_blocks(page: Path) -> str:
    return re.sub(r"<!-- ([\w-]+):begin -->.*?<!-- \1:end -->", "", text(page), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as on GitHub."""
    titles = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    """The targets of links and pictures inside the repository."""
    return [item for item in re.findall(r"\]\((.*?)\)", text(page)) if not item.startswith("https://")]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    cells = [[cell.replace("|", "\\|").replace("<", "\\<") for cell in row] for row in (columns, *rows)]
    head, *body = [f"| {' | '.join(row)} |\n" for row in cells]
    return "".join([head, "|---" * len(columns) + "|\n", *body])


def schema_tables(schema: dict[str, Any]) -> str:
    """The keys of a story with their descriptions, a table for each kind of object."""
    parts = schema["definitions"]
    settings = {key: value for key, value in parts["defaults"]["properties"].items() if key != "seed"}
    kinds = {
        "Top level": schema["properties"],
        "Characters and settings": parts["declared"]["properties"],
        "Shots": {key: value for key, value in parts["shot"]["properties"].items() if key not in settings},
        "In `defaults`, profiles and shots": settings,
        "In `memory`": parts["shotMemory"]["properties"],
        "In `audio`": parts["audio"]["properties"],
        "In `lora`": parts["lora"]["properties"],
        "In `output`": parts["output"]["properties"],
    }
    return "\n".join(f"### {kind}\n\n{_keys(properties, parts)}" for kind, properties in kinds.items())


def _keys(properties: dict[str, Any], parts: dict[str, Any]) -> str:
    described = {
        key: parts[value["$ref"].rsplit("/")[-1]] if "$ref" in value else value for key, value in properties.items()
    }
    return table(
        ("key", "meaning"), [(f"`{key}`", _meaning(value)) for key, value in described.items() if key != "note"]
    )


def _meaning(value: dict[str, Any]) -> str:
    default = f" Default: `{json.dumps(value['default'])}`." if "default" in value else ""
    return value["description"] + default


def api_reference(source: Path, names: Sequence[str]) -> str:
    """Signature and docstring of public functions and classes of a module, as Markdown."""
    nodes = {getattr(node, "name", ""): node for node in ast.parse(text(source)).body}
    return "\n".join(_described(nodes[name]) for name in names)


def public_names() -> list[str]:
    """The functions and classes that the API module defines, in its order."""
    from onestory_cli import api

    nodes = ast.parse(text(ROOT / "onestory_cli/api.py")).body
    return [
        node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in api.__all__
    ]


def class_reference(source: Path, name: str) -> str:
    """Docstring of a class, and signature and docstring of its public methods and properties, as Markdown."""
    (node,) = [item for item in ast.parse(text(source)).body if getattr(item, "name", "") == name]
    parts = [_described(node)]
    for item in node.body:  # type: ignore[attr-defined]
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            parts.append("#" + _described(item))
    return "\n".join(parts)


def _described(node: Any) -> str:
    doc = ast.get_docstring(node) or ""
    body, _, raises = doc.partition("\nRaises:\n")
    errors = "".join(f"- {line.strip()}\n" for line in re.split(r"\n(?=    \S+: )", "\n" + raises) if line.strip())
    errors = re.sub(r"^- (\w+):", r"- `\1`:", re.sub(r"\n\s+", " ", errors), flags=re.MULTILINE)
    tail = f"\nRaises:\n\n{errors}" if raises else ""
    return f"## `{node.name}`\n\n```text\n{_signature(node)}\n```\n\n{body.strip()}\n{tail}"


def _signature(node: Any) -> str:
    if any(getattr(item, "id", "") in ("property", "cached_property") for item in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns)}"
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}({', '.join(ast.unparse(base) for base in node.bases)})"
    arguments = (
        re.sub(r"(: [^,=]+|, \w+)=", r"\1 = ", ast.unparse(node.args)).removeprefix("self, ").replace("self", "")
    )
    returned = f" -> {ast.unparse(node.returns)}"
    line = f"{node.name}({arguments}){returned}"
    if len(line) <= 100:
        return line
    parts = re.split(r", (?![^\[\(]*[\]\)])", arguments)
    return f"{node.name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){returned}"
