"""Reading tables of points: CSV of every dialect, and point sets separated by blank lines."""

from __future__ import annotations

import csv
import math
import re
import warnings
from dataclasses import dataclass

from morl.pareto.identity import is_identity
from morl.spec import FrontError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?", re.ASCII)
IDENTITIES = "id"
"""Header of a last column with the identities of points."""

_WORDS = ("nan", "inf", "infinity")
_INDEX = ("", "unnamed: 0")
"""First column of a data frame that was written with its row numbers, and of one that was read and written again."""
_NUMBERS_ROWS = ("index", "idx", "id", "row", "no", "nr", "#")
"""Names of a first column that is dropped where it counts the rows."""


@dataclass(frozen=True)
class PointTable:
    """A table of points: column names where it has a header, the rows, the number of point sets, and identities."""

    names: tuple[str, ...] | None
    rows: list[list[float]]
    sets: int = 1
    ids: tuple[str, ...] | None = None


Line = tuple[int, list[str]]  # its number in the file, its cells


def read_points(text: str) -> PointTable:
    """Points from text: one a line, separated by commas, semicolons, tabs or blanks; decimal commas but with commas.

    The first line that is not all numbers is a header. ``#`` and ``%`` begin comments; the comment right above the
    first point is the header where there are commas, semicolons or tabs and as many names as columns. The unnamed
    first column of a data frame's row numbers is dropped, and so are separators at the end of lines. Blank lines
    separate sets where blanks separate numbers (moocore's and pymoo's files), and mean nothing elsewhere.

    Raises:
        FrontError: a line with another number of cells, or a cell that is not a finite number; with its line.

    >>> read_points("a; b\\n1,5; 2\\n").rows
    [[1.5, 2.0]]
    """
    lines = text.removeprefix("\ufeff").splitlines()
    told = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", lines[0], re.IGNORECASE) if lines else None
    if told:  # a spreadsheet's own first line
        lines[0] = ""
    plain = [line for line in lines if line.strip() and not line.lstrip().startswith(("#", "%"))]
    separator = told[1] if told else _separator(plain)
    names: list[str] | None = None
    comment: Line | None = None
    body: list[Line] = []
    sets, gap = 0, True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            gap = True
            continue
        if line.lstrip().startswith(("#", "%")):
            comment = (number, _cells(line.lstrip(" \t#%"), separator)) if not body else comment
            continue
        cells = _cells(line if separator is not None else re.split("[#%]", line)[0], separator)
        if not body and names is None and not all(map(_is_number, _trimmed(cells, 1))):
            names = _header(number, cells)
            continue
        sets, gap = sets + (gap or not body), False
        body.append((number, cells))
    if names is None and not body:
        raise FrontError("front CSV is empty; expected a header of objective names and one row per point")
    if names is None and comment is not None and separator is not None:
        told_names = _header(*comment)
        wide = len(_trimmed(body[0][1], 1))
        names = told_names if len(told_names) == wide and not all(map(_is_number, told_names)) else None
    return _numbers(names, body, separator, sets if separator is None else 1)


def _separator(lines: list[str]) -> str | None:
    """Semicolon, tab, bar or comma, whichever is there; ``None`` for blanks."""
    last = lines[-1] if lines else ""
    for separator in (";", "\t", "|"):
        if any(separator in line for line in lines):
            return separator
    if "," not in "".join(lines):
        return None
    pieces = last.split()
    decimal = len(pieces) > 1 and all(_COMMA.fullmatch(piece) and piece[-1] != "," for piece in pieces)
    return None if decimal else ","


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return [cell.strip("\"'") for cell in line.split()]
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise FrontError(f"front CSV cannot be read: {error}") from None
    return [cell.strip() for cell in cells]


def _header(number: int, cells: list[str]) -> list[str]:
    names = [cell.strip(" \t#\"'\ufeff") for cell in cells]
    while len(names) > 1 and not names[-1]:
        names.pop()
    if any(map(_is_number, names)) and not all(map(_is_number, names)) and names[0].lower() not in _INDEX:
        raise FrontError(
            f"front CSV line {number} mixes numbers and words ({', '.join(names)[:80]}); expected a name for every "
            "objective, or a number for every one"
        )
    return names


