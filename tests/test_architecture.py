"""Imports point down only, never within a row, and light modules never load heavy ones."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "onestory_cli"
ROOT = Path(__file__).parents[1]

# From the top. A unit is a module or a package; a module belongs to the unit with the longest matching name.
ROWS = (
    ("__main__",),
    ("cli",),
    ("commands", "api"),
    ("curation",),
    ("batch", "training", "evaluation", "export", "lsp", "review"),
    ("report", "rendering"),
    ("external",),
    ("generation", "store", "media", "importers"),
    ("planning",),
    ("models", "story", "console"),
    ("memory", "storyworld"),
    ("schedulers",),
    ("schemas", "utils"),
    ("errors", "events", "checkpoint", "quality"),
    ("codes", "manual", "version"),
)
ROW_OF = {unit: number for number, row in enumerate(ROWS) for unit in row}

HEAVY = {
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "tokenizers",
    "av",
    "ray",
    "submitit",
    "numpy",
    "safetensors",
    "PIL",
    "jinja2",
    "opentimelineio",
}
LIGHT = (
    "__main__",
    "cli",
    "api",
    "batch",
    "utils",
    "commands",
    "console",
    "rendering",
    "report",
    "export",
    "external",
    "store",
    "planning",
    "importers",
    "story",
    "schedulers",
    "schemas",
    "models",
    "memory.policies",
    "memory.levels",
    "models.availability",
    "models.bases",
    "models.catalog",
    "models.fingerprint",
    "models.folder",
    "models.hub",
    "models.licences",
    "models.networks",
    "models.offload.config",
    "models.offload.estimate",
    "models.offload.sizes",
    "models.presets",
    "models.availability",
    "models.single_file",
    "models.spec",
    "errors",
    "events",
    "checkpoint",
    "quality",
    "codes",
    "manual",
    "version",
)
HEAVY_MODULES = (
    "export.pictures",
    "rendering.model_generator",
    "report.batch_page",
    "report.contact",
    "report.diff_page",
    "report.gallery",
    "report.html",
    "report.page",
    "report.pictures",
    "report.take_sheet",
    "report.thumbnails",
)  # of light packages


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported name. `at_load` is false for imports in functions; `for_types` marks imports for type checkers."""

    name: str
    line: int
    at_load: bool
    for_types: bool = False


@cache
def modules() -> dict[str, Path]:
    """All modules of the package by their names inside it; the package's own `__init__` is ""."""
    files = (ROOT / PACKAGE).rglob("*.py")
    found = {".".join(file.relative_to(ROOT / PACKAGE).with_suffix("").parts): file for file in files}
    return {name.removesuffix("__init__").removesuffix("."): file for name, file in found.items()}


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return tuple(_walk(tree, module, at_load=True))


def _walk(node: ast.AST, module: str, *, at_load: bool, for_types: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        where = {"at_load": at_load, "for_types": for_types}
        if isinstance(child, ast.Import):
            yield from (Import(name=alias.name, line=child.lineno, **where) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}:{child.lineno}: imports are absolute here"
            names = (f"{child.module}.{alias.name}" for alias in child.names)
            yield from (Import(name=name, line=child.lineno, **where) for name in names)
        else:
            types = for_types or _for_type_checkers(child)
            later = types or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, module, at_load=at_load and not later, for_types=types)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def own_module(name: str) -> str | None:
    """The module of this package that an imported name is in; None for other packages and for the version."""
    below = name.removeprefix(PACKAGE).removeprefix(".")
    if name.split(".")[0] != PACKAGE or below == "__version__":
        return None
    while below not in modules():
        below = below.rpartition(".")[0]
    return below


def unit_of(module: str) -> str:
    while module not in ROW_OF:
        assert module, "no row"
        module = module.rpartition(".")[0]
    return module


def row_of(module: str) -> int:
    return ROW_OF[unit_of(module)]


def test_every_module_has_a_row() -> None:
    homeless = [module for module in modules() if module and module.split(".")[0] not in ROW_OF]
    assert homeless == []


def test_imports_point_down_only() -> None:
    wrong = [
        f"{PACKAGE}/{module.replace('.', '/')}.py:{item.line} imports {item.name}"
        for module in modules()
        if module
        for item in imports_of(module)
        if (other := own_module(item.name)) and unit_of(other) != unit_of(module) and row_of(other) <= row_of(module)
    ]
    assert wrong == []


def test_no_import_cycle() -> None:
    """Also not through imports inside functions; imports for type checkers do not count."""
    graph = {
        module: {other for item in imports_of(module) if not item.for_types and (other := own_module(item.name))}
        for module in modules()
        if module
    }
    graph = {module: {other for other in others if other and other != module} for module, others in graph.items()}
    cycles = [cycle for cycle in strongly_connected(graph) if len(cycle) > 1]
    assert cycles == []


def strongly_connected(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The strongly connected components of a graph: sets of nodes that all reach each other."""

    def reachable(start: str) -> set[str]:
        found, queue = set(), [start]
        while queue:
            new = set(graph.get(queue.pop(), ())) - found
            found |= new
            queue += new
        return found

    reach = {node: reachable(node) for node in graph}
    components = {
        frozenset({node, *(other for other in reach[node] if node in reach.get(other, ()))}) for node in graph
    }
    return sorted(sorted(component) for component in components)


def test_strongly_connected_finds_a_cycle() -> None:
    assert strongly_connected({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}) == [["a"], ["b", "c"], ["d"]]


def test_class_names_are_unique() -> None:
    found: dict[str, list[str]] = {}
    for module, file in modules().items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module)
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


def light_modules() -> list[str]:
    return [
        module
        for module in modules()
        if module and module not in HEAVY_MODULES and (module in LIGHT or unit_of(module) in set(LIGHT) - {"models"})
    ]


def heavy_chain(module: str, seen: set[str] | None = None) -> str:
    """The chain of imports by which `module` loads a heavy package, as "a > b > torch"; "" if there is none."""
    seen = set() if seen is None else seen
    seen.add(module)
    for item in imports_of(module):
        if not item.at_load:
            continue
        if item.name.split(".")[0] in HEAVY:
            return f"{module} > {item.name.split('.')[0]}"
        other = own_module(item.name)
        if other and other not in seen and (chain := heavy_chain(other, seen)):
            return f"{module} > {chain}"
    return ""


def test_the_light_half_never_imports_the_heavy_half_at_load_time() -> None:
    assert [chain for module in light_modules() if (chain := heavy_chain(module))] == []


def test_the_walk_tells_imports_at_load_time_from_later_ones() -> None:
    source = """
import a
if TYPE_CHECKING:
    import b
try:
    from c import d
except ImportError:
    pass
def f():
    import e
class G:
    import g
    def h(self):
        with x:
            from i import j
"""
    found = {item.name: item.at_load for item in _walk(ast.parse(source), "module", at_load=True)}
    assert found == {"a": True, "b": False, "c.d": True, "e": False, "g": True, "i.j": False}


def test_the_lists_name_modules_that_exist_and_heavy_ones_are_heavy() -> None:
    assert {*LIGHT, *HEAVY_MODULES} <= set(modules())
    assert all(map(heavy_chain, HEAVY_MODULES))
    assert heavy_chain("memory.bank") == "memory.bank > torch"


@pytest.mark.slow
def test_the_light_half_really_loads_without_the_heavy_half() -> None:
    names = [f"{PACKAGE}.{module}" for module in light_modules() if module != "__main__"]
    script = f"import importlib, sys; [importlib.import_module(name) for name in {names}]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert HEAVY & set(done.stdout.split()) == set()
