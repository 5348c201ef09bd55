"""Front files, JSON and CSV: written atomically, read with limits, with a digest that shows later changes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from morl.pareto.tables import IDENTITIES, read_points
from morl.spec import FrontError, MorlError, Objective, shown
from morl.storage import parse_json, read_regular, read_text, write_atomic, write_json

if TYPE_CHECKING:
    from morl.pareto.front import Front

LARGEST = 256 * 2**20
"""Bytes of the largest file that is read."""

TABLES = (".csv", ".tsv", ".txt", ".dat", ".pf")
"""Endings of files that hold a table of points."""

SUFFIXES = (".json", *TABLES)
"""Endings of front files."""

_FORMAT = "morl-front-1"
_FORMAT_OF_COSTS = "morl-front-2"
"""Fronts with minimised objectives, whose costs a reader of the first format would take for rewards."""

_REQUIRED = (
    "ref_point",
    "discount",
    "weights",
    "supported",
    "covariance",
    "episodes",
    "epsilon",
    "complete",
    "outer",
    "scale",
    "provenance",
)
"""Keys of a front file besides its format, points, objectives and digest."""

_OPTIONAL = ("ids", "policies")
"""Keys of what only some fronts have."""

_ENTRIES = 2_000_000  # of all policies of a file together

_MINIMISED = ("(minimise)", "(minimize)", "(minimised)", "(minimized)")


def save_front(front: Front, path: str | Path) -> Path:
    """Write ``.json`` (everything) or ``.csv`` (points), at once or not at all, with a SHA-256 digest.

    JSON carries its digest inside; a CSV has it in a file beside it, as ``sha256sum --check`` reads it.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".csv":
        text = to_csv(front)
        beside = _beside(path)
        beside.unlink(missing_ok=True)  # first: better no digest than one of another file
        write_atomic(path, text)
        write_atomic(beside, f"{hashlib.sha256(text.encode()).hexdigest()}  {path.name}\n")
    elif kind == ".json":
        data = {**to_dict(front), **policy_tables(front)}
        write_json(path, {**data, "digest": digest(data)})
    else:
        raise FrontError(f"front file {str(path)!r} ends in {path.suffix!r}; expected .json or .csv")
    return path


def load_front(kind: type[Front], path: str | Path, minimise: bool | Sequence[str] = False) -> Front:
    """Read a front file as a :class:`~morl.pareto.Front` (``kind``); see :meth:`Front.load`."""
    path = Path(path)
    text = _text(path)
    name = repr(str(path))
    try:
        if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
            data = parse_json(text, what="it", error=FrontError)
            front, altered = from_dict(kind, data), _json_altered(data)
        else:
            front, altered = from_csv(kind, text), _csv_altered(path, text)
        front = _minimised(front, minimise)
    except MorlError as error:
        raise FrontError(f"front file {name}: {error}") from None
    if altered:
        warnings.warn(f"front file {name} was altered after it was written: its digest does not match", stacklevel=3)
        return front.replace(provenance={**front.provenance, "altered": True})
    return front


# ---- tables ------------------------------------------------------------------------------------------------


