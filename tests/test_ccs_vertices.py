"""A coverage set's points are the vertices of their hull: one for each, whichever arithmetic computed them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from ccs_oracles import random_model

from morl.compiled import enabled
from morl.exact import convex_coverage_set
from morl.exact.coverage import solver
from morl.exact.coverage.certificate import check, proven_bounds, support
from morl.exact.coverage.vertices import distinct_vertices
from morl.momdp import MOMDP
from morl.pareto.front import Front


def tied_model(rng: np.random.Generator, k: int, discount: float) -> MOMDP:
    """Small whole rewards, an action that doubles another, and ends: many policies share a return or a face."""
    n, a = 8, 3
    transitions = np.zeros((n, a, n))
    for s, action in itertools.product(range(n), range(a)):
        for target in rng.integers(s + 1, n, size=2) if s + 1 < n else (s, s):
            transitions[s, action, target] += 0.5
    rewards = rng.integers(0, 3, size=(n, a, k)).astype(float)
    transitions[:, 2], rewards[:, 2] = transitions[:, 1], rewards[:, 1]
    return MOMDP.from_arrays(transitions, rewards, discount=discount, terminal=np.arange(n) == n - 1)


def segment_model(k: int) -> MOMDP:
    """Ten ways through a corridor whose returns fill one face of a simplex, most of them inside it."""
    grid = [p for p in itertools.product(range(4), repeat=k) if sum(p) == 3]
    transitions = np.zeros((3, len(grid), 3))
    transitions[0, :, 0], transitions[0, :, 1], transitions[1:, :, 2] = 0.3, 0.7, 1.0
    rewards = np.zeros((3, len(grid), k))
    rewards[0] = np.array(grid) / 3.0
    rewards[1] = 0.1
    return MOMDP.from_arrays(transitions, rewards, discount=1.0, terminal=[False, False, True])


def models() -> list[tuple[str, MOMDP]]:
    rng = np.random.default_rng(0)
    found = [(f"random {k} {g}", random_model(rng, 8, 3, k, discount=g)) for k, g in ((2, 0.9), (3, 0.9), (2, 0.99))]
    found += [(f"tied {k} {g}", tied_model(rng, k, g)) for k, g in ((2, 1.0), (3, 1.0), (3, 0.9))]
    return [*found, ("segment 2", segment_model(2)), ("segment 3", segment_model(3))]


def scaled(m: MOMDP, factor: Any) -> MOMDP:
    return MOMDP(m.transitions, m.rewards * factor, m.row_ptr, m.discount, m.start)


def both(m: MOMDP, epsilon: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Front, Front]:
    fast = convex_coverage_set(m, epsilon)
    with monkeypatch.context() as plain:
        plain.setattr(solver, "enabled", lambda: False)
        return fast, convex_coverage_set(m, epsilon)


def furthest(a: np.ndarray, b: np.ndarray, size: np.ndarray) -> float:
    """The largest distance of a point of one set to the nearest of the other, in units of ``size``."""
    gaps = (np.abs(a[:, None] - b[None]) / size).max(axis=2)
    return float(max(gaps.min(axis=0).max(), gaps.min(axis=1).max()))


@pytest.mark.skipif(not enabled(), reason="numba is off: there is one arithmetic only")
@pytest.mark.parametrize(("name", "m"), [pytest.param(*pair, id=pair[0].replace(" ", "-")) for pair in models()])
def test_both_arithmetics_find_the_same_vertices(name: str, m: MOMDP, monkeypatch: pytest.MonkeyPatch) -> None:
    objectives = np.linspace(1.0, 100.0, m.k)
    for factor, share in (
        (1.0, 0.0),
        (1.0, 1e-4),
        (1e-6, 1e-4),
        (1e6, 1e-6),
        (objectives, 0.0),
        (1 / objectives, 1e-5),
    ):
        model = scaled(m, factor)
        largest = float(np.abs(model.rewards).max())
        for epsilon in (share * largest,):
            fast, plain = both(model, epsilon, monkeypatch)
            error = fast.provenance["error"] + plain.provenance["error"]
            assert len(fast) == len(plain), (name, factor, epsilon)
            size = np.maximum(np.abs(fast.points).max(axis=0), 1e-300)
            assert furthest(fast.points, plain.points, 1e-9 * size + error) <= 1.0, (name, factor, epsilon)
            if epsilon == 0.0:
                assert furthest(fast.points, plain.points, size) <= 1e-9
            for front in (fast, plain):
                assert front.complete
                assert check(front) <= front.epsilon + 1e-12 * largest
                apart = np.abs(front.points[:, None] - front.points[None]).max(axis=2)
                assert (apart[~np.eye(len(front), dtype=bool)] > 2.0 * front.provenance["error"]).all()


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_noise_makes_no_vertices(k: int, seed: int) -> None:
    """Vertices on a sphere, copies of them, and points of their faces, all off by the noise, in any order."""
    rng = np.random.default_rng(seed)
    true = np.abs(rng.normal(size=(9, k))) + 0.1
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    inside = np.array([rng.dirichlet(np.ones(2)) @ true[rng.choice(9, 2, replace=False)] for _ in range(20)])
    points = np.vstack([true, true, inside])
    off = 1e-7
    points = rng.permutation(points + rng.uniform(-off, off, points.shape))
    one = np.full((1, k), 1.0 / k)
    chosen, lost = distinct_vertices(points, [one] * len(points), 2.0 * off, np.ones(k))
    found = points[chosen]
    assert lost <= 2.0 * off
    weights = np.vstack([np.eye(k), rng.dirichlet(np.ones(k), 200)])
    assert (support(weights, points)[0] - support(weights, found)[0]).max() <= lost + 1e-12
    apart = np.abs(found[:, None] - true[None]).max(axis=2)
    assert (apart.min(axis=1) <= 2.0 * off).all(), "a point of a face was taken for a vertex"
    assert len(set(apart.argmin(axis=1))) == len(found), "one vertex was taken twice"


def test_points_that_stand_out_are_all_kept() -> None:
    points = np.array([[0.0, 1.0], [0.6, 0.6], [1.0, 0.0]])
    corners = [np.array([[0.0, 1.0], [0.4, 0.6]]), np.array([[0.4, 0.6], [0.6, 0.4]]), np.array([[0.6, 0.4], [1, 0]])]
    chosen, lost = distinct_vertices(points, corners, 1e-6, np.ones(2))
    assert chosen.tolist() == [0, 1, 2]
    assert lost == 0.0


@pytest.mark.parametrize("seed", [1, 2, 5, 9, 10])
def test_certificates_hold_where_rounding_loses_vertices(seed: int) -> None:
    """Points and bounds that agree almost, but not quite, once hid a gap of thousands of ε from the enumeration."""
    m = random_model(np.random.default_rng(seed), 10, 3, 3, discount=0.9)
    largest = float(np.abs(m.rewards).max())
    for epsilon in (1e-6 * largest, 1e-4 * largest, 1e-2 * largest):
        front = convex_coverage_set(m, epsilon)
        assert front.complete
        assert check(front) <= front.epsilon + 1e-9 * largest


def test_a_bound_is_a_combination_of_half_spaces() -> None:
    outer = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.5, 0.5, 0.75]])
    weights = np.array([[0.75, 0.25], [0.5, 0.5]])
    good = proven_bounds(weights, outer, [np.array([0, 2]), np.array([0, 2])])
    assert good == pytest.approx([0.875, 0.75])
    lost = proven_bounds(weights, outer, [np.array([1]), np.array([], dtype=int)])  # of a wrong vertex, and of none
    assert lost == pytest.approx(good)
    assert np.isinf(proven_bounds(weights[:1], outer[1:2], [np.array([0])])).all()
