"""Is this a finite MOMDP? Everything that compiled code relies on is checked here, before any of it runs.

Compiled loops follow ``row_ptr``, ``indptr`` and ``indices`` without looking, so a wrong number in one of them reads
memory that belongs to something else. :class:`~morl.momdp.MOMDP` therefore converts its arrays by the functions below,
checks them with :func:`validate`, and keeps copies that cannot be written to.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from morl.spec import FloatArray, IntArray, ModelError

if TYPE_CHECKING:
    from morl.momdp import MOMDP

SUM_TOLERANCE = 1e-9
MOST_DECISIONS = 1_000_000
"""A policy with a horizon is a table of decisions × states; longer ones are better told with a discount."""
MOST_REWARD = 1e100
"""Returns and their squares must be numbers, too."""


def real_array(name: str, value: Any) -> FloatArray:
    """Real numbers as float64; nothing is converted that is not a number.

    Raises:
        ModelError: text, objects, complex numbers, masked entries, or rows of different lengths.
    """
    return np.ascontiguousarray(_plain(name, value, "biuf", "real numbers"), dtype=np.float64)


def whole_array(name: str, value: Any) -> IntArray:
    """Whole numbers as int64.

    Raises:
        ModelError: anything else.
    """
    return np.ascontiguousarray(_plain(name, value, "iu", "whole numbers"), dtype=np.int64)


def _plain(name: str, value: Any, kinds: str, expected: str) -> np.ndarray[Any, Any]:
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise ModelError(f"{name}: some entries are masked; expected {expected} everywhere")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} cannot be made an array ({error}); expected {expected}") from None
    if array.dtype.kind not in kinds:
        raise ModelError(f"{name}: dtype is {array.dtype}; expected {expected}")
    return array


def csr(matrix: Any) -> sparse.csr_array:
    """Transitions as a csr matrix of float64 whose indices are inside it.

    Raises:
        ModelError: not a matrix of real numbers, or positions that point outside.
    """
    if not sparse.issparse(matrix):
        dense = real_array("transitions", matrix)
        if dense.ndim != 2:
            raise ModelError(f"transitions have shape {dense.shape}; expected a matrix (rows, S)")
        return sparse.csr_array(dense)
    if matrix.dtype.kind not in "biuf":
        raise ModelError(f"transitions: dtype is {matrix.dtype}; expected real numbers")
    if matrix.ndim != 2:
        raise ModelError(f"transitions have shape {matrix.shape}; expected a matrix (rows, S)")
    try:
        _check_positions(matrix)
        result = sparse.csr_array(matrix, dtype=np.float64)
        _check_positions(result)
    except ModelError:
        raise
    except (TypeError, ValueError, IndexError, OverflowError) as error:
        raise ModelError(f"transitions are not a sound sparse matrix ({error}); expected indices inside it") from None
    return result


def _check_positions(matrix: Any) -> None:
    """What scipy's own compiled conversions rely on."""
    if matrix.format == "coo":
        for axis, size in zip(matrix.coords, matrix.shape, strict=True):
            _check_range(np.asarray(axis), size)
    elif matrix.format in ("csr", "csc", "bsr"):
        if matrix.format == "csr":
            _check_range(np.asarray(matrix.indices), matrix.shape[1])
        matrix.check_format(full_check=True)


def _check_range(index: np.ndarray[Any, Any], size: int) -> None:
    if index.dtype.kind not in "iu":
        raise ModelError(f"transitions: indices have dtype {index.dtype}; expected whole numbers")
    wrong = (index < 0) | (index >= size)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ModelError(f"transitions: column index {index[at]} (entry {at}); expected 0 to {size - 1}, a state")


def frozen(array: np.ndarray[Any, Any]) -> Any:
    """The array if nobody can write to it, else a copy that nobody can write to."""
    fixed = not array.flags.writeable
    if array.base is not None:
        fixed = fixed and isinstance(array.base, np.ndarray) and not array.base.flags.writeable
    if not fixed:
        array = array.copy()
        array.flags.writeable = False
    return array


def frozen_csr(matrix: sparse.csr_array) -> sparse.csr_array:
    """A matrix of its own with arrays that nobody can write to."""
    result = sparse.csr_array(matrix.shape, dtype=np.float64)
    result.data, result.indices, result.indptr = frozen(matrix.data), frozen(matrix.indices), frozen(matrix.indptr)
    return result


def discount_of(value: Any) -> float:
    """γ as a float.

    Raises:
        ModelError: not a number in ``[0, 1]``.
    """
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0.0 <= value <= 1.0:
        raise ModelError(f"discount is {value!r}; expected a number in [0, 1]")
    return float(value)


def horizon_of(value: Any) -> int | None:
    """The number of decisions as an int, ``None`` for an infinite horizon.

    Raises:
        ModelError: anything else.
    """
    if value is None:
        return None
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not 1 <= value <= MOST_DECISIONS:
        most = f"at most {MOST_DECISIONS}"
        raise ModelError(f"horizon is {value!r}; expected a positive number of decisions, {most}, or None")
    return int(value)


