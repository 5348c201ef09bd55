"""Info of parallel environments in one dictionary, as Gymnasium has it: arrays per key, ``_key`` says who gave one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from morl.spec import BoolArray


def stack_infos(infos: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """One dictionary from one info per environment (``None`` or ``{}`` where it has nothing to say).

    Numbers and arrays become arrays with the environments as first axis, dictionaries are stacked in turn, all else
    goes into object arrays. ``final_obs`` always does, as Gymnasium has it. All arrays are fresh.

    >>> stack_infos([{"speed": 1.5}, None])
    {'speed': array([1.5, 0. ]), '_speed': array([ True, False])}
    """
    n = len(infos)
    out: dict[str, Any] = {}
    for key in dict.fromkeys(key for info in infos if info for key in info):
        rows = [i for i, info in enumerate(infos) if info and key in info]
        values = [infos[i][key] for i in rows]  # type: ignore[index]
        mask = np.zeros(n, dtype=bool)
        mask[rows] = True
        if key == "final_obs":
            out[key] = _scattered(_objects(values), rows, n)
        elif all(isinstance(value, Mapping) for value in values):
            members: list[Mapping[str, Any] | None] = [None] * n
            for i, value in zip(rows, values, strict=True):
                members[i] = value
            out[key] = stack_infos(members)
        else:
            out[key] = _scattered(_together(values), rows, n)
        out[f"_{key}"] = mask
    return out


def join_infos(parts: Sequence[tuple[int, Mapping[str, Any]]]) -> dict[str, Any]:
    """What :func:`stack_infos` gives for all environments, from what it gave for groups of them.

    Args:
        parts: number of environments and stacked info of each group, in order. A mask that is all true may be left out.

    >>> join_infos([(1, stack_infos([{"speed": 1.5}])), (1, {})])
    {'speed': array([1.5, 0. ]), '_speed': array([ True, False])}
    """
    out: dict[str, Any] = {}
    keys = dict.fromkeys(key for _, part in parts for key in part if not (key[:1] == "_" and key[1:] in part))
    for key in keys:
        columns = [part[key] for _, part in parts if key in part]
        if all(isinstance(column, Mapping) for column in columns):
            out[key] = join_infos([(n, part.get(key, {})) for n, part in parts])
        elif len({(c.dtype.hasobject, c.shape[1:]) for c in columns if isinstance(c, np.ndarray)}) == 1:
            if len(columns) < len(parts):
                blank = None if columns[0].dtype.hasobject else 0
                shape = columns[0].shape[1:]
                columns = [part.get(key, np.full((n, *shape), blank, columns[0].dtype)) for n, part in parts]
            out[key] = np.concatenate(columns)
        else:  # groups disagree about the kind of thing
            every = [unstack_info(part, i).get(key, _NOTHING) for n, part in parts for i in range(n)]
            out[key] = stack_infos([{} if value is _NOTHING else {key: value} for value in every])[key]
        out[f"_{key}"] = _joined_mask(key, parts)
    return out


def _joined_mask(key: str, parts: Sequence[tuple[int, Mapping[str, Any]]]) -> BoolArray:
    if all(key in part and f"_{key}" not in part for _, part in parts):
        return np.ones(sum(n for n, _ in parts), dtype=bool)
    return np.concatenate([part.get(f"_{key}", np.full(n, key in part)) for n, part in parts])


_NOTHING = object()


def without_full_masks(infos: Mapping[str, Any]) -> dict[str, Any]:
    """Stacked infos without the masks that say everyone: half as much to send.

    >>> without_full_masks(stack_infos([{"speed": 1.5}, {"speed": 2.0}]))
    {'speed': array([1.5, 2. ])}
    """
    out: dict[str, Any] = {}
    for key, value in infos.items():
        if isinstance(value, Mapping):
            out[key] = without_full_masks(value)
        elif not (key[:1] == "_" and key[1:] in infos and value.all()):
            out[key] = value
    return out


_NUMBERS = (bool, int, float, np.number, np.bool_)


def _together(values: list[Any]) -> np.ndarray[Any, Any]:
    """Numbers, or arrays of one shape, as one array; anything else as objects."""
    kinds = set(map(type, values))
    if all(issubclass(kind, _NUMBERS) for kind in kinds):
        return np.array(values, dtype=None if len(kinds) == 1 else np.result_type(*values))
    if all(issubclass(kind, np.ndarray) for kind in kinds):
        shapes, types = {value.shape for value in values}, {value.dtype for value in values}
        if len(shapes) == 1 and not any(dtype.hasobject for dtype in types):
            return np.array(values, dtype=np.result_type(*types))
    return _objects(values)


def _objects(values: list[Any]) -> np.ndarray[Any, Any]:
    column = np.full(len(values), None, dtype=object)
    for i, value in enumerate(values):  # assigned at once, a list of arrays would become one
        column[i] = value
    return column


def _scattered(values: np.ndarray[Any, Any], rows: list[int], n: int) -> np.ndarray[Any, Any]:
    """Values in their rows of n; zero, or ``None``, elsewhere."""
    if len(rows) == n:
        return values
    column = np.full((n, *values.shape[1:]), None if values.dtype == object else 0, dtype=values.dtype)
    column[rows] = values
    return column


def unstack_info(infos: Mapping[str, Any], i: int) -> dict[str, Any]:
    """The info of environment i out of :func:`stack_infos`: the keys that it gave.

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
