"""The market of Portfolio-v0, and what is known of portfolios in it: the Markowitz–Merton theory of mean and variance.

Sources: Markowitz (1952), Merton (1972).
"""

from __future__ import annotations

import numpy as np

from morl.spec import EnvError, FloatArray

DRIFT = np.array([0.04, 0.06, 0.10])
VOLATILITY = np.array([0.06, 0.12, 0.20])
CORRELATION = np.array([[1.0, 0.3, 0.2], [0.3, 1.0, 0.5], [0.2, 0.5, 1.0]])
COVARIANCE = np.outer(VOLATILITY, VOLATILITY) * CORRELATION
MONTHS = 24


def monthly_mean(drift: FloatArray = DRIFT) -> FloatArray:
    """Expected simple return of a month in %: 100·(exp(μ/12) − 1), ``(3,)``."""
    return np.asarray(100.0 * np.expm1(drift / 12.0))


def minimum_variance(covariance: FloatArray = COVARIANCE) -> FloatArray:
    """Weights of the global minimum-variance portfolio, short sales allowed: Σ⁻¹1 / (1'Σ⁻¹1).

    >>> w = minimum_variance()
    >>> round(float(w @ DRIFT), 5), round(float(w @ COVARIANCE @ w), 6)
    (0.04216, 0.003448)
    """
    _check_covariance(covariance)
    solved = np.linalg.solve(covariance, np.ones(len(covariance)))
    return np.asarray(solved / solved.sum())


def frontier(mean: float, drift: FloatArray = DRIFT, covariance: FloatArray = COVARIANCE) -> FloatArray:
    """Weights of least variance for a yearly mean, short sales allowed (Merton 1972), ``(assets,)``."""
    _check_covariance(covariance)
    ones = np.ones(len(drift))
    inverse = np.linalg.inv(covariance)
    a, b, c = ones @ inverse @ ones, ones @ inverse @ drift, drift @ inverse @ drift
    one, two = (c - b * mean) / (a * c - b * b), (a * mean - b) / (a * c - b * b)
    return np.asarray(inverse @ (one * ones + two * drift))


def _check_covariance(covariance: FloatArray) -> None:
    values = np.linalg.eigvalsh(np.asarray(covariance, float))
    if not values[0] > 1e-12 * max(values[-1], 1e-300):
        raise EnvError(f"covariance has the eigenvalue {values[0]:.3g}; expected a positive definite matrix")


def best_constant(weight: float, mean: FloatArray, covariance: FloatArray) -> FloatArray:
    """The long-only portfolio that maximises w·mean·x − (1 − w)·½ x'Σx·100, exactly, ``(assets,)``.

    With few assets every set of held assets can be tried: within each the optimum is linear algebra, and the best
    feasible one is the answer (the problem is concave, so its optimum is the optimum of its own support).

    Args:
        weight: w in [0, 1] of the return.
        mean: expected return in % per period.
        covariance: per period.
    """
    n = len(mean)
    best: FloatArray = np.eye(n)[int(np.argmax(mean))]
    best_value = -np.inf
    for mask in range(1, 1 << n):
        held = [i for i in range(n) if mask >> i & 1]
        k = len(held)
        system = np.zeros((k + 1, k + 1))
        system[:k, :k] = (1.0 - weight) * 100.0 * covariance[np.ix_(held, held)]
        system[:k, k] = system[k, :k] = 1.0
        right = np.append(weight * mean[held], 1.0)
        if abs(np.linalg.det(system)) < 1e-300:
            continue
        part = np.linalg.solve(system, right)[:k]
        if (part < -1e-12).any():
            continue
        x = np.zeros(n)
        x[held] = np.maximum(part, 0.0)
        x /= x.sum()
        value = float(weight * (mean @ x) - (1.0 - weight) * 50.0 * (x @ covariance @ x))
        if value > best_value + 1e-15:
            best, best_value = x, value
    return best