def _numbers(names: list[str] | None, body: list[Line], separator: str | None, sets: int) -> PointTable:
    """Cells to numbers, once the row numbers of a data frame, identities and empty ends of lines are gone."""
    ids = None
    if names and names[-1].lower() == IDENTITIES and all(is_identity(cells[-1]) for _, cells in body):
        ids = tuple(cells[-1] for _, cells in body)
        names, body = names[:-1], [(number, cells[:-1]) for number, cells in body]
    if names is not None and separator is None and _has_row_names(len(names), body):
        names = ["", *names]
    index = names is not None and len(names) > 1 and (names[0].lower() in _INDEX or _counts(names[0], body))
    first = body[0][1] if body else []
    width = len(names) if names is not None else len(_trimmed(first, 1))
    rows = []
    for number, cells in body:
        cells = _trimmed(cells, width)
        if len(cells) != width:
            raise FrontError(f"front CSV line {number} has {len(cells)} values; expected {width}")
        labels = names or [f"column {i}" for i in range(1, width + 1)]
        pairs = list(zip(cells, labels, strict=True))[int(index) :]
        rows.append([_number(cell, number, label, separator) for cell, label in pairs])
    if names is None and len(rows) > 1 and rows[0] == list(range(width)) and _looks_numbered(body):
        warnings.warn(
            f"front CSV line {body[0][0]} ({', '.join(first)}) is read as a point; if it numbers the columns, "
            "put names there",
            stacklevel=4,
        )
    kept = None if names is None else tuple(names[int(index) :])
    if kept is not None and not all(kept):
        raise FrontError(f"front CSV has the header {', '.join(map(repr, kept))}; expected a name for every column")
    return PointTable(kept, rows, max(sets, 1), ids)


def _has_row_names(columns: int, body: list[Line]) -> bool:
    """A table of R's: one name fewer than columns, and rows that are counted or have words in front."""
    first = [cells[0] for _, cells in body if len(cells) == columns + 1]
    counted = first == [str(i) for i in range(1, len(body) + 1)]
    return bool(body) and len(first) == len(body) and (counted or not any(map(_is_number, first)))


def _counts(name: str, body: list[Line]) -> bool:
    """A column that is called index, or the like, and counts the rows from 0 or 1."""
    column = [cells[0] for _, cells in body]
    counted = any(column == [str(first + i) for i in range(len(body))] for first in (0, 1))
    return name.lower().rstrip(".") in _NUMBERS_ROWS and len(body) > 1 and counted


def _trimmed(cells: list[str], width: int) -> list[str]:
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells


def _looks_numbered(body: list[Line]) -> bool:
    """Whole numbers in the first line only: how data frames write columns that have no names."""
    return all(c.isdigit() for c in body[0][1]) and not any(c.isdigit() for _, cells in body[1:] for c in cells)


def _is_number(cell: str) -> bool:
    word = cell.strip().lower().lstrip("+-")
    return bool(_NUMBER.fullmatch(cell) or _COMMA.fullmatch(cell)) or word in _WORDS


def _number(cell: str, line: int, label: str, separator: str | None) -> float:
    """One finite number, with a decimal comma where commas separate nothing."""
    if _NUMBER.fullmatch(cell):
        value = float(cell)
    elif separator != "," and _COMMA.fullmatch(cell):
        value = float(cell.replace(",", "."))
    elif cell.lower().lstrip("+-") in _WORDS:
        value = math.nan
    else:
        what = "nothing" if not cell else repr(cell[:40])
        raise FrontError(f"front CSV line {line} has {what} for {label!r}; that is not a number")
    if not math.isfinite(value):
        raise FrontError(f"front CSV line {line} has {cell[:40]} for {label!r}; expected finite numbers")
    return value
