"""Info of many copies in one dictionary, in Gymnasium's form: arrays per key, and ``_key`` saying who gave one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def stack_infos(infos: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One dictionary from one info per copy (``None`` or ``{}`` where a copy has nothing to say).

    Numbers and arrays become arrays with the copies as first axis, dictionaries are stacked in turn, anything else
    goes into object arrays. ``final_obs`` always does, as Gymnasium has it. All arrays are fresh.

    >>> stack_infos([{"speed": 1.5}, None])
    {'speed': array([1.5, 0. ]), '_speed': array([ True, False])}
    """
    n = len(infos)
    out: dict[str, Any] = {}
    keys = dict.fromkeys(key for info in infos if info for key in info)
    for key in keys:
        given = [(i, info[key]) for i, info in enumerate(infos) if info and key in info]
        mask = np.zeros(n, dtype=bool)
        mask[[i for i, _ in given]] = True
        if key != "final_obs" and all(isinstance(value, Mapping) for _, value in given):
            members: list[Mapping[str, Any] | None] = [None] * n
            for i, value in given:
                members[i] = value
            out[key] = stack_infos(members)
        else:
            out[key] = _column(key, given, n)
        out[f"_{key}"] = mask
    return out


def join_infos(parts: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """What :func:`stack_infos` gives for all copies, from what it gave for groups of them.

    Args:
        parts: number of copies and stacked info of each group, in order.

    >>> join_infos([(1, stack_infos([{"speed": 1.5}])), (1, {})])
    {'speed': array([1.5, 0. ]), '_speed': array([ True, False])}
    """
    out: dict[str, Any] = {}
    keys = dict.fromkeys(key for _, part in parts for key in part if not (key[:1] == "_" and key[1:] in part))
    for key in keys:
        columns = [part[key] for _, part in parts if key in part]
        if all(isinstance(column, Mapping) for column in columns):
            out[key] = join_infos([(n, part.get(key, {})) for n, part in parts])
        elif len({(column.dtype == object, column.shape[1:]) for column in columns if hasattr(column, "shape")}) == 1:
            blank = None if columns[0].dtype == object else 0
            shape = columns[0].shape[1:]
            out[key] = np.concatenate(
                [part[key] if key in part else np.full((n, *shape), blank, columns[0].dtype) for n, part in parts]
            )
        else:  # groups disagree about the kind of thing
            every = [unstack_info(part, i).get(key, _NOTHING) for n, part in parts for i in range(n)]
            out[key] = stack_infos([{} if value is _NOTHING else {key: value} for value in every])[key]
        out[f"_{key}"] = np.concatenate([part.get(f"_{key}", np.zeros(n, dtype=bool)) for n, part in parts])
    return out


_NOTHING = object()


def _column(key: str, given: list[tuple[int, Any]], n: int) -> np.ndarray[Any, Any]:
    values = [value for _, value in given]
    numeric = all(isinstance(v, bool | int | float | np.number | np.bool_) for v in values)
    arrays = all(isinstance(v, np.ndarray) and v.dtype != object for v in values)
    column: np.ndarray[Any, Any]
    if key != "final_obs" and numeric:
        column = np.zeros(n, dtype=np.result_type(*values) if len(values) > 1 else np.asarray(values[0]).dtype)
    elif key != "final_obs" and arrays and len({v.shape for v in values}) == 1:
        column = np.zeros((n, *values[0].shape), dtype=np.result_type(*values))
    else:
        column = np.full(n, None, dtype=object)
    for i, value in given:
        column[i] = value
    return column


def unstack_info(infos: Mapping[str, Any], i: int) -> dict[str, Any]:
    """The info of copy i out of :func:`stack_infos`: the keys that it gave.

    >>> unstack_info({"speed": np.array([1.5, 0.0]), "_speed": np.array([True, False])}, 1)
    {}
    """
    out: dict[str, Any] = {}
    for key, value in infos.items():
        mask = infos.get(f"_{key}")
        if key.startswith("_") and key[1:] in infos:
            continue
        if mask is not None and not mask[i]:
            continue
        out[key] = unstack_info(value, i) if isinstance(value, Mapping) else value[i]
    return out
