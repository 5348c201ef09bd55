"""Weights on the simplex: what a preference means, random ones, grids, and corner weights chosen by linear support.

A preference weighs the objectives on their return scale: with weights w and a ``return_scale`` of ``(low, high)``,
what is maximised is ``Σ w_k J_k / (high_k − low_k)``. Where the environment states no return scale, or where
``raw=True`` is said, it is ``Σ w_k J_k``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from morl.pareto.weights import corner_weights, das_dennis
from morl.spec import AgentError, FloatArray, MOSpec, UnknownNameError, check_weights


def sample_simplex(n: int, k: int, rng: np.random.Generator, concentration: float = 1.0) -> FloatArray:
    """``n`` weights ``(n, k)`` over the whole simplex, Dirichlet with one concentration (1 is uniform)."""
    if concentration <= 0:
        raise AgentError(f"concentration is {concentration}; expected a positive number")
    draws = rng.standard_gamma(concentration, size=(n, k))
    totals = draws.sum(axis=1, keepdims=True)
    lost = totals[:, 0] <= 0  # tiny concentrations underflow: all mass then sits on one objective
    if lost.any():
        draws[lost] = np.eye(k)[rng.integers(k, size=int(lost.sum()))]
        totals = draws.sum(axis=1, keepdims=True)
    return np.asarray(draws / totals)


def simplex_grid(k: int, n: int) -> FloatArray:
    """About ``n`` evenly spread weights: the finest lattice of at most ``n``, corners included.

    For fewer than ``k`` weights the corners do not fit: the middle of the simplex comes first, then corners.

    >>> len(simplex_grid(3, 10)), simplex_grid(2, 1).tolist()
    (10, [[0.5, 0.5]])
    """
    if n < 1:
        raise AgentError(f"number of weights is {n}; expected at least 1")
    if n < k:
        return np.concatenate([np.full((1, k), 1.0 / k), np.eye(k)])[:n]
    return das_dennis(k, number=n)


def training_grid(weights: Any, n: int, spec: MOSpec, scaled: bool) -> FloatArray:
    """Raw weights ``(m, K)`` to learn for: the ones given, or about ``n`` evenly spread over the simplex.

    Args:
        weights: explicit weights ``(m, K)``, or ``None``.
        scaled: both are of objectives on their return scale, as a preference is.
    """
    if weights is not None:
        return raw_weights(weights, spec, raw=not scaled)
    return raw_weights(simplex_grid(spec.k, n), spec, raw=not scaled)


def to_raw(weights: FloatArray, scale: FloatArray) -> FloatArray:
    """Weights for normalised objectives ``J / scale``, as weights ``(..., K)`` for raw returns.

    >>> to_raw(np.array([0.5, 0.5]), np.array([1.0, 3.0])).tolist()
    [0.75, 0.25]
    """
    raw = np.asarray(weights, dtype=np.float64) / np.asarray(scale, dtype=np.float64)
    return np.asarray(raw / raw.sum(axis=-1, keepdims=True))


def to_scaled(weights: FloatArray, scale: FloatArray) -> FloatArray:
    """The inverse of :func:`to_raw`.

    >>> to_scaled(np.array([0.75, 0.25]), np.array([1.0, 3.0])).tolist()
    [0.5, 0.5]
    """
    scaled = np.asarray(weights, dtype=np.float64) * np.asarray(scale, dtype=np.float64)
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def return_range(spec: MOSpec) -> FloatArray | None:
    """Size of each objective's return ``(K,)`` where the environment states it."""
    if spec.return_scale is None:
        return None
    span = np.asarray(spec.return_scale[1], dtype=np.float64) - np.asarray(spec.return_scale[0], dtype=np.float64)
    return span if np.all(np.isfinite(span) & (span > 0)) else None


