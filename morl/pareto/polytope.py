"""Sets of weights: the simplex, cut by half-spaces through (or near) the origin; kept by their vertices."""

from __future__ import annotations

import numpy as np

from morl.spec import FloatArray, SpecError

TOLERANCE = 1e-9
"""So far may a weight lie outside a half-space, by rounding."""


class Weights:
    """A polytope in the simplex of K weights, by its vertices and its half-spaces ``rows @ w >= -limits``.

    >>> half = Weights(2).cut(np.array([[1.0, -1.0]]), np.array([0.0]))
    >>> half.vertices.tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """

    def __init__(self, k: int) -> None:
        self.vertices: FloatArray = np.eye(k)
        self.rows: FloatArray = np.eye(k)
        self.limits: FloatArray = np.zeros(k)

    @property
    def centre(self) -> FloatArray:
        """``(K,)`` the mean of the vertices."""
        return np.asarray(self.vertices.mean(axis=0))

    def cut(self, rows: FloatArray, limits: FloatArray) -> Weights | None:
        """What is left within further half-spaces; ``None`` where nothing is."""
        left = self
        for row, limit in zip(rows, limits, strict=True):
            corners = left._within(row, float(limit))
            if not len(corners):
                return None
            part = Weights(self.rows.shape[1])
            part.rows, part.limits = np.vstack([left.rows, row]), np.append(left.limits, limit)
            part._settle(_distinct(corners))
            left = part
        return left

    def _settle(self, corners: FloatArray) -> None:
        """Keep the corners that are vertices, and the half-spaces that some vertex touches: the others say nothing."""
        k = self.rows.shape[1]
        tight = self._tight(corners)
        if len(corners) > k:
            at = np.concatenate([self.rows[None] * tight[:, :, None], np.ones((len(corners), 1, k))], axis=1)
            extreme = np.linalg.matrix_rank(at, tol=1e-7) == k
            if extreme.any():
                corners, tight = corners[extreme], tight[extreme]
        used = tight.any(axis=0)
        self.vertices, self.rows, self.limits = corners, self.rows[used], self.limits[used]

    def _tight(self, corners: FloatArray) -> FloatArray:
        """Which half-spaces ``(v, m)`` hold with equality, up to rounding: 1 or 0."""
        size = np.linalg.norm(self.rows, axis=1)
        return np.asarray(np.abs(corners @ self.rows.T + self.limits) <= 1e-8 * size, dtype=np.float64)

    def is_split_by(self, row: FloatArray, slack: float = 0.0) -> bool:
        """Whether each side of ``row @ w = 0``, widened by the slack, leaves some weights out, beyond rounding."""
        heights = self.vertices @ row
        return bool(heights.max() > slack + 1e-7 and heights.min() < -slack - 1e-7)

    def halves(self, row: FloatArray, slack: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """Vertices of ``row @ w >= -slack`` and of ``row @ w <= slack``."""
        return self._within(row, slack), self._within(-row, slack)

    def _within(self, row: FloatArray, limit: float) -> FloatArray:
        """Vertices of the side ``row @ w >= -limit``: those inside, and where edges cross.

        Two vertices may share an edge where K − 2 half-spaces are tight at both. Where more are tight than are
        needed, a pair without an edge may pass: what it adds lies in the polytope, and changes no maximum (:meth:`cut`
        removes it).
        """
        heights = self.vertices @ row + limit
        inside, outside = heights >= -TOLERANCE, heights < -TOLERANCE
        above = np.flatnonzero(heights > TOLERANCE)
        below = np.flatnonzero(outside)
        if not len(above) or not len(below):
            return self.vertices[inside]
        tight = self._tight(self.vertices)
        first, second = np.nonzero(tight[above] @ tight[below].T >= self.rows.shape[1] - 2)
        i, j = above[first], below[second]
        share = (heights[i] / (heights[i] - heights[j]))[:, None]
        crossing = (1.0 - share) * self.vertices[i] + share * self.vertices[j]
        return np.vstack([self.vertices[inside], crossing])

    @staticmethod
    def most(step: FloatArray, rows: FloatArray, limits: FloatArray) -> tuple[float, FloatArray]:
        """The largest ``step @ w`` over weights with ``rows @ w >= -limits``, and where: a linear program.

        Raises:
            SpecError: no weight fits.
        """
        from scipy.optimize import linprog  # slow to import

        found = linprog(
            -step,
            A_ub=-rows if len(rows) else None,
            b_ub=limits + TOLERANCE if len(rows) else None,
            A_eq=np.ones((1, len(step))),
            b_eq=[1.0],
            bounds=[(0.0, 1.0)] * len(step),
            method="highs",
        )
        if found.status != 0:
            raise SpecError(f"no weights fit the answers (HiGHS: {found.message})")
        return -float(found.fun), np.asarray(found.x)

    @staticmethod
    def smallest_slack(rows: FloatArray, limits: FloatArray) -> float:
        """The smallest s for which some weight has ``rows @ w >= -max(limits, s)``.

        Rows that have a tolerance of their own count from it on: a linear program.
        """
        from scipy.optimize import linprog  # slow to import

        k = rows.shape[1]
        found = linprog(
            np.append(np.zeros(k), 1.0),
            A_ub=np.hstack([-rows, -np.ones((len(rows), 1))]),
            b_ub=np.zeros(len(rows)),
            A_eq=np.append(np.ones(k), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0.0, 1.0)] * k + [(0.0, None)],
            method="highs",
        )
        strict = float(found.fun)
        loose = linprog(
            np.append(np.zeros(k), 1.0),
            A_ub=np.hstack([-rows, -(limits == 0.0).astype(np.float64)[:, None]]),
            b_ub=limits,
            A_eq=np.append(np.ones(k), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0.0, 1.0)] * k + [(0.0, None)],
            method="highs",
        )
        return min(strict, float(loose.fun)) if loose.status == 0 else strict


def _distinct(points: FloatArray) -> FloatArray:
    """Rows that differ by more than rounding, in order."""
    _, first = np.unique(np.round(points, 10), axis=0, return_index=True)
    return points[np.sort(first)]
