"""onestory: a compiler from screenplays to films that remember what they have shown.

    from onestory_cli import load_story, plan, render

The public names are those of `onestory_cli.api`. They load on first use, so that `import onestory_cli` stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onestory_cli.version import __version__

if TYPE_CHECKING:
    from onestory_cli.api import (
        ExecutionRequest,
        OnestoryError,
        Plan,
        RunView,
        Story,
        StoryWarning,
        decode,
        generate,
        load_model,
        load_story,
        open_run,
        plan,
        render,
        select,
    )

__all__ = [
    "ExecutionRequest",
    "OnestoryError",
    "Plan",
    "RunView",
    "Story",
    "StoryWarning",
    "__version__",
    "decode",
    "generate",
    "load_model",
    "load_story",
    "open_run",
    "plan",
    "render",
    "select",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from onestory_cli import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
