"""How the package hangs together: files and lines per layer, circles of imports, and what a module brings along.

    python tools/imports.py                      # the table and the circles; exit 1 where one is made at import time
    python tools/imports.py morl.agents.envelope # the modules of its own layer that it needs, directly or not
    python tools/imports.py --long [morl.exact]  # functions of more than 50 body lines, files of more than 400

Three kinds of imports are told apart: those that run when a module is imported, those inside functions, which run when
the function is called, and those under ``if TYPE_CHECKING:``, which never run. Only the first can break an import. A
circle closed by the second means modules that cannot be understood apart; one closed only by the third is harmless.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_BODY, MOST_LINES = 50, 400
FOLDERS = {"morl": "morl", "envs": "morl.envs", "agents": "morl.agents"}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for folder, name in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            if folder == "morl" and parts[0] in ("envs", "agents"):
                continue  # links to the folders beside
            found[".".join((name, *parts)).removesuffix(".__init__")] = file
    return found


AT_IMPORT, IN_FUNCTIONS, FOR_TYPES = range(3)
"""When an import runs."""


def imports(tree: ast.AST, kind: int = AT_IMPORT) -> Iterator[tuple[str, int]]:
    """Names that a module imports, and when each import runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, kind) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", kind) for alias in node.names)
        else:
            typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, max(kind, FOR_TYPES if typing else IN_FUNCTIONS if inside else AT_IMPORT))


def graph(files: dict[str, Path], up_to: int = AT_IMPORT) -> dict[str, set[str]]:
    """Module → modules of the package that it imports, by imports of the kinds up to ``up_to``."""
    arrows: dict[str, set[str]] = {name: set() for name in files}
    for name, file in files.items():
        for target, kind in imports(ast.parse(file.read_text(encoding="utf-8"))):
            if kind <= up_to:
                known = target if target in files else target.rpartition(".")[0]
                if known in files and known != name:
                    arrows[name].add(known)
    return arrows


def reached(arrows: dict[str, set[str]], start: str) -> set[str]:
    """All modules that ``start`` needs."""
    seen: set[str] = set()
    stack = [start]
    while stack:
        for target in arrows[stack.pop()] - seen:
            seen.add(target)
            stack.append(target)
    return seen


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules each of which needs all the others."""
    needs = {name: reached(arrows, name) for name in arrows}
    found: list[set[str]] = []
    for name in arrows:
        group = {other for other in needs[name] if name in needs[other]} | {name}
        if len(group) > 1 and group not in found:
            found.append(group)
    return found


def layer(name: str) -> str:
    """The layer of a module, as import-linter's contract names them."""
    return ".".join(name.split(".")[:2])


def table(files: Iterable[tuple[str, Path]]) -> str:
    """Files and lines per layer."""
    count, lines = Counter[str](), Counter[str]()
    for name, file in files:
        count[layer(name)] += 1
        lines[layer(name)] += len(file.read_text(encoding="utf-8").splitlines())
    rows = [f"{name:22} {count[name]:4} files {lines[name]:7,} lines" for name in sorted(count)]
    return "\n".join([*rows, f"{'all':22} {count.total():4} files {lines.total():7,} lines"])


def long_functions(name: str, file: Path) -> Iterator[tuple[int, str]]:
    """Functions of a module whose body has more than :data:`MOST_BODY` lines, docstring left out: lines and name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > MOST_BODY:
                yield lines, f"{name}.{node.name}"


def show_long(files: dict[str, Path], inside: str) -> None:
    """Print what is long below a module, the longest first."""
    chosen = {name: file for name, file in files.items() if f"{name}.".startswith(f"{inside}.")}
    found = sorted((x for name, file in chosen.items() for x in long_functions(name, file)), reverse=True)
    sizes = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in chosen.items()}
    large = sorted(((n, name) for name, n in sizes.items() if n > MOST_LINES), reverse=True)
    for title, rows in ((f"body lines > {MOST_BODY}", found), (f"lines > {MOST_LINES}", large)):
        print(f"{title}: {len(rows)}")
        for count, name in rows:
            print(f"  {count:4} {name}")


def main() -> int:
    """Print what was asked for."""
    files = modules()
    if sys.argv[1:2] == ["--long"]:
        show_long(files, sys.argv[2] if len(sys.argv) > 2 else "morl")
        return 0
    now = graph(files)
    if len(sys.argv) > 1:
        name = sys.argv[1]
        if name not in files:
            print(f"no module {name!r}; expected one such as morl.agents.envelope", file=sys.stderr)
            return 2
        own = sorted(other for other in reached(now, name) if layer(other) == layer(name))
        print("\n".join([*own, f"{len(own)} modules of {layer(name)}"]))
        return 0
    print(table(files.items()))
    broken = circles(now)
    for title, groups in (
        ("circles at import time", broken),
        ("with imports in functions", circles(graph(files, IN_FUNCTIONS))),
        ("with imports for types, too", circles(graph(files, FOR_TYPES))),
    ):
        print(f"{title}: {len(groups)}")
        for group in groups:
            print(f"  {', '.join(sorted(group))}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
