"""What a module of the tests needs of POSIX, by its source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
POSIX_MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    "os": {
        "fork",
        "forkpty",
        "geteuid",
        "getuid",
        "killpg",
        "mkfifo",
        "sched_getaffinity",
        "setsid",
        "statvfs",
        "wait4",
    },
    "signal": {"SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGSTOP", "SIGUSR1", "SIGVTALRM"},
}
GUARDS = ("sys.platform", "hasattr(", "WINDOWS")


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: bodies of functions do not, and neither does guarded code."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Lambda) or (
            isinstance(node, ast.If | ast.IfExp | ast.BoolOp) and any(guard in ast.unparse(node) for guard in GUARDS)
        ):
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
                if part is not None:
                    yield part
                    yield from at_import(part)
        else:
            yield from at_import(node)


def posix_only(source: str) -> list[str]:
    """What a module needs of POSIX when it is imported."""
    return _posix_names(at_import(ast.parse(source)))


def _posix_names(nodes: Iterable[ast.AST]) -> list[str]:
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [item.name for item in node.names if item.name in POSIX_MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if node.module in POSIX_MODULES else []
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [ast.unparse(node)] if node.attr in POSIX_NAMES.get(node.value.id, ()) else []
    return found


@cache
def needs_posix(file: Path) -> bool:
    """Whether a module, or a module of the tests that it imports, needs POSIX when its tests run."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if _posix_names(ast.walk(tree)):
        return True
    names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    helpers = [ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("tests.")]
    return any(needs_posix(helper) for helper in helpers if helper.is_file() and helper != file)
