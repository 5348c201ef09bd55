"""Utilities that look at the objectives as a distribution: worst case, quantile and CVaR."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from morl.spec import FloatArray, SpecError
from morl.utility.base import Utility, Vector, as_text, check_simplex

_TIE = 1e-12
"""Cumulative weights are compared up to this much, so that two weights of 1/3 reach a quantile of 2/3."""


@dataclass(frozen=True)
class WorstCase(Utility):
    """The worst objective, ``min_i f_i`` (egalitarian, max-min).

    >>> float(WorstCase()([3.0, 1.0, 2.0]))
    1.0
    """

    @property
    def name(self) -> str:
        return "worst"

    @property
    def concave(self) -> bool:
        return True

    def _value(self, f: FloatArray) -> FloatArray:
        return np.asarray(np.min(f, axis=-1))


class _AcrossObjectives(Utility):
    """Objectives seen as a random draw with probabilities p; equal ones where p is ``None``."""

    p: Vector | None

    def _check(self, name: str) -> None:
        level = getattr(self, name)
        if not (isinstance(level, int | float) and 0.0 <= level <= 1.0):
            raise SpecError(f"{name} is {level!r}; expected a number in [0, 1]")
        object.__setattr__(self, name, float(level))
        if self.p is not None:
            check_simplex(self, "p")

    @property
    def k(self) -> int | None:
        return None if self.p is None else len(self.p)

    def probabilities(self, k: int) -> FloatArray:
        """Objective weights p, ``(K,)``."""
        return np.full(k, 1.0 / k) if self.p is None else np.array(self.p)

    def _sorted(self, f: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns in ascending order, objectives of weight 0 left out, and their weights in the same order."""
        p = self.probabilities(f.shape[-1])
        f, p = f[..., p > 0], p[p > 0]
        order = np.argsort(f, axis=-1, kind="stable")
        return np.take_along_axis(f, order, axis=-1), p[order]


@dataclass(frozen=True)
class QuantileAcross(_AcrossObjectives):
    """Lower quantile across objectives, ``Q_q(f) = min{z : Σ p_i 1[f_i <= z] >= q}``; q = 0 is the minimum.

    Args:
        q: level in [0, 1].
        p: ``(K,)`` objective weights on the simplex; equal by default. An objective of weight 0 is ignored.

    Concave only where it is the minimum: where q is at most the smallest positive weight.

    >>> float(QuantileAcross(0.5)([3.0, 1.0, 2.0]))
    2.0
    """

    q: float
    p: Vector | None = None

    def __post_init__(self) -> None:
        self._check("q")
        super().__post_init__()

    @property
    def name(self) -> str:
        return f"quantile:{as_text((self.q,))}" + ("" if self.p is None else f";p={as_text(self.p)}")

    @property
    def concave(self) -> bool:
        """True where the quantile is known to be the minimum; with equal weights of unknown number, only at q = 0."""
        if self.p is None:
            count = None if self.scale is None else len(self.scale[0])
            return self.q == 0.0 or (count is not None and self.q <= 1.0 / count + _TIE)
        positive = [x for x in self.p if x > 0]
        return len(positive) == 1 or self.q <= min(positive) + _TIE

    def _value(self, f: FloatArray) -> FloatArray:
        ordered, p = self._sorted(f)
        reached = np.cumsum(p, axis=-1) >= self.q - _TIE
        first = np.argmax(reached, axis=-1)[..., None]
        return np.asarray(np.take_along_axis(ordered, first, axis=-1)[..., 0])


@dataclass(frozen=True)
class CVaRAcross(_AcrossObjectives):
    """Mean of the worst share α across objectives, ``max_z z − (1/α) Σ p_i (z − f_i)₊`` (Rockafellar & Uryasev, 2000).

    α → 0 is the worst case (taken at α = 0), α = 1 is the weighted mean: a dial from max-min to linear.

    Args:
        alpha: the share α, in [0, 1].
        p: ``(K,)`` objective weights on the simplex; equal by default. An objective of weight 0 is ignored.

    >>> float(CVaRAcross(0.5, p=(0.25, 0.25, 0.5))([1.0, 3.0, 9.0]))
    2.0
    """

    alpha: float
    p: Vector | None = None

    def __post_init__(self) -> None:
        self._check("alpha")
        super().__post_init__()

    @property
    def name(self) -> str:
        return f"cvar:{as_text((self.alpha,))}" + ("" if self.p is None else f";p={as_text(self.p)}")

    @property
    def concave(self) -> bool:
        return True

    def _value(self, f: FloatArray) -> FloatArray:
        ordered, p = self._sorted(f)
        if self.alpha == 0.0:
            return np.asarray(ordered[..., 0])
        before = np.cumsum(p, axis=-1) - p
        share = np.clip(self.alpha - before, 0.0, p)
        # divided by its own sum, which is α up to rounding: equal returns give exactly that return
        return np.asarray(np.sum(share * ordered, axis=-1) / np.sum(share, axis=-1))
