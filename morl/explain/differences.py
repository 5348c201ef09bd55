"""Reward-difference explanations: what one action gains and gives up against another, objective by objective.

Juozapaitis et al. (2019), "Explainable reinforcement learning via reward decomposition". With the value vectors of two
actions a and b and weights w, the reward difference explanation is ::

    Δ_k = w_k (Q_k(s, a) − Q_k(s, b)),        Σ_k Δ_k = w·Q(s, a) − w·Q(s, b)

and its minimal sufficient explanation names as few objectives as settle the choice: the smallest set of advantages
that outweighs all disadvantages together, and the smallest set of disadvantages that makes that whole set necessary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import BoolArray, FloatArray, SpecError


@dataclass(frozen=True)
class Explanation:
    """Why an action is preferred to another.

    Args:
        action, other: their numbers.
        objectives: K names.
        gains: Δ ``(K,)``, weighted: what the action gains on each objective (negative: gives up).
        returns: ``(2, K)`` expected returns after the action and after the other, unweighted.
        advantages: objectives of the smallest set that outweighs all disadvantages together.
        disadvantages: objectives of the smallest set that makes each of those necessary.
    """

    action: int
    other: int
    objectives: tuple[str, ...]
    gains: FloatArray
    returns: FloatArray
    advantages: tuple[str, ...]
    disadvantages: tuple[str, ...]

    @property
    def total(self) -> float:
        """Utility that the action is better by: the sum of the gains."""
        return float(self.gains.sum())


def explain(
    values: ArrayLike,
    weights: ArrayLike,
    action: int | None = None,
    other: int | None = None,
    objectives: Sequence[str] | None = None,
) -> Explanation:
    """Compare two actions by their values.

    Args:
        values: ``(A, K)`` expected returns after each action; NaN where an action does not exist.
        weights: ``(K,)`` of the objectives.
        action: the one to explain; the best by default.
        other: the one to compare it with; the best of the others by default.
        objectives: K names.

    Raises:
        SpecError: shapes do not agree, fewer than two actions, or no such action.

    >>> explained = explain([[4.0, -3.0], [1.0, -1.0]], [1.0, 1.0], objectives=["treasure", "time"])
    >>> explained.action, explained.gains, explained.advantages
    (0, array([ 3., -2.]), ('treasure',))
    """
    q, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if q.ndim != 2 or w.shape != (q.shape[1],):
        raise SpecError(f"values have shape {q.shape} and weights {w.shape}; expected (A, K) and (K,)")
    names = tuple(objectives) if objectives is not None else tuple(f"r{k}" for k in range(q.shape[1]))
    if len(names) != q.shape[1]:
        raise SpecError(f"{len(names)} objectives are named but values have {q.shape[1]} columns")
    exists = np.asarray(~np.isnan(q).any(axis=1))
    if exists.sum() < 2:
        raise SpecError(f"{int(exists.sum())} action has a value; an explanation compares two")
    utility = np.where(exists, np.nan_to_num(q) @ w, -np.inf)
    first = _action(action, exists, "action") if action is not None else int(utility.argmax())
    rest = np.where(np.arange(len(q)) == first, -np.inf, utility)
    second = _action(other, exists, "other") if other is not None else int(rest.argmax())
    if first == second:
        raise SpecError(f"action {first} is compared with itself; name another one")
    gains = w * (q[first] - q[second])
    positive = minimal_positive(gains)
    negative = minimal_negative(gains, positive)
    return Explanation(
        first,
        second,
        names,
        gains,
        q[[first, second]],
        tuple(names[k] for k in positive),
        tuple(names[k] for k in negative),
    )


def minimal_positive(gains: ArrayLike) -> tuple[int, ...]:
    """The smallest set of advantages whose sum exceeds that of all disadvantages, the largest first.

    Of sets of one size the one with the largest sum is taken, so that taking advantages by size until they suffice
    finds a minimal set. Where the action is not the better one no set suffices: the answer is empty.

    >>> minimal_positive([3.0, 1.0, -2.0])
    (0,)
    """
    d = np.asarray(gains, dtype=np.float64)
    order = [int(k) for k in np.argsort(-d, kind="stable") if d[k] > 0]
    need, have = float(-d[d < 0].sum()), 0.0
    for taken, k in enumerate(order, start=1):
        have += float(d[k])
        if have > need:
            return tuple(order[:taken])
    return ()


def minimal_negative(gains: ArrayLike, positive: Sequence[int]) -> tuple[int, ...]:
    """The smallest set of disadvantages that would win, were the smallest advantage of ``positive`` missing.

    With v = Σ_{k∈MSX⁺} Δ_k − min_{k∈MSX⁺} Δ_k it is the smallest set whose sum exceeds v: a reason for each of the
    advantages named. Empty where all disadvantages together do not (one advantage too many is then not needed).

    >>> minimal_negative([3.0, 1.0, -2.0], (0,))
    (2,)
    """
    d = np.asarray(gains, dtype=np.float64)
    if not positive:
        return ()
    chosen = d[list(positive)]
    need, have = float(chosen.sum() - chosen.min()), 0.0
    order = [int(k) for k in np.argsort(d, kind="stable") if d[k] < 0]
    for taken, k in enumerate(order, start=1):
        have -= float(d[k])
        if have > need:
            return tuple(order[:taken])
    return ()


def _action(number: int, exists: BoolArray, what: str) -> int:
    if not 0 <= number < len(exists) or not exists[number]:
        there = ", ".join(str(a) for a in np.flatnonzero(exists))
        raise SpecError(f"{what} is {number}; expected one of {there}")
    return int(number)
