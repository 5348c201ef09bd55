"""How commands speak: data on stdout (a table for people, JSON for scripts), progress and notes on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.compile_time import Stopwatch

if TYPE_CHECKING:
    from morl.pareto import Front


def emit_json(data: Any) -> None:
    """Print JSON on stdout; numpy scalars and arrays become numbers and lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        raise TypeError(f"{type(value).__name__} is not JSON-able")

    print(json.dumps(data, indent=2, default=plain))


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table on stdout: numbers to the right, nothing cut off when stdout is a file or a pipe."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[text(value) for value in row] for row in rows]
    for i, column in enumerate(columns):
        numeric = bool(cells) and all(_is_number(row[i]) for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False).print(table)


def emit_points(front: Front, more: Mapping[str, Sequence[Any]] | None = None, title: str = "") -> None:
    """Print the points of a front, one a row, with further columns by name where they are given."""
    more = more or {}
    rows = [(i, *map(float, point), *(column[i] for column in more.values())) for i, point in enumerate(front.points)]
    emit_table(("#", *(o.label for o in front.objectives), *more), rows, title)


def text(value: Any) -> str:
    """One cell: numbers to six significant digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    return str(value)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell
    return True


def note(message: str) -> None:
    """One line for people, on stderr."""
    print(message, file=sys.stderr)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as one line for people, without the line of code that they come from."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        note(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def stage(what: str) -> Iterator[Stopwatch]:
    """Show on stderr that something is being worked on, and how long it took, compilation apart."""
    from rich.console import Console

    watch = Stopwatch()
    with Console(stderr=True).status(what):
        yield watch
        watch.stop()
    note(f"{what}: {watch}")
