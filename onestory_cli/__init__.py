"""onestory: a compiler from screenplays to films that remember what they have shown.

    from onestory_cli import load_story, plan, render

These three are the line of the commands; see `library.py`. They load when they are first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onestory_cli.library import StoryWarning, load_story, plan, render

__version__ = "0.1.0"
__all__ = ["StoryWarning", "__version__", "load_story", "plan", "render"]


class _FromLibrary:
    """A name of `library.py`. It stands on the package's class, where a submodule of that name cannot hide it."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, package: object, owner: type) -> Any:
        return getattr(import_module(f"{__name__}.library"), self._name)

    def __set__(self, package: object, submodule: object) -> None:
        """What the import of `onestory_cli.plan` does; the submodule is in `sys.modules` all the same."""


class _Package(ModuleType):
    if not TYPE_CHECKING:
        load_story = _FromLibrary()
        plan = _FromLibrary()
        render = _FromLibrary()
        StoryWarning = _FromLibrary()


sys.modules[__name__].__class__ = _Package
