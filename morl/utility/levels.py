"""Threshold and lexicographic utilities: levels to be met, and objectives in order of importance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import FloatArray, SpecError
from morl.utility.base import Utility, Vector, as_text, as_vector, check_finite


@dataclass(frozen=True)
class Threshold(Utility):
    """How well thresholds t are met.

    Args:
        thresholds: ``(K,)`` on the utility's scale; ``−inf`` asks nothing of an objective.
        weights: ``(K,)`` importance of each shortfall, 0 or more; 1 by default.
        mode: ``"shortfall"``: ``−Σ w_i (t_i − f_i)₊``, 0 where all are met, concave;
            ``"satisfied"``: 1 where all are met and 0 otherwise, so that its expectation over episodes is the
            probability of success; not concave, and weights are not used.

    >>> Threshold((1.0, -5.0))([[2.0, -7.0], [1.0, -5.0]]).tolist()
    [-2.0, 0.0]
    """

    thresholds: Vector
    weights: Vector | None = None
    mode: str = "shortfall"

    def __post_init__(self) -> None:
        asked = np.array(self.thresholds, dtype=np.float64)
        if asked.ndim != 1 or not asked.size or np.isnan(asked).any() or np.any(asked == math.inf):
            raise SpecError(f"thresholds are {self.thresholds!r}; expected one number per objective, -inf for none")
        object.__setattr__(self, "thresholds", as_vector(asked))
        if self.weights is not None:
            check_finite(self, "weights", asked.size)
            if min(self.weights) < 0:
                raise SpecError(f"weights are {self.weights}; expected no negative number")
        if self.mode not in ("shortfall", "satisfied"):
            raise SpecError(f"mode is {self.mode!r}; expected 'shortfall' or 'satisfied'")
        super().__post_init__()

    @property
    def k(self) -> int:
        return len(self.thresholds)

    @property
    def name(self) -> str:
        weights = "" if self.weights is None else f";weights={as_text(self.weights)}"
        return f"threshold:{as_text(self.thresholds)}{weights};mode={self.mode}"

    @property
    def concave(self) -> bool:
        return self.mode == "shortfall" or not any(map(math.isfinite, self.thresholds))

    def _value(self, f: FloatArray) -> FloatArray:
        asked = np.array(self.thresholds)
        if self.mode == "satisfied":
            return np.asarray(np.all(f >= asked, axis=-1), dtype=np.float64)
        weights = np.ones(self.k) if self.weights is None else np.array(self.weights)
        short = np.maximum(np.where(np.isfinite(asked), asked, f) - f, 0.0)
        return np.asarray(0.0 - np.sum(weights * short, axis=-1))


@dataclass(frozen=True)
class Lexicographic(Utility):
    """One objective before the other: the second counts only among the (nearly) best in the first, and so on.

    No real-valued function represents this order, so it is not callable; :meth:`key` sorts, :meth:`best` picks.

    Args:
        order: objective numbers, most important first; objectives that are not named do not count.
        slack: what may be given up of each named objective for the sake of the next, on the utility's scale.

    >>> Lexicographic((0, 1)).best([[1.0, 9.0], [2.0, 0.0], [2.0, 1.0]])
    2
    >>> Lexicographic((0, 1), slack=(1.0, 0.0)).best([[1.0, 9.0], [2.0, 0.0], [2.0, 1.0]])
    0
    """

    order: tuple[int, ...]
    slack: Vector | None = None

    scalar: ClassVar[bool] = False

    def __post_init__(self) -> None:
        order = tuple(int(i) for i in self.order)
        if not order or len(set(order)) < len(order) or min(order) < 0:
            raise SpecError(f"order is {self.order!r}; expected distinct objective numbers, most important first")
        object.__setattr__(self, "order", order)
        if self.slack is not None:
            check_finite(self, "slack", len(order))
            if min(self.slack) < 0:
                raise SpecError(f"slack is {self.slack}; expected no negative number")
        super().__post_init__()

    @property
    def name(self) -> str:
        slack = "" if self.slack is None else f";slack={as_text(self.slack)}"
        return f"lex:{','.join(map(str, self.order))}{slack}"

    @property
    def concave(self) -> bool:
        return False

    def _value(self, f: FloatArray) -> FloatArray:
        raise SpecError(f"{self.name} is an order, not a number; use best(returns) or key(returns)")

    def key(self, returns: ArrayLike) -> FloatArray:
        """Sort keys ``(..., len(order))``: tuples that compare as the returns do (slack apart, which is no order)."""
        f = self.normalise(returns)
        if max(self.order) >= f.shape[-1]:
            raise SpecError(f"{self.name} names objective {max(self.order)}; returns have {f.shape[-1]}")
        return np.asarray(f[..., list(self.order)])

    def best(self, returns: ArrayLike) -> int:
        """Index of the preferred row of ``(n, K)``: in turn, keep what is within the slack of the best that is left."""
        keys = self.key(returns)
        if keys.ndim != 2 or not len(keys):
            raise SpecError(f"returns have shape {np.shape(returns)}; expected (n, K) with n >= 1")
        left = np.arange(len(keys))
        for j in range(keys.shape[1]):
            slack = 0.0 if self.slack is None else self.slack[j]
            left = left[keys[left, j] >= keys[left, j].max() - slack]
        # what a slack leaves over differs: decide by the last objective, then by the more important ones
        rank = [keys.shape[1] - 1, *range(keys.shape[1] - 1)]
        return int(max(left, key=lambda i: (*keys[i, rank], -i)))