def to_csv(front: Front) -> str:
    """The points as CSV with a header of objective names, at full precision; costs positive and marked.

    A last column ``id`` holds the points' identities, where these say more than the values do.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    heads = [f"{o.name} {_MINIMISED[0]}" if o.minimise else o.name for o in front.objectives]
    rows = [[repr(float(x)) for x in row] for row in shown(front.points, front.objectives)]
    if front.identities is not None and IDENTITIES not in heads:
        heads, rows = [*heads, IDENTITIES], [[*row, one] for row, one in zip(rows, front.identities, strict=True)]
    writer.writerow(heads)
    writer.writerows(rows)
    return out.getvalue()


def from_csv(kind: type[Front], text: str) -> Front:
    """Points from a table in text; see :func:`morl.pareto.tables.read_points`."""
    table = read_points(text)
    width = len(table.rows[0]) if table.rows else len(table.names or ())
    names = [f"r{i}" for i in range(width)] if table.names is None else table.names
    objectives = [_named(name) for name in names]
    facts: dict[str, Any] = {}
    if table.sets > 1:
        warnings.warn(f"{table.sets} point sets, separated by blank lines, are read as one front", stacklevel=4)
        facts = {"status": f"union of {table.sets} point sets", "sets": table.sets}
    points = np.array(table.rows, dtype=np.float64).reshape(-1, width)
    return kind(shown(points, objectives), objectives, provenance=facts, identities=table.ids)


def _named(head: str) -> Objective:
    for mark in _MINIMISED:
        if head.lower().endswith(mark) and head[: -len(mark)].strip():
            return Objective(head[: -len(mark)].strip(), minimise=True)
    return Objective(head)


def _minimised(front: Front, which: bool | Sequence[str]) -> Front:
    """The front with some of its objectives, or all, taken for costs."""
    if which is False:
        return front
    names = front.names if which is True else (which,) if isinstance(which, str) else tuple(which)
    for name in names:
        if name not in front.names:
            raise FrontError(f"objective {name!r} is not in the file; expected one of {', '.join(front.names)}")
    data = to_dict(front)
    for objective in data["objectives"]:
        objective["minimise"] = objective["name"] in names or bool(objective.get("minimise"))
    return from_dict(type(front), data)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _csv_altered(path: Path, text: str) -> bool:
    """True where a digest lies beside the table and is another one."""
    beside = _beside(path)
    if not beside.is_file():
        return False
    told = read_text(beside, limit=4096, error=FrontError).split()
    as_written = text.replace("\r\n", "\n")  # ends of lines are the system's business
    return not told or told[0] != hashlib.sha256(as_written.encode()).hexdigest()


# ---- JSON --------------------------------------------------------------------------------------------------


def to_dict(front: Front) -> dict[str, Any]:
    """A JSON-able description of a front; see :meth:`Front.to_dict`."""
    signs = np.array([o.sign for o in front.objectives])

    def array(x: Any, turn: Any = None) -> Any:
        return None if x is None else (x if turn is None else x * turn + 0.0).tolist()

    return {
        "format": _FORMAT_OF_COSTS if (signs < 0).any() else _FORMAT,
        "points": array(front.points, signs),
        "objectives": [o.to_dict() for o in front.objectives],
        "ref_point": array(front.ref_point, signs),
        "discount": front.discount,
        "weights": array(front.weights),
        "supported": array(front.supported),
        "covariance": array(front.covariance, np.outer(signs, signs)),
        "episodes": array(front.episodes),
        "epsilon": front.epsilon,
        "complete": front.complete,
        "outer": array(front.outer, np.append(signs, 1.0)),
        "scale": None if front.scale is None else [array(x, signs) for x in front.scale],
        "provenance": dict(front.provenance),
        **({} if front.identities is None else {"ids": list(front.identities)}),
    }


def policy_tables(front: Front) -> dict[str, Any]:
    """The policies of a front as JSON, under the key ``policies``, where all are tables of numbers that fit."""
    tables = [policy for policy in front.policies or () if isinstance(policy, np.ndarray) and policy.dtype.kind in "if"]
    fits = sum(table.size for table in tables) <= _ENTRIES and len(tables) == len(front) > 0
    return {"policies": [table.tolist() for table in tables]} if fits else {}


def from_dict(kind: type[Front], data: Mapping[str, Any]) -> Front:
    """The front that :func:`to_dict` described.

    Raises:
        FrontError: another format, or fields that are missing or make no front.
    """
    if not isinstance(data, Mapping) or data.get("format") not in (_FORMAT, _FORMAT_OF_COSTS):
        given = data.get("format") if isinstance(data, Mapping) else type(data).__name__
        raise FrontError(f"front has format {given!r}; expected {_FORMAT!r}")
    try:
        objectives = tuple(Objective.from_dict(o) for o in data["objectives"])
        front = kind(data["points"], objectives, **{key: data[key] for key in _REQUIRED}, identities=data.get("ids"),
                     policies=_tables(data.get("policies")))  # fmt: skip
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise FrontError(f"front cannot be read: {error}") from None
    return _negated(front) if any(o.minimise for o in objectives) else front


def _tables(policies: Any) -> list[Any] | None:
    if policies is None:
        return None
    tables = [np.array(table) for table in policies]
    if any(table.dtype.kind not in "if" for table in tables):
        raise ValueError("policies are not tables of numbers")
    return tables


def _negated(front: Front) -> Front:
    """The numbers of minimised objectives from costs to returns."""
    signs = np.array([o.sign for o in front.objectives])

    def turn(x: Any, by: Any) -> Any:
        return None if x is None else x * by + 0.0

    return front.replace(
        points=turn(front.points, signs),
        ref_point=turn(front.ref_point, signs),
        covariance=turn(front.covariance, np.outer(signs, signs)),
        outer=turn(front.outer, np.append(signs, 1.0)),
        scale=None if front.scale is None else tuple(turn(x, signs) for x in front.scale),
    )


def digest(data: Mapping[str, Any]) -> str:
    """SHA-256 of the content, whatever its layout: every key but the digest itself, sorted."""
    content = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _json_altered(data: Mapping[str, Any]) -> bool:
    """True where the digest is another one, or is lost: a key that was damaged is one that nobody writes."""
    unknown = data.keys() - {"format", "points", "objectives", *_REQUIRED, *_OPTIONAL, "digest"}
    return bool(unknown) or ("digest" in data and data["digest"] != digest(data))


def _text(path: Path) -> str:
    """The text of a front file: UTF-8, with or without a byte-order mark, or UTF-16 with one.

    Raises:
        FrontError: it cannot be read, with the reason.
    """
    data = read_regular(path, limit=LARGEST, error=FrontError)
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise FrontError(f"front file {str(path)!r} cannot be read ({error}); save it as UTF-8") from None
