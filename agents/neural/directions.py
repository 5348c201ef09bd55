"""Two directions that follow exactly from the inner products of K gradients; no torch.

TorchJD has both, but finds MGDA's by Frank-Wolfe steps, which take 80 ms for five gradients until no objective loses
more than a thousandth, and Nash's by a sequence of convex programs that begins where the last update left off, which no
checkpoint holds.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from morl.spec import FloatArray


def mgda(gramian: FloatArray) -> FloatArray:
    """Weights ``(K,)`` on the simplex of the shortest convex combination of K gradients (Désidéri 2012).

    Least squares with α ≥ 0 of (A, s)α = (0, s), where G = AᵀA: along α = tβ with β on the simplex the least value is
    s²q/(q + s²), which grows with q = ‖Aβ‖², so that for any s > 0 the best β has the least norm.

    Args:
        gramian: G ``(K, K)``, inner products of the gradients.

    >>> mgda(np.diag([1.0, 3.0])).round(6).tolist(), mgda(np.array([[1.0, 2.0], [2.0, 9.0]])).round(6).tolist()
    ([0.75, 0.25], [1.0, 0.0])
    """
    k = len(gramian)
    size = float(np.trace(gramian)) / k
    if size <= 0:
        return np.full(k, 1.0 / k)
    values, vectors = np.linalg.eigh(np.asarray(gramian, dtype=np.float64) / size)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    alpha, _ = nnls(np.vstack([root, np.ones(k)]), np.append(np.zeros(k), 1.0))
    return np.asarray(alpha / alpha.sum())


def nash(gramian: FloatArray, tolerance: float = 1e-10) -> FloatArray:
    """Weights ``(K,)`` of the Nash bargaining solution: Gα = 1/α (Navon et al. 2022), all positive.

    They minimise ½ αᵀGα − Σ log α, by Newton's method with steps that stay positive, on gradients of unit length: the
    solution does not depend on the units of objectives. Where one is a negative combination of others there is none;
    a 1e-6th is added to the diagonal. A gradient of zero gets no weight.

    Args:
        gramian: G ``(K, K)``, inner products of the gradients.
        tolerance: of the decrement, where the method stops.

    >>> nash(np.diag([4.0, 0.25])).round(5).tolist()
    [0.5, 2.0]
    """
    size = np.sqrt(np.diag(gramian))
    pulls = np.flatnonzero(size > 0)
    weights = np.zeros(len(gramian))
    if not len(pulls):
        return weights
    size = size[pulls]
    g = gramian[np.ix_(pulls, pulls)] / np.outer(size, size) + 1e-6 * np.eye(len(pulls))
    alpha = np.ones(len(pulls))
    for _ in range(100):
        slope = g @ alpha - 1.0 / alpha
        step = np.linalg.solve(g + np.diag(alpha**-2.0), slope)
        decrement = float(np.sqrt(max(slope @ step, 0.0)))
        # The function is self-concordant: a damped step stays inside and always gains.
        alpha = alpha - step / (1.0 + decrement)
        if decrement <= tolerance:
            break
    weights[pulls] = alpha / size
    return weights