def reported_weights(n: int, spec: MOSpec) -> FloatArray:
    """About ``n`` weights ``(m, K)`` whose policies go on a front: grids over raw and over scaled objectives."""
    span = return_range(spec)
    grid = simplex_grid(spec.k, n if span is None else max(1, n // 2))
    if span is None:
        return grid
    return with_scaled(grid, span)


def with_scaled(grid: FloatArray, scale: FloatArray) -> FloatArray:
    """A grid of weights ``(n, K)`` of raw returns, and the same of ``J / scale`` as raw weights; each weight once."""
    both = np.concatenate([grid, to_raw(grid, scale)])
    _, first = np.unique(both.round(9), axis=0, return_index=True)
    return both[np.sort(first)]


def raw_weights(preference: Any, spec: MOSpec, *, raw: bool = False) -> FloatArray:
    """Preferences of a caller as weights ``(m, K)`` of raw returns.

    Args:
        preference: weights ``(K,)`` or ``(m, K)`` on the simplex, a mapping of objective names to weights (objectives
            left out weigh nothing), or a list of mappings.
        spec: names the objectives and their return scale.
        raw: the weights are of raw returns already.

    Raises:
        SpecError: weights off the simplex or of the wrong length.
        UnknownNameError: a name that is no objective.

    >>> spec = MOSpec(("time", "treasure"), return_scale=((0, 0), (1, 3)))
    >>> raw_weights({"treasure": 0.5, "time": 0.5}, spec).tolist()
    [[0.75, 0.25]]
    """
    if isinstance(preference, Mapping):
        preference = [preference]
    rows: list[Any]
    if isinstance(preference, list | tuple) and preference and all(isinstance(x, Mapping) for x in preference):
        rows = [by_name(one, spec) for one in preference]
    else:
        rows = list(np.atleast_2d(np.asarray(preference, dtype=object)))
    weights = np.stack([check_weights(row, spec.k, "preference") for row in rows])
    span = None if raw else return_range(spec)
    return weights if span is None else to_raw(weights, span)


def by_name(weights: Mapping[Any, Any], spec: MOSpec) -> list[Any]:
    """Weights in the order of the objectives; those left out weigh nothing."""
    for name in weights:
        if name not in spec.names:
            raise UnknownNameError("objective", str(name), spec.names)
    return [weights.get(name, 0.0) for name in spec.names]


@dataclass
class LinearSupport:
    """Optimistic linear support (Roijers 2016): which weight to solve next, and how much it could still gain.

    Args:
        k: the number of objectives.
        epsilon: stop when no weight can gain more than this.

    Usage: ``w = ols.next()`` until ``None``; solve ``w``; ``ols.add(w, value)``.
    """

    k: int
    epsilon: float = 1e-6
    weights: list[FloatArray] = field(default_factory=list)
    values: list[FloatArray] = field(default_factory=list)

    def add(self, weight: FloatArray, value: FloatArray) -> None:
        """Say what solving ``weight`` gave: a value vector ``(K,)``."""
        self.weights.append(np.asarray(weight, dtype=np.float64))
        self.values.append(np.asarray(value, dtype=np.float64))

    def candidates(self) -> tuple[FloatArray, FloatArray]:
        """Unsolved corner weights ``(n, K)`` and their largest possible gain ``(n,)``, best first."""
        if not self.values:
            return np.eye(self.k), np.full(self.k, np.inf)
        values = np.array(self.values)
        corners = corner_weights(values)
        solved = np.array(self.weights)
        fresh = np.array([np.abs(solved - w).max(axis=1).min() > 1e-9 for w in corners])
        corners = corners[fresh]
        if not len(corners):
            return np.zeros((0, self.k)), np.zeros(0)
        known = (corners @ values.T).max(axis=1)
        gain = np.array([self._ceiling(w) for w in corners]) - known
        order = np.argsort(-gain, kind="stable")
        return corners[order], gain[order]

    def _ceiling(self, weight: FloatArray) -> float:
        """The most that ``weight`` can earn, given that every solved weight was solved optimally (a linear program)."""
        from scipy.optimize import linprog

        solved, values = np.array(self.weights), np.array(self.values)
        bounds = [(None, None)] * self.k
        result = linprog(-weight, A_ub=solved, b_ub=(solved * values).sum(axis=1), bounds=bounds, method="highs")
        return float(-result.fun) if result.status == 0 else float("inf")

    def next(self) -> FloatArray | None:
        """The weight with the largest possible gain, or ``None`` where none exceeds epsilon."""
        corners, gain = self.candidates()
        if not len(corners) or gain[0] <= self.epsilon:
            return None
        return np.asarray(corners[0])
