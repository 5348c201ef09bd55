"""The compiled path against the plain one, the double description against hull software, and life in odd places."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ccs_oracles import hull_loss, random_model
from scipy import sparse
from scipy.spatial import ConvexHull

from morl.compiled import enabled
from morl.exact import convex_coverage_set, evaluate, maximise, solve_weight
from morl.exact.coverage import ccs as ccs_module
from morl.exact.coverage import kernels_numpy
from morl.exact.coverage.certificate import certified_epsilon, check
from morl.exact.coverage.double_description import Cone, corner_weights
from morl.momdp import MOMDP
from morl.pareto.front import Front
from morl.spec import FrontError, SpecError
from morl.utility import Linear

compiled = pytest.mark.skipif(not enabled(), reason="numba is off")


# ---- compiled and plain kernels -----------------------------------------------------------------------------


@compiled
@pytest.mark.parametrize(("w", "k"), [(1, 1), (1, 2), (4, 2), (4, 3), (2, 5), (4, 6)])
def test_one_backup_is_the_same_on_both_paths(w: int, k: int) -> None:
    from morl.exact.coverage import kernels

    rng = np.random.default_rng(w * 10 + k)
    m = random_model(rng, 30, 4, k, ragged=True, terminals=3)
    weights, start = rng.dirichlet(np.ones(k), w), rng.normal(size=(30, k, w))
    start[m.terminal] = 0.0
    results = []
    for module in (kernels, kernels_numpy):
        width = module.width(w, k)
        table, out = np.zeros((30, width)), np.zeros((30, width))
        table[:, : w * k] = start.reshape(30, -1)
        wide = np.zeros(width)
        wide[: w * k] = weights.T.ravel()
        rows, low, high = np.zeros((30, w), np.int32), np.zeros(w), np.zeros(w)
        matrix = m.transitions
        module.kernels(w, k).greedy(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data,
            m.rewards,
            m.row_ptr,
            0.9,
            np.inf,
            wide,
            table,
            out,
            rows,
            low,
            high,
        )
        results.append((out[:, : w * k], rows[~m.terminal], low, high))
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-12)


def plain(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), os.environ.get("PYTHONPATH", "")]), **environment},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_CODE = """
import json, numpy as np
from ccs_oracles import random_model
from morl.exact import convex_coverage_set
from morl.compiled import enabled, cache_directory
out = []
cases = [(1, {}), (2, {"terminals": 2}), (3, {}), (2, {"discount": 0.999}), (2, {"horizon": 4})]
cases.append((2, {"terminals": 1, "discount": 1.0}))
for seed, (k, options) in enumerate(cases):
    m = random_model(np.random.default_rng(seed), 9, 2, k, spread_start=True, **options)
    front = convex_coverage_set(m, 0.0)
    out.append([front.points.tolist(), front.epsilon, front.complete])
