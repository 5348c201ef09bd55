"""Confidence intervals of learned fronts, and the points that lie above the exact front by more than theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from morl.pareto.convexity import distance_beyond_hull
from morl.spec import FloatArray, FrontError

if TYPE_CHECKING:
    from morl.pareto.front import Front


def half_widths(front: Front, confidence: float = 0.95, simultaneous: bool = False) -> FloatArray:
    """Half-width of the confidence interval of each coordinate, in the unit of the returns.

    Student's t with the episodes behind each point; zero for points computed exactly (0 episodes) and where
    the front carries no covariance.

    Args:
        confidence: the level, in (0, 1).
        simultaneous: widen (Bonferroni) so that all coordinates of all points hold together at that level.

    Returns:
        ``(n, K)``.

    Raises:
        FrontError: a level outside (0, 1).

    >>> from morl.pareto import Front
    >>> f = Front([[1.0]], covariance=[[[0.04]]], episodes=[10_000])
    >>> half_widths(f).round(3).tolist()
    [[0.392]]
    """
    if not 0.0 < confidence < 1.0:
        raise FrontError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    if front.covariance is None or len(front) == 0:
        return np.zeros((len(front), front.k))
    tests = front.points.size if simultaneous else 1
    freedom = np.full(len(front), np.inf) if front.episodes is None else np.maximum(front.episodes - 1.0, 1.0)
    width = np.asarray(stdtrit(freedom, 1.0 - (1.0 - confidence) / (2.0 * tests)))
    return width[..., None] * standard_errors(front)


def standard_errors(front: Front) -> FloatArray:
    """Standard error of each mean, ``(n, K)``: zero for points computed exactly, and where none is known.

    >>> from morl.pareto import Front
    >>> standard_errors(Front([[1.0]], covariance=[[[0.04]]], episodes=[9])).tolist()
    [[0.2]]
    """
    if front.covariance is None or len(front) == 0:
        return np.zeros((len(front), front.k))
    errors = np.sqrt(np.maximum(np.diagonal(front.covariance, axis1=1, axis2=2), 0.0))
    exact = np.zeros(len(front), dtype=bool) if front.episodes is None else front.episodes == 0
    return np.where(exact[:, None], 0.0, errors)


@dataclass(frozen=True)
class Excess:
    """A point above the exact front by more than its confidence interval allows.

    Args:
        index: which point of the learned front.
        point: ``(K,)`` its returns.
        amount: how far it lies beyond everything possible, as a share of the normalising range, after its interval
            (and the exact front's own ε) was subtracted.
        against: ``"hull"`` where it beats every mixture of the exact front, ``"points"`` where it beats only the
            points of the same policy class.
    """

    index: int
    point: FloatArray
    amount: float
    against: str


def excesses(front: Front, reference: Front, span: FloatArray, confidence: float = 0.999) -> list[Excess]:
    """Points of a learned front that lie above the exact front by more than their confidence interval.

    No policy, of any class, has an expected return beyond the mixtures of a complete front, so a point beyond
    their hull is an error of evaluation, of discounting or of the model. Where both fronts name the same
    deterministic policy class, a point above every single point of the exact front is one too.

    Args:
        span: ``(K,)`` range of each objective; a millionth of it passes as rounding.
        confidence: level of the intervals, holding for all points of the front together.
    """
    if len(front) == 0 or len(reference) == 0:
        return []
    slack = half_widths(front, confidence, simultaneous=True) + 1e-6 * span
    if reference.epsilon is not None and np.isfinite(reference.epsilon):
        slack = slack + reference.epsilon
    reach = front.points - slack
    covered = np.all(reference.points[None] >= reach[:, None], axis=2)
    free = np.flatnonzero(~np.any(covered, axis=1))
    if not len(free):
        return []
    beyond = distance_beyond_hull(reference.points / span, reach[free] / span)
    strict = _same_deterministic_class(front, reference)
    found: list[Excess] = []
    for i, amount in zip(free.tolist(), beyond.tolist(), strict=True):
        if amount > 1e-9:
            found.append(Excess(i, front.points[i], amount, "hull"))
        elif strict:
            apart = float(((reach[i] - reference.points) / span).max(axis=1).min())
            found.append(Excess(i, front.points[i], apart, "points"))
    return found


def _same_deterministic_class(front: Front, reference: Front) -> bool:
    mine, theirs = (str(f.provenance.get("policy_class", "")) for f in (front, reference))
    return mine == theirs and "deterministic" in mine
