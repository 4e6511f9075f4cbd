"""Render the HTML templates: escaping, filters, embedded style and script, and the Content Security Policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from onestory_cli.quality import faults
from onestory_cli.report import drawing
from onestory_cli.report.lines import policy_of
from onestory_cli.report.page_views import duration, heats, listed_sources, short_seed, signed, words
from onestory_cli.utils.text import pluralize
from onestory_cli.version import __version__

_TEMPLATES = "templates"


def render_part(template: str, **values: Any) -> str:
    """Render a template that is a part of a page."""
    return environment().get_template(template).render(values)


def render_whole(
    template: str,
    *,
    styles: Sequence[str] = ("style.css",),
    scripts: Sequence[str] = (),
    media: str = "",
    connect: str = "",
    **values: Any,
) -> str:
    """Render a page with the contents of its `styles` and `scripts`.

    The policy of the page allows these, pictures in the page, videos from `media` and requests to `connect`.
    """
    style, script = "".join(map(asset, styles)), "".join(map(asset, scripts))
    policy = content_policy(style, script, media=media, connect=connect)
    return render_part(template, style=style, script=script, policy=policy, version=__version__, **values)


def content_policy(style: str, script: str, *, media: str, connect: str) -> str:
    """A Content Security Policy for a page with this style and script."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            *([f"script-src '{_digest(script)}'"] if script else []),
            "img-src data:",
            *([f"media-src {media}"] if media else []),
            *([f"connect-src {connect}"] if connect else []),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def asset(name: str) -> str:
    """The text of a style or script."""
    return files("onestory_cli.report").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")


def template_environment(package: str) -> Environment:
    """A Jinja environment of the templates of a package. It escapes every value."""
    return Environment(
        loader=PackageLoader(package, _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def environment() -> Environment:
    """The Jinja environment of the templates of films, with their filters and functions."""
    environment = template_environment("onestory_cli.report")
    environment.filters |= {
        "duration": duration,
        "change": signed,
        "short": short_seed,
        "plural": pluralize,
    }
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "default": asdict}
    environment.globals |= {
        "words": words,
        "policy_of": policy_of,
        "faults": faults,
        "draw": drawing,
        "heats": heats,
        "listed": listed_sources,
    }
    return environment


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
