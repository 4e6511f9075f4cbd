"""Tables that installed packages extend by entry points: built-in entries first, then those of plug-ins.

A package registers an object under a name in the group of a table, for example

    [project.entry-points."onestory.policies"]
    nearest = "my_package:nearest"

Installed packages are looked up only when a name is not built in, or when all names are listed.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar

from onestory_cli.errors import ExitCode, OnestoryError, shorten

T = TypeVar("T")

_SOURCES = {".py", ".so", ".pyd"}


class PluginTable(Mapping[str, T], Generic[T]):
    """Name -> object. `group` is the entry point group, and `builtin` the entries that onestory has itself."""

    def __init__(self, group: str, builtin: Mapping[str, T]) -> None:
        self.group, self.builtin = group, builtin

    def __getitem__(self, name: str) -> T:
        """The object of a name.

        Raises:
            KeyError: there is no such name.
            OnestoryError: M533 if the plug-in cannot be imported.
        """
        if name in self.builtin:
            return self.builtin[name]
        loaded: T = _load(self._plugins()[name])
        return loaded

    def __iter__(self) -> Iterator[str]:
        yield from self.builtin
        yield from (name for name in self._plugins() if name not in self.builtin)

    def __len__(self) -> int:
        return len(self.builtin.keys() | self._plugins().keys())

    def __contains__(self, name: object) -> bool:
        return name in self.builtin or name in self._plugins()

    def identity(self, name: str) -> str:
        """The name with the package, version and source digest of a plug-in; only the name of a built-in entry.

        It is part of the keys of takes: another version of a plug-in may do something else.
        """
        if name in self.builtin:
            return name
        plugin = self._plugins()[name]
        return f"{name} ({package_of(plugin)}, {source_digest(plugin.module)})"

    def _plugins(self) -> dict[str, EntryPoint]:
        return _entry_points(self.group)


def name_of(identity: str) -> str:
    """The name in a table of an entry with this identity."""
    return identity.partition(" ")[0]


def package_of(plugin: EntryPoint) -> str:
    """Name and version of the package that registers a plug-in, such as "my-package 0.1"."""
    return f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else plugin.module


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    """The plug-ins of a group by name, sorted. If two packages use one name, the first package counts."""
    found = sorted(entry_points(group=group), key=lambda item: (item.name, package_of(item)), reverse=True)
    return dict(reversed([(item.name, item) for item in found if item.name and " " not in item.name]))


def forget_plugins() -> None:
    """Look up installed packages again."""
    _entry_points.cache_clear()
    source_digest.cache_clear()


def _load(plugin: EntryPoint) -> T:  # type: ignore[type-var]
    try:
        loaded: T = plugin.load()
    except Exception as fault:  # code of another package
        raise OnestoryError(
            "M533",
            f'cannot load the plug-in "{shorten(plugin.name)}" of {package_of(plugin)}: {shorten(fault, 200)}',
            help="fix or reinstall that package, or choose a name of onestory",
            exit=ExitCode.MACHINE,
        ) from fault
    return loaded


@lru_cache
def source_digest(module: str) -> str:
    """Hex digest (12 digits) of the source of the top-level package or module that `module` belongs to; nothing is
    imported."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    roots = [Path(item) for item in (spec.submodule_search_locations or ())] if spec else []
    if not roots and spec and spec.origin:
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:12]
    digest = hashlib.sha256()
    for root in roots:
        for file in sorted(item for item in root.rglob("*") if item.suffix in _SOURCES):
            digest.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
