"""Slow, plain re-implementations that the tests of the Pareto layer compare with."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linprog


def inclusion_exclusion_hypervolume(points, ref):
    """Σ over non-empty subsets of (−1)^(|subset|+1) times the volume of the box below all of them."""
    points, ref = np.asarray(points, float), np.asarray(ref, float)
    total = 0.0
    for size in range(1, len(points) + 1):
        for subset in itertools.combinations(points, size):
            total += (-1) ** (size + 1) * np.prod(np.maximum(np.min(subset, axis=0) - ref, 0.0))
    return total


def slow_epsilon(points, truth):
    return max(min(max(t - x for t, x in zip(row, p, strict=True)) for p in points) for row in truth)


def slow_igd_plus(points, truth):
    def shortfall(row, point):
        return sum(max(t - x, 0.0) ** 2 for t, x in zip(row, point, strict=True)) ** 0.5

    return sum(min(shortfall(row, point) for point in points) for row in truth) / len(truth)


def slow_nondominated(points):
    points = [tuple(p) for p in points]
    keep = []
    for i, p in enumerate(points):
        beaten = any(all(b >= a for a, b in zip(p, q, strict=True)) and q != p for q in points)
        keep.append(not beaten and p not in points[:i])
    return keep


def brute_force_corners(points):
    """Every K-subset of constraints (a point's plane, or a weight of zero) solved, feasible solutions kept."""
    values = np.asarray(points, float)
    k = values.shape[1]
    planes = [np.append(v, -1.0) for v in values] + [np.append(e, 0.0) for e in np.eye(k)]
    found = []
    for chosen in itertools.combinations(planes, k):
        system = np.array([*chosen, np.append(np.ones(k), 0.0)])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        solution = np.linalg.solve(system, np.append(np.zeros(k), 1.0))
        w, u = solution[:-1], solution[-1]
        if w.min() > -1e-9 and (values @ w).max() < u + 1e-9 and not any(np.abs(w - f).max() < 1e-8 for f in found):
            found.append(np.maximum(w, 0.0))
    return np.array(found)


def slow_margin(points, target):
    """By how much the best mixture of the points exceeds the target in its worst objective: one linear program."""
    points = np.asarray(points, float)
    n, k = points.shape
    found = linprog(
        np.append(np.zeros(n), -1.0),
        A_ub=np.hstack([np.asarray(target, float)[:, None] - points.T, np.ones((k, 1))]),
        b_ub=np.zeros(k),
        A_eq=np.append(np.ones(n), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
    )
    assert found.status == 0
    return -found.fun