def start_of(start: Any, n: int) -> FloatArray:
    """A start as a distribution ``(n,)``; it may be the number of a state.

    Raises:
        ModelError: no such state.
    """
    if not isinstance(start, int | np.integer):
        return real_array("start", start)
    if not 0 <= int(start) < n:
        raise ModelError(f"start state is {start}; expected 0 to {n - 1}")
    one = np.zeros(n)
    one[int(start)] = 1.0
    return one


def names_of(kind: str, value: Any) -> tuple[str, ...] | None:
    """Labels as a tuple of strings.

    Raises:
        ModelError: not a sequence of strings.
    """
    if value is None:
        return None
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ModelError(f"{kind} are {value!r}; expected a sequence of strings")
    names = tuple(value)
    for name in names:
        if not isinstance(name, str):
            raise ModelError(f"{kind} hold {name!r}; expected strings")
    return names


def validate(m: MOMDP) -> None:
    """Raise :class:`~morl.spec.ModelError` at the first thing that does not add up."""
    if m.row_ptr.ndim != 1 or len(m.row_ptr) < 2 or m.row_ptr[0] != 0 or np.any(m.row_ptr[1:] < m.row_ptr[:-1]):
        raise ModelError("row_ptr must start at 0 and never decrease, one entry per state and one more")
    n, rows = m.n_states, m.n_rows
    if m.transitions.shape != (rows, n):
        raise ModelError(f"transitions have shape {m.transitions.shape}; row_ptr promises {(rows, n)}")
    if m.rewards.ndim != 2 or m.rewards.shape[0] != rows or m.rewards.shape[1] < 1:
        raise ModelError(f"rewards have shape {m.rewards.shape}; expected ({rows}, K) with K >= 1")
    if m.state_names is not None and len(m.state_names) != n:
        raise ModelError(f"{len(m.state_names)} state names for {n} states")
    if m.action_names is not None and len(m.action_names) < int(m.n_actions.max()):
        raise ModelError(f"{len(m.action_names)} action names; expected one for each of {m.n_actions.max()} actions")
    _validate_probabilities(m)
    _validate_rewards(m)
    if m.start.shape != (n,):
        raise ModelError(f"start has shape {m.start.shape}; expected ({n},), a distribution over states")
    if not np.all(m.start >= 0) or abs(float(m.start.sum()) - 1.0) > 1e-9:
        raise ModelError(f"start has minimum {m.start.min():.6g} and sum {m.start.sum():.12g}; expected >= 0 and 1")


def _where(m: MOMDP, row: int) -> str:
    s = int(np.searchsorted(m.row_ptr, row, side="right") - 1)
    return f"state {m.label(s)}, action {row - int(m.row_ptr[s])}"


def _validate_probabilities(m: MOMDP) -> None:
    data, indptr = m.transitions.data, m.transitions.indptr
    bad = ~(data >= 0)  # negative or NaN
    if bad.any():
        i = int(np.argmax(bad))
        row = int(np.searchsorted(indptr, i, side="right") - 1)
        state = m.transitions.indices[i]
        raise ModelError(f"{_where(m, row)}: probability {data[i]} of state {state}; expected >= 0")
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.asarray(m.transitions.sum(axis=1)).ravel()
        off = ~(np.abs(sums - 1.0) <= SUM_TOLERANCE * max(1.0, math.sqrt(data.size / max(m.n_rows, 1))))
    if off.any():
        row = int(np.argmax(off))
        raise ModelError(f"{_where(m, row)}: probabilities sum to {sums[row]:.12g}; expected 1")


def _validate_rewards(m: MOMDP) -> None:
    broken = ~(np.abs(m.rewards) <= MOST_REWARD)
    if broken.any():
        row, i = (int(x) for x in np.argwhere(broken)[0])
        raise ModelError(
            f"{_where(m, row)}: reward of objective {i} is {m.rewards[row, i]}; expected a finite number, at most "
            f"{MOST_REWARD:g}"
        )
    if m.outcome_rewards is None:
        return
    nnz = m.transitions.data.size
    if m.outcome_rewards.shape != (nnz, m.k):
        raise ModelError(f"outcome_rewards have shape {m.outcome_rewards.shape}; expected {(nnz, m.k)}")
    with np.errstate(over="ignore", invalid="ignore"):
        expected = expected_rewards(m.transitions, m.outcome_rewards)
        same = np.allclose(expected, m.rewards, rtol=1e-9, atol=1e-9)
    if not same or not np.all(np.abs(m.outcome_rewards) <= MOST_REWARD):
        raise ModelError("rewards are not the expectation of outcome_rewards")


def expected_rewards(matrix: sparse.csr_array, outcome: FloatArray) -> FloatArray:
    """Expected reward ``(rows, K)`` of each row from the rewards ``(nnz, K)`` of its outcomes."""
    weights = sparse.csr_array(
        (matrix.data, np.arange(len(matrix.data)), matrix.indptr), shape=(matrix.shape[0], len(matrix.data))
    )
    return np.asarray(weights @ outcome)
