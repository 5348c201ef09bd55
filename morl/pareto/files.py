"""Front files: written whole, read with care, and able to say that somebody changed them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morl.pareto.front import Front
from morl.pareto.tables import read_points
from morl.spec import FrontError, MorlError, Objective, shown
from morl.storage import parse_json, read_regular, read_text, write_atomic, write_json

LARGEST = 256 * 2**20
"""Bytes of the largest file that is read."""

TABLES = (".csv", ".tsv", ".txt", ".dat", ".pf")
"""Endings of files that hold a table of points."""

SUFFIXES = (".json", *TABLES)
"""Endings of front files."""

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
        data = front.to_dict()
        write_json(path, {**data, "digest": digest(data)})
    else:
        raise FrontError(f"front file {str(path)!r} ends in {path.suffix!r}; expected .json or .csv")
    return path


def load_front(path: str | Path, minimise: bool | Sequence[str] = False) -> Front:
    """Read a front file; see :meth:`Front.load`."""
    path = Path(path)
    text = _text(path)
    name = repr(str(path))
    try:
        if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
            data = parse_json(text, what="it", error=FrontError)
            front, altered = Front.from_dict(data), _json_altered(data)
        else:
            front, altered = from_csv(text), _csv_altered(path, text)
        front = _minimised(front, minimise)
    except MorlError as error:
        raise FrontError(f"front file {name}: {error}") from None
    if altered:
        warnings.warn(f"front file {name} was altered after it was written: its digest does not match", stacklevel=3)
        return front.replace(provenance={**front.provenance, "altered": True})
    return front


# ---- tables ------------------------------------------------------------------------------------------------


def to_csv(front: Front) -> str:
    """The points as CSV with a header of objective names, at full precision; costs positive and marked."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f"{o.name} {_MINIMISED[0]}" if o.minimise else o.name for o in front.objectives])
    writer.writerows([[repr(float(x)) for x in row] for row in shown(front.points, front.objectives)])
    return out.getvalue()


def from_csv(text: str) -> Front:
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
    return Front(shown(points, objectives), objectives, provenance=facts)


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
    data = front.to_dict()
    for objective in data["objectives"]:
        objective["minimise"] = objective["name"] in names or bool(objective.get("minimise"))
    return Front.from_dict(data)


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


def digest(data: Mapping[str, Any]) -> str:
    """SHA-256 of the content, whatever its layout: every key but the digest itself, sorted."""
    content = {key: value for key, value in data.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _json_altered(data: Mapping[str, Any]) -> bool:
    """True where the digest is another one, or is lost: a key that was damaged is one that nobody writes."""
    unknown = data.keys() - Front([[0.0]]).to_dict().keys() - {"digest"}
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
        raise FrontError(f"front file {str(path)!r} cannot be read ({error})") from None
