"""`onestory help`: the manual, page by page, and search in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from onestory_cli import manual
from onestory_cli.commands._options import Json, argument
from onestory_cli.commands._screen import Screen, screen_of
from onestory_cli.commands._search import find, show
from onestory_cli.errors import ExitCode


def command(
    context: typer.Context,
    topic: Annotated[
        str | None,
        argument(
            metavar="[TOPIC]",
            help="A page of the manual, or a word to search for. Lists all pages if omitted.",
            autocompletion=lambda: list(manual.TOPICS),
        ),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Show a page of the manual, or search the manual and the error codes for a word."""
    screen = screen_of(context)
    if topic is None:
        _list_pages(screen, json)
    elif topic.lower() in manual.TOPICS:
        _show_page(screen, manual.read(topic.lower()), json)
    else:
        sections, codes = find(topic)
        if json:
            rows = [{"code": row.code, "title": row.title} for row in codes]
            screen.document("help", pages=[], matches=[asdict(match) for match in sections], codes=rows)
        else:
            show(screen, sections, codes)
    return ExitCode.DONE


def _list_pages(screen: Screen, json: bool) -> None:
    rows = [(topic, manual.read(topic).title) for topic in manual.TOPICS]
    if json:
        pages = [{"topic": topic, "title": title} for topic, title in rows]
        screen.document("help", pages=pages, matches=[], codes=[])
    else:
        screen.table(("topic", "page"), rows)
        screen.note("`onestory help TOPIC` shows a page; any other word is searched for in all pages and codes")


def _show_page(screen: Screen, page: manual.Page, json: bool) -> None:
    if json:
        pages = [{"topic": page.topic, "title": page.title, "text": page.text}]
        screen.document("help", pages=pages, matches=[], codes=[])
    else:
        screen.markdown(page.text, terminal=page.text_for_terminal)
