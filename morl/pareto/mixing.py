"""The best mixture of a front's points for a criterion under constraints: linear programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from morl.spec import FloatArray, SpecError
from morl.utility import Lexicographic, Utility
from morl.utility.constraints import Bounds
from morl.utility.programs import Block, best_shares, utility_blocks

if TYPE_CHECKING:
    from morl.pareto.criteria import Criterion


@dataclass(frozen=True)
class Mixed:
    """A mixture of points, one of which is drawn at the start of every episode.

    Args:
        members: positions of the points.
        shares: ``(len(members),)`` their probabilities.
        value: ``(K,)`` expected returns.
        score: value of the criterion; NaN for an order of objectives.
    """

    members: tuple[int, ...]
    shares: FloatArray
    value: FloatArray
    score: float


def best_mixture(wanted: Criterion, bounds: Bounds) -> Mixed | None:
    """The best mixture under ``bounds``; ``None`` where none meets them, or the criterion is no linear program."""
    utility, points = wanted.utility, wanted.front.points
    if not isinstance(utility, Utility):
        return None
    if isinstance(utility, Lexicographic):
        shares = _in_order(points, utility, bounds)
        return None if shares is None else _mixed(points, shares, np.nan)
    try:
        blocks = utility_blocks(utility, points.shape[1])
    except SpecError:  # no linear program
        return None
    found = [best_shares(points, block, bounds, _unit(points)) for block in blocks]
    mixtures = [_mixed(points, one.shares, np.nan) for one in found if one is not None]
    scored = [Mixed(m.members, m.shares, m.value, float(utility(m.value))) for m in mixtures]
    return max(scored, key=lambda m: m.score, default=None)


def _unit(points: FloatArray) -> FloatArray:
    size = np.abs(points).max(axis=0)
    return np.where(size > 0, size, 1.0)


def _in_order(points: FloatArray, utility: Lexicographic, bounds: Bounds) -> FloatArray | None:
    """One objective after the other, each within its slack of its best."""
    k, unit = points.shape[1], _unit(points)
    width = np.ones(k) if utility.scale is None else np.subtract(utility.scale[1], utility.scale[0])
    shares = None
    for number, slack in zip(utility.order, utility.slack or (0.0,) * len(utility.order), strict=True):
        gain = np.eye(k)[number]
        block = Block(gain, np.zeros(0), np.zeros((0, 0)), np.zeros((0, k)), np.zeros(0))
        found = best_shares(points, block, bounds, unit)
        if found is None:
            return shares
        shares = found.shares
        reached = float(gain @ (shares @ points))
        least = reached - slack * width[number] - 1e-9 * unit[number]  # rounding must not close the next program
        bounds = Bounds(np.vstack([bounds.matrix, gain]), np.append(bounds.bound, least), (*bounds.text, ""))
    return shares


def _mixed(points: FloatArray, shares: FloatArray, score: float) -> Mixed:
    used = np.flatnonzero(shares > 1e-9)
    p = shares[used] / shares[used].sum()
    return Mixed(tuple(int(i) for i in used), p, p @ points[used], score)