print(json.dumps([enabled(), str(cache_directory()), out]))
"""


@compiled
def test_without_a_compiler_the_answers_are_the_same() -> None:
    _, _, fast = json.loads(plain(_CODE))
    on, _, slow = json.loads(plain(_CODE, NUMBA_DISABLE_JIT="1"))
    assert not on
    for (a, e, done), (b, _, also) in zip(fast, slow, strict=True):
        assert done
        assert also
        assert hull_loss(a, b) <= 1e-8 * max(1.0, np.abs(a).max())
        assert hull_loss(b, a) <= 1e-8 * max(1.0, np.abs(a).max())
        assert e <= 1e-7 * max(1.0, np.abs(a).max())


# ---- out of time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time_limit", [0.0, 0.02])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_out_of_time_the_sets_are_valid(time_limit: float, k: int) -> None:
    m = random_model(np.random.default_rng(k), 120, 4, k, discount=0.98)
    whole = convex_coverage_set(m, 1e-2 if k < 3 else 0.1)
    part = convex_coverage_set(m, 0.0, time_limit=time_limit)
    assert hull_loss(part.points, whole.points) <= part.epsilon + whole.provenance["error"] + 1e-9
    assert (whole.points @ part.outer[:, :-1].T <= part.outer[:, -1] + whole.provenance["error"] + 1e-9).all()
    assert check(part) <= part.epsilon + 1e-9
    for point, policy in zip(part.points, part.policies, strict=True):
        assert np.abs(evaluate(m, policy).start - point).max() <= part.provenance["error"] + 1e-9
    if k == 3:
        assert not part.complete
        assert part.provenance["stopped"] == "time"


def test_interrupt_returns_what_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    m = random_model(np.random.default_rng(0), 60, 3, 3, discount=0.95)
    solve, calls = ccs_module.Coverage._solve, []

    def interrupted(self: ccs_module.Coverage, *args: object) -> list[object]:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return solve(self, *args)  # type: ignore[arg-type,return-value]

    monkeypatch.setattr(ccs_module.Coverage, "_solve", interrupted)
    front = convex_coverage_set(m, 1e-3)
    monkeypatch.undo()
    assert front.provenance["stopped"] == "interrupt"
    assert not front.complete
    exact = convex_coverage_set(m, 1e-2)
    assert hull_loss(front.points, exact.points) <= front.epsilon + 1e-9


def test_a_horizon_out_of_time_still_answers() -> None:
    m = random_model(np.random.default_rng(0), 30, 3, 2, horizon=50)
    front = convex_coverage_set(m, 0.0, time_limit=0.0)
    assert front.provenance["stopped"] == "time"
    assert hull_loss(front.points, convex_coverage_set(m, 1e-3).points) <= front.epsilon + 1e-9


def test_time_limits_are_kept() -> None:
    m = random_model(np.random.default_rng(0), 300, 4, 4, discount=0.95)
    begun = time.monotonic()
    front = convex_coverage_set(m, 0.0, time_limit=0.5)
    assert time.monotonic() - begun < 60.0  # generous: it would run for hours
    assert not front.complete


# ---- double description and certificate ---------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_corners_are_the_facets_of_the_hull(k: int) -> None:
    rng = np.random.default_rng(k)
    points = np.abs(rng.normal(size=(40, k)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    weights, best = corner_weights(points)
    assert np.allclose((weights @ points.T).max(axis=1), best)
    below = np.vstack([points, *(points - 1e3 * row for row in np.eye(k)), points.min(axis=0) - 1e3])
    normals = ConvexHull(below).equations
    upper = np.unique(normals[(normals[:, :-1] >= -1e-9).all(axis=1)].round(8), axis=0)[:, :-1]
    upper /= upper.sum(axis=1, keepdims=True)
    assert len(weights) == len(upper)
    assert max(np.abs(weights - row).max(axis=1).min() for row in upper) < 1e-6


@pytest.mark.parametrize("k", [2, 3, 4])
def test_degenerate_points_give_the_same_corners_in_any_order(k: int) -> None:
    grid = np.array([p for p in itertools.product(range(4), repeat=k) if sum(p) <= 3], float)
    rng = np.random.default_rng(0)
    sets = {tuple(sorted(map(tuple, corner_weights(rng.permutation(grid))[0].round(9) + 0.0))) for _ in range(6)}
    assert len(sets) == 1
    only = sets.pop()
    assert len(set(only)) == len(only)


def test_every_edge_of_a_polytope_joins_two_rays_that_share_a_face() -> None:
    rng = np.random.default_rng(1)
    cone = Cone(np.eye(5), np.eye(5))
    for _ in range(60):
        normal = rng.normal(size=5)
        cone.cut(normal - normal.mean() + 0.3)  # keeps the middle
    slack = cone.rays @ np.array(cone.constraints).T
    assert slack.min() > -1e-9
    for ray, row in enumerate(slack):
        assert set(np.flatnonzero(np.abs(row) < 1e-9)) == set(cone.tight_on(ray))
        assert np.linalg.matrix_rank(np.array(cone.constraints)[cone.tight_on(ray)], tol=1e-9) == 4


def test_certificates_that_promise_too_much_are_found_out() -> None:
    front = convex_coverage_set(random_model(np.random.default_rng(0), 12, 3, 2), 0.05)
    assert check(front) <= front.epsilon + 1e-12
    with pytest.raises(FrontError, match="claims epsilon"):
        check(front.replace(epsilon=front.epsilon / 100))
    with pytest.raises(FrontError, match="outside of half-space"):
        check(front.replace(points=front.points + 1.0))
    with pytest.raises(FrontError, match="no certificate"):
        check(Front([[0.0, 1.0]]))
    assert certified_epsilon([[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0, 1.0]])[0] == np.inf


@pytest.mark.parametrize("w", [[-1.0, 2.0], [0.0, 0.0], [1.0], [np.nan, 1.0]])
def test_weights_that_make_no_sense_are_refused(w: list[float]) -> None:
    with pytest.raises(SpecError, match="weight"):
        solve_weight(random_model(np.random.default_rng(0), 3, 2, 2), w)


def test_a_deterministic_tour_is_exact() -> None:
    """A ring of 300 states, γ = .999: values by hand."""
    n, gamma = 300, 0.999
    t = sparse.csr_array((np.ones(n), ((np.arange(n)), (np.arange(n) + 7) % n)), shape=(n, n))
    rewards = np.zeros((n, 2))
    rewards[0] = 1.0, 3.0
    m = MOMDP(t, rewards, np.arange(n + 1), gamma, np.eye(1, n)[0])
    front = convex_coverage_set(m, 1e-7)
    assert front.complete
    assert front.points[0] == pytest.approx(np.array([1.0, 3.0]) / (1 - gamma**n), abs=1e-7)


# ---- Storm ---------------------------------------------------------------------------------------------------


@pytest.mark.peers
@pytest.mark.parametrize("sound", [False, True])
def test_storm_finds_the_same_optimum(sound: bool) -> None:
    pytest.importorskip("stormpy")
    from storm_peer import storm_front, storm_model

    m = random_model(np.random.default_rng(2), 20, 3, 2)
    _, theirs = storm_front(storm_model(m), m, 1e-3, sound)
    front = convex_coverage_set(m, 1e-4)
    assert hull_loss(front.points, theirs) <= 1e-2  # their printed vertices are rounded
    assert hull_loss(theirs, front.points) <= 5e-2


@pytest.mark.peers
def test_storm_finds_the_same_costs() -> None:
    """γ = 1: coverage sets, and a constrained optimum, of models whose objectives are costs."""
    pytest.importorskip("stormpy")
    from instances import mud_grid, scheduler
    from storm_peer import storm_best, storm_front, storm_model

    for m in (mud_grid(3, 0.25, [4, 19, 17, 1, 1, 16, 18, 1, 13]), scheduler(5)):
        model = storm_model(m)
        _, theirs = storm_front(model, m, 1e-6)
        front = convex_coverage_set(m, 0.0)
        assert hull_loss(front.points, theirs) <= 1e-5
        assert hull_loss(theirs, front.points) <= 1e-5
    bound = float(-front.points[:, 1].mean())
    _, value = storm_best(model, m, 0, 1, bound)
    assert -maximise(m, Linear((1.0, 0.0)), f"energy<={bound}").value[0] == pytest.approx(value, abs=1e-4)
