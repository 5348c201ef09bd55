"""Console output: data on stdout (tables for people, JSON for scripts), progress and notes on stderr.

Everything that is printed goes through here. Names come from files that anybody may have written, so what is not
printable (terminal escapes, control characters, marks that reverse the direction of text) is shown as an escape, and
nothing in a name is read as markup.
"""

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

    print(json.dumps(data, indent=2, default=plain))  # ASCII: JSON escapes all else


def printable(words: object, keep: str = "") -> str:
    r"""Escape what is not printable, so that a terminal shows text and does not obey it.

    Args:
        words: anything; its ``str`` is taken.
        keep: characters that are left as they are, such as newlines of text that has lines.

    >>> print(printable("cost\x1b[2J \u202e§"))
    cost\x1b[2J \u202e§
    """
    text = kept = str(words)
    for c in keep:
        kept = kept.replace(c, "")
    if kept.isprintable():  # nearly always, and a hundred times as fast
        return text
    return "".join(c if c.isprintable() or c in keep else ascii(c)[1:-1] for c in text)


def emit(words: object) -> None:
    """Print lines on stdout."""
    print(printable(words, keep="\n"))


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
    """Print a table on stdout: numbers to the right, nothing cut off when stdout is a file or a pipe."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    rows = list(rows)
    if len(rows) > 1000:  # laying out every cell would take a minute
        _print_plain(columns, [[text(value) for value in row] for row in rows])
        return
    table = Table(title=printable(title) or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[text(value) for value in row] for row in rows]
    for i, column in enumerate(columns):
        numeric = bool(cells) and all(_is_number(row[i]) for row in cells)
        table.add_column(printable(column), justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, emoji=False).print(table)


def _print_plain(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (columns, *cells))
    emit("\n".join(lines))


def emit_points(front: Front, more: Mapping[str, Sequence[Any]] | None = None, title: str = "") -> None:
    """Print the points of a front, one a row, with further columns by name where they are given.

    Sampled means come with their standard errors, ``3.21 ± 0.04``; costs of minimised objectives are positive.
    """
    from morl.pareto.intervals import standard_errors
    from morl.spec import shown

    more = more or {}
    means = shown(front.points, front.objectives)
    rows = [
        (i, *map(measured, point, errors), *(column[i] for column in more.values()))
        for i, (point, errors) in enumerate(zip(means, standard_errors(front), strict=True))
    ]
    emit_table(("#", *(o.label for o in front.objectives), *more), rows, title)


def measured(mean: float, error: float) -> Any:
    """A mean with its standard error; a number that was computed exactly, or always came out so, stands alone.

    >>> measured(0.3, 0.0125), measured(0.3, 4e-17)
    ('0.3 ± 0.013', 0.3)
    """
    rounding = 1e-12 * abs(mean)  # of episodes that all paid the same
    return f"{mean:.6g} ± {error:.2g}" if error > rounding else float(mean)


def text(value: Any) -> str:
    """One cell: numbers to six significant digits, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    return printable(value)


def _is_number(cell: str) -> bool:
    try:
        float(cell.partition(" ± ")[0])
    except ValueError:
        return not cell
    return True


def note(message: str) -> None:
    """Lines for people, on stderr."""
    print(printable(message, keep="\n"), file=sys.stderr)


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
    from rich.text import Text

    watch = Stopwatch()
    with Console(stderr=True).status(Text(printable(what))):
        yield watch
        watch.stop()
    note(f"{what}: {watch}")
