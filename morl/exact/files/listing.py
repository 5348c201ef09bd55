"""From transitions as files list them, one after the other, to a :class:`~morl.momdp.MOMDP`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from morl.momdp import MOMDP
from morl.momdp_validation import expected_rewards
from morl.spec import FloatArray, IntArray, ModelError, Objective

Start = int | ArrayLike | None
"""A state number, a distribution over states, or what the file says."""

_UNMENTIONED = 1_000_000
"""States that no line mentions may be this many: more are a wrong number, not a model."""


@dataclass(frozen=True)
class Listing:
    """Transitions in any order.

    Args:
        n: number of states.
        row_state: ``(rows,)`` the state of each choice, in ascending order.
        row: ``(m,)`` the choice of each transition.
        target: ``(m,)`` its successor.
        probability: ``(m,)``.
    """

    n: int
    row_state: IntArray
    row: IntArray
    target: IntArray
    probability: FloatArray


def check_size(where: str, n: int, mentioned: int) -> None:
    """Refuse a number of states that would only fill the memory.

    Raises:
        ModelError: more states than the file can be about.
    """
    if n < 1:
        raise ModelError(f"{where}: {n} states; expected at least one")
    if n > mentioned + _UNMENTIONED:
        raise ModelError(f"{where}: {n} states, but the file mentions at most {mentioned}; is it cut short?")


def build(
    where: str,
    listing: Listing,
    state_rewards: FloatArray,
    rewards: FloatArray,
    names: Sequence[str],
    *,
    discount: float,
    start: Start,
    initial: Sequence[int],
    minimise: Iterable[str],
) -> MOMDP:
    """The model.

    A state without choices is terminal. Where it has a reward it gets a step back to itself instead, as PRISM and
    Storm give one to every deadlock.

    Args:
        state_rewards: ``(n, K)`` reward of every step that leaves a state.
        rewards: ``(m, K)`` reward of each transition besides.
        start: in place of ``initial``, the initial states of the file.

    Raises:
        ModelError: several initial states or none, unknown names in ``minimise``, probabilities that do not sum to 1.
    """
    try:
        begin = _start(listing.n, start, initial)
        listing, rewards = _without_deadlocks(listing, state_rewards, rewards)
        order = np.lexsort((listing.target, listing.row))
        row, target, p = listing.row[order], listing.target[order], listing.probability[order]
        rewards = rewards[order] + state_rewards[listing.row_state[row]]
        used = p != 0.0
        row, target, p, rewards = row[used], target[used], p[used], rewards[used]
        indptr = np.searchsorted(row, np.arange(len(listing.row_state) + 1))
        matrix = sparse.csr_array((p, target, indptr), shape=(len(listing.row_state), listing.n))
        matrix = _exact_rows(matrix)
        expected, varies = _expected(matrix, row, rewards)
        counts = np.bincount(listing.row_state, minlength=listing.n)
        return MOMDP(
            matrix,
            expected,
            np.concatenate([[0], np.cumsum(counts)]),
            discount,
            begin,
            objectives=tuple(Objective(name) for name in names),
            outcome_rewards=rewards if varies else None,
        ).minimised(minimise)
    except ModelError as error:
        raise ModelError(f"{where}: {error}") from None


def _expected(matrix: sparse.csr_array, row: IntArray, rewards: FloatArray) -> tuple[FloatArray, bool]:
    """Expected rewards of the rows, exact where all outcomes of a row are worth the same; and whether any differ."""
    with np.errstate(over="ignore", invalid="ignore"):
        expected = expected_rewards(matrix, rewards)
    first = matrix.indptr[:-1]
    if not len(row) or (np.diff(matrix.indptr) == 0).any():
        return expected, False  # a choice without outcomes, which the model refuses
    same = np.logical_and.reduceat(np.all(rewards == rewards[first][row], axis=1), first)
    return np.where(same[:, None], rewards[first], expected), not same.all()


def _start(n: int, start: Start, initial: Sequence[int]) -> FloatArray:
    one = np.zeros(n)
    if start is None:
        if len(initial) != 1:
            some = ", ".join(str(s) for s in initial[:5]) + (", …" if len(initial) > 5 else "")
            raise ModelError(
                f"{len(initial)} initial states{f' ({some})' if some else ''}; expected one, labelled init "
                "(the format says nothing of their probabilities; in Python give start=, a state or a distribution)"
            )
        start = initial[0]
    if not isinstance(start, int | np.integer):
        return np.asarray(start)
    if not 0 <= start < n:
        raise ModelError(f"start state is {start}; expected 0 to {n - 1}")
    one[start] = 1.0
    return one


def _without_deadlocks(listing: Listing, state_rewards: FloatArray, rewards: FloatArray) -> tuple[Listing, FloatArray]:
    stuck = np.ones(listing.n, dtype=bool)
    stuck[listing.row_state] = False
    stuck &= np.any(state_rewards != 0.0, axis=1)
    states = np.flatnonzero(stuck)
    if not len(states):
        return listing, rewards
    row_state = np.concatenate([listing.row_state, states])
    order = np.argsort(row_state, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    fresh = np.arange(len(listing.row_state), len(row_state))
    changed = replace(
        listing,
        row_state=row_state[order],
        row=place[np.concatenate([listing.row, fresh])],
        target=np.concatenate([listing.target, states]),
        probability=np.concatenate([listing.probability, np.ones(len(states))]),
    )
    return changed, np.vstack([rewards, np.zeros((len(states), rewards.shape[1]))])


def _exact_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Rows that sum to 1 up to the digits written in a file are scaled to sum to 1 exactly."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    close = np.abs(sums - 1.0) < 1e-5
    factor = np.where(close, 1.0 / np.where(close, sums, 1.0), 1.0)
    scaled = matrix.data * np.repeat(factor, np.diff(matrix.indptr))
    return sparse.csr_array((scaled, matrix.indices, matrix.indptr), shape=matrix.shape)
