"""The table of a study: one row for each number, as Parquet and as CSV.

Tidy (Wickham, 2014): a row says whose it is (algorithm, environment, seed), what it is (kind, name, and index or step)
and how much (value, standard error, episodes behind it). Kinds of rows:

- ``point``: objective ``name`` of point ``index`` of the front; costs of minimised objectives are positive
- ``curve``: what was logged about the front after ``step`` steps; ``baseline``: of doing nothing and acting at random
- ``indicator``: quality of the front, against the reference front
- ``cell``: steps, evaluation steps, number of points, discount, class of the policies
- ``reference`` and ``nothing``: points of the reference front, and of doing nothing, under no algorithm
- ``machine``: seconds, versions and hardware; these alone differ when a study is run again
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morl import storage
from morl.pareto.front import Front
from morl.pareto.intervals import standard_errors
from morl.runs.folder import RunFolder
from morl.spec import MissingExtraError, RunError, shown
from morl.studies.cells import machine_of
from morl.studies.spec import Cell

STEM = "table"
_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Row:
    """One number (or word) of a study; see the kinds above."""

    algorithm: str
    environment: str
    seed: int | None
    kind: str
    name: str
    index: int | None = None
    step: int | None = None
    value: float | None = None
    error: float | None = None
    episodes: int | None = None
    text: str | None = None


_TYPES: dict[str, type] = {
    "algorithm": str, "environment": str, "seed": int, "kind": str, "name": str, "index": int, "step": int,
    "value": float, "error": float, "episodes": int, "text": str,
}  # fmt: skip
COLUMNS = tuple(_TYPES)
_REQUIRED = ("algorithm", "environment", "kind", "name")


def _cells(row: Row) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in COLUMNS)


@dataclass(frozen=True)
class Table:
    """The rows of a study, in the order of its cells."""

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def of(self, *kinds: str) -> Table:
        """The rows of some kinds."""
        return Table(tuple(row for row in self.rows if row.kind in kinds))

    def results(self) -> Table:
        """Everything but the ``machine``: the same, bit for bit, however often and wherever the study was stopped."""
        return Table(tuple(row for row in self.rows if row.kind != "machine"))

    # ---- files -----------------------------------------------------------------------------------------

    def to_csv(self) -> str:
        """CSV with a header; numbers at full precision, nothing where there is nothing."""
        out = io.StringIO()
        writer = csv.writer(out)  # lines end in CR LF, so that a CR within a name is quoted
        writer.writerow(COLUMNS)
        writer.writerows([repr(x) if isinstance(x, float) else x for x in _cells(row)] for row in self.rows)
        return out.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write as ``.csv`` or ``.parquet`` (extra ``study``), atomically.

        Raises:
            RunError: another ending, or the folder cannot be written.
            MissingExtraError: pyarrow is not installed.
        """
        path = Path(path)
        _check_suffix(path)
        try:
            if path.suffix == ".csv":
                return storage.write_atomic(path, self.to_csv())
            return storage.write_atomic(path, self._to_parquet())
        except OSError as error:
            raise RunError(f"{str(path)!r} cannot be written ({error.strerror})") from None

    def _to_parquet(self) -> bytes:
        arrow, parquet = _arrow()
        kinds = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
        columns = list(zip(*map(_cells, self.rows), strict=True)) or [()] * len(_TYPES)
        arrays = [arrow.array(c, kinds[t]) for c, t in zip(columns, _TYPES.values(), strict=True)]
        out = arrow.BufferOutputStream()
        parquet.write_table(arrow.table(dict(zip(_TYPES, arrays, strict=True))), out, compression="zstd")
        return bytes(out.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> Table:
        """Read a file written by :meth:`save`.

        Raises:
            RunError: no such file, or not the table of a study.
        """
        path = Path(path)
        _check_suffix(path)
        payload = storage.read_regular(path, limit=_LIMIT, follow=False)
        try:
            if path.suffix == ".csv":
                found = list(csv.reader(io.StringIO(payload.decode("utf-8"), newline="")))
                if not found or tuple(found[0]) != COLUMNS:
                    raise ValueError(f"its columns are {', '.join(found[0]) if found else 'missing'}")
                return cls(tuple(_parsed(line) for line in found[1:]))
            return cls(tuple(_checked(line) for line in _from_parquet(payload)))
        except (ValueError, TypeError, csv.Error) as error:
            said = str(error).splitlines()[0][:200]
            raise RunError(f"{str(path)!r} is not the table of a study ({said})") from None


def _check_suffix(path: Path) -> None:
    if path.suffix not in (".csv", ".parquet"):
        raise RunError(f"table file {str(path)!r} ends in {path.suffix!r}; expected .csv or .parquet")


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Parquet", "study") from None
    return pyarrow, pyarrow.parquet


def has_parquet() -> bool:
    """Whether Parquet files can be read and written here."""
    try:
        _arrow()
    except MissingExtraError:
        return False
    return True


def _from_parquet(payload: bytes) -> Iterator[tuple[Any, ...]]:
    arrow, parquet = _arrow()
    try:
        table = parquet.read_table(arrow.BufferReader(payload))
    except (arrow.ArrowException, OSError) as error:  # the latter where compressed pages are damaged
        raise ValueError(str(error)) from None
    if tuple(table.column_names) != COLUMNS:
        raise ValueError(f"its columns are {', '.join(table.column_names)}")
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _parsed(line: Sequence[str]) -> Row:
    """A row from the words of a line."""
    if len(line) != len(_TYPES):
        raise ValueError(f"a line has {len(line)} fields; expected {len(_TYPES)}")
    return _checked(
        [
            word if name in _REQUIRED or (kind is str and word) else kind(word) if word else None
            for word, (name, kind) in zip(line, _TYPES.items(), strict=True)
        ]
    )


def _checked(values: Sequence[Any]) -> Row:
    for value, (name, kind) in zip(values, _TYPES.items(), strict=True):
        if value is None and name not in _REQUIRED:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
    return Row(*values)


# ---- rows of a cell ----------------------------------------------------------------------------------------


def rows_of_cell(cell: Cell, run: RunFolder) -> Iterator[Row]:
    """Everything that the run of a finished cell says."""
    whose = (cell.algorithm, cell.environment, cell.seed)
    front, status = run.front(), run.status
    facts: dict[str, Any] = {name: status.get(name) for name in ("steps", "eval_steps", "points")}
    for name, value in {**facts, "discount": front.discount}.items():
        if value is not None:
            yield Row(*whose, "cell", name, value=float(value))
    for name in ("policy_class", "criterion"):
        if name in front.provenance:
            yield Row(*whose, "cell", name, text=str(front.provenance[name]))
    yield from rows_of_front(whose, "point", front)
    yield from _rows_of_metrics(whose, run)
    for name in ("seconds", "compile_seconds"):
        yield Row(*whose, "machine", name, value=float(status.get(name, 0.0)))
    for name, text in machine_of(run).items():
        yield Row(*whose, "machine", name, text=text)


def rows_of_front(whose: tuple[str, str, int | None], kind: str, front: Front) -> Iterator[Row]:
    """Each objective of each point with its standard error; costs are positive."""
    errors = standard_errors(front)
    for i, point in enumerate(shown(front.points, front.objectives)):
        episodes = None if front.episodes is None else int(front.episodes[i])
        for k, name in enumerate(front.names):
            value, error = float(point[k]), float(errors[i, k])
            yield Row(*whose, kind, name, index=i, value=value, error=error, episodes=episodes)


def _rows_of_metrics(whose: tuple[str, str, int | None], run: RunFolder) -> Iterator[Row]:
    for logged in run.metrics():
        for key, value in logged.items():
            head, _, name = key.partition("/")
            kind = {"front": "curve", "baseline": "baseline"}.get(head)
            if kind and name and isinstance(value, int | float):
                yield Row(*whose, kind, name, step=int(logged["step"]), value=float(value))


def fronts_in(table: Iterable[Row], like: dict[str, Front]) -> dict[str, dict[str, dict[int, Front]]]:
    """The fronts of a table, by environment, algorithm and seed.

    Args:
        table: its rows.
        like: a front of each environment with its objectives, discount, scale and reference point.

    Raises:
        RunError: rows that are no front of their environment.
    """
    import numpy as np

    points: dict[tuple[str, str, int], dict[tuple[int, str], Row]] = {}
    classes: dict[tuple[str, str, int], str] = {}
    for row in table:
        if row.seed is None:
            continue
        whose = (row.environment, row.algorithm, row.seed)
        if row.kind == "point" and row.index is not None:
            points.setdefault(whose, {})[row.index, row.name] = row
        elif row.kind == "cell" and row.name == "policy_class" and row.text:
            classes[whose] = row.text
    found: dict[str, dict[str, dict[int, Front]]] = {}
    for (environment, algorithm, seed), rows in points.items():
        model = like.get(environment)
        n = 1 + max(i for i, _ in rows)
        if model is None or not _is_whole(rows, n, model):
            raise RunError(f"the table's points of {algorithm} in {environment}, seed {seed}, are not whole")
        cells = [[rows[i, name] for name in model.names] for i in range(n)]
        signs = np.array([o.sign for o in model.objectives])
        errors = np.array([[row.error or 0.0 for row in line] for line in cells])
        provenance = {"algorithm": algorithm, "seed": seed, "steps": 1}
        if (environment, algorithm, seed) in classes:
            provenance["policy_class"] = classes[environment, algorithm, seed]
        front = Front(
            np.array([[row.value for row in line] for line in cells], dtype=np.float64) * signs,
            model.objectives,
            model.ref_point,
            model.discount,
            covariance=errors[:, :, None] * errors[:, None, :] * np.eye(model.k),
            episodes=[line[0].episodes or 0 for line in cells],
            scale=model.scale,
            provenance=provenance,
        )
        found.setdefault(environment, {}).setdefault(algorithm, {})[seed] = front
    return found


def _is_whole(rows: Mapping[tuple[int, str], Row], n: int, like: Front) -> bool:
    """Whether there is one row for each objective of ``n`` points."""
    return len(rows) == n * like.k and set(rows) == {(i, name) for i in range(n) for name in like.names}
