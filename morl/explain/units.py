"""Which units of a representation carry which factor of the world, and what it costs to lose one.

Linear probes (Alain & Bengio 2017), partial correlations, and the removal of units: together they tell a factor that is
merely present from one that is used (Eastwood & Williams 2018 call the former informativeness). A unit is a column of
activations, such as the last hidden layer of a network over many observations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from morl.spec import FloatArray, SpecError


@dataclass(frozen=True)
class Probe:
    """Linear read-outs of factors from units.

    Args:
        r2: ``(F,)`` share of each factor's variance that all units together explain, on rows not fitted to (can be
            negative: worse than the mean).
        alone: ``(U, F)`` the same for each unit alone, on the rows fitted to.
        partial: ``(U, F)`` partial correlations: of a unit and a factor, given the other factors.
    """

    r2: FloatArray
    alone: FloatArray
    partial: FloatArray

    def carriers(self, threshold: float = 0.5) -> list[list[int]]:
        """For each factor the units whose partial correlation is at least ``threshold``, the strongest first."""
        size = np.abs(self.partial)
        return [[int(u) for u in np.argsort(-size[:, f], kind="stable") if size[u, f] >= threshold]
                for f in range(size.shape[1])]  # fmt: skip


def probe(units: ArrayLike, factors: ArrayLike, seed: int = 0, ridge: float = 1e-6) -> Probe:
    """Fit linear probes on one half of the rows and judge them on the other.

    Args:
        units: activations ``(n, U)``.
        factors: true factors ``(n, F)``.
        seed: of the split.
        ridge: penalty, relative to the mean variance of the units; units that are the same are then no trouble.

    Raises:
        SpecError: fewer than four rows, other numbers of rows, or values that are not finite.

    >>> rng = np.random.default_rng(0)
    >>> factors = rng.standard_normal((400, 2))
    >>> found = probe(np.column_stack([2 * factors[:, 0], rng.standard_normal(400)]), factors)
    >>> float(found.r2[0].round(2)), bool(found.r2[1] < 0.1), found.carriers()
    (1.0, True, [[0], []])
    """
    x, y = _matrix("units", units), _matrix("factors", factors)
    if len(x) != len(y) or len(x) < 4:
        raise SpecError(f"{len(x)} rows of units and {len(y)} of factors; expected as many, at least four")
    order = np.random.default_rng(seed).permutation(len(x))
    fit, judge = order[: len(x) // 2], order[len(x) // 2 :]
    mean, spread = x[fit].mean(axis=0), y[fit].mean(axis=0)
    a = x[fit] - mean
    gram = a.T @ a
    weights = np.linalg.solve(gram + ridge * (np.trace(gram) / len(gram) + 1e-30) * np.eye(len(gram)),
                              a.T @ (y[fit] - spread))  # fmt: skip
    error = ((y[judge] - spread - (x[judge] - mean) @ weights) ** 2).mean(axis=0)
    variance = y[judge].var(axis=0)
    r2 = 1.0 - np.divide(error, variance, out=np.ones_like(error), where=variance > 0)
    return Probe(r2, _correlations(x, y) ** 2, partial_correlations(x, y))


def partial_correlations(units: ArrayLike, factors: ArrayLike) -> FloatArray:
    """Correlation ``(U, F)`` of each unit with each factor, after the other factors are taken out of both.

    A unit that follows one factor also correlates with every factor that goes along with it; this tells which it
    follows. Where nothing is left to correlate the answer is 0.
    """
    x, y = _matrix("units", units), _matrix("factors", factors)
    out = np.zeros((x.shape[1], y.shape[1]))
    for f in range(y.shape[1]):
        others = np.column_stack([np.ones(len(y)), np.delete(y, f, axis=1)])
        basis, _ = np.linalg.qr(others)
        rest_x, rest_y = x - basis @ (basis.T @ x), y[:, f] - basis @ (basis.T @ y[:, f])
        small = np.linalg.norm(rest_x, axis=0) <= 1e-9 * (np.linalg.norm(x, axis=0) + 1e-300)
        out[:, f] = np.where(small, 0.0, _correlations(rest_x, rest_y[:, None])[:, 0])
    return out


def ablation(returns: Callable[[int | None], ArrayLike], units: int) -> FloatArray:
    """What each unit is worth: how much the returns change when it is held at its mean.

    Args:
        returns: ``returns(unit)`` measures the policy ``(K,)`` without that unit; ``None`` with all of them.
        units: U.

    Returns:
        ``(U, K)`` returns without the unit, minus those with all.
    """
    whole = np.asarray(returns(None), dtype=np.float64)
    return np.array([np.asarray(returns(unit), dtype=np.float64) - whole for unit in range(units)])


def _correlations(x: FloatArray, y: FloatArray) -> FloatArray:
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0))[:, None] * np.sqrt((b**2).sum(axis=0))
    return np.asarray(np.divide(a.T @ b, size, out=np.zeros_like(size), where=size > 1e-300))


def _matrix(name: str, given: ArrayLike) -> FloatArray:
    array = np.asarray(given, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not np.isfinite(array).all():
        raise SpecError(f"{name} have shape {array.shape}; expected finite numbers (rows, columns)")
    return array
