"""Final Draft (.fdx) -> Fountain -> Draft. The elements are the same; Final Draft names them, Fountain marks them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from onestory_cli.errors import shorten
from onestory_cli.importers.draft import Draft
from onestory_cli.importers.fountain import PREFIX
from onestory_cli.importers.screenplay import from_fountain
from onestory_cli.importers.source import SourceFile
from onestory_cli.story.text import FORBIDDEN, Text

_SPEECH = ("Character", "Parenthetical", "Dialogue")
_CAPITALS = ("Scene Heading", "Character")  # shown in capitals, however they were typed


def from_fdx(source: SourceFile) -> Draft:
    """A Final Draft file as a draft.

    Raises:
        Findings: I702 if it is not XML, or declares entities.
    """
    source.require_one()
    report, data = source.report, source.data
    if b"<!ENTITY" in data or b"<!DOCTYPE" in data[:4096]:
        report.fault("the file declares entities, which Final Draft does not write", "the whole file")
        report.refuse()
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as fault:  # LookupError: an unknown encoding
        report.fault(f"this is not XML: {shorten(fault, 100)}", "the whole file")
        report.refuse()
        raise AssertionError from fault
    fountain = "\n".join((*_title_page(root), *_paragraphs(root)))
    report.forget_lines()  # they would be those of the Fountain text
    return from_fountain(Text.of(source.path, FORBIDDEN.sub("\ufffd", fountain)), report)


def _title_page(root: ElementTree.Element) -> Iterator[str]:
    """The first line of the title page is the title."""
    lines = [_text(paragraph) for paragraph in root.iterfind("./TitlePage/Content/Paragraph")]
    if title := next((line for line in lines if line), ""):
        yield from (f"Title: {title}", "")


def _paragraphs(root: ElementTree.Element) -> Iterator[str]:
    """The elements as Fountain, with an empty line before each, except within speech."""
    for paragraph in root.iterfind("./Content//Paragraph"):
        kind, text = paragraph.get("Type", "Action"), _text(paragraph)
        if not text:
            continue
        if kind in _CAPITALS:
            text = text.upper()
        if kind not in _SPEECH or kind == "Character":
            yield ""
        if kind == "Scene Heading":
            number = f" #{paragraph.get('Number')}#" if paragraph.get("Number") else ""
            yield f"{'' if PREFIX.match(text) else '.'}{text}{number}"
        elif kind == "Character":
            yield f"@{text}"
        elif kind == "Parenthetical":
            yield text if text.startswith("(") else f"({text})"
        elif kind == "Transition":
            yield f"> {text}"
        elif kind == "Dialogue":
            yield text
        else:
            yield f"!{text}"


def _text(paragraph: ElementTree.Element) -> str:
    """The text of a paragraph on one line, without that of paragraphs inside it (dual dialogue) and of notes."""
    parts = [part.text or "" for part in paragraph.findall("Text")]
    return re.sub(r"\s+", " ", "".join(parts)).strip()
