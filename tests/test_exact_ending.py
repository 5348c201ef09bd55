"""γ = 1 where policies may go on without end: which count, which models are refused, and that all solvers agree."""

from __future__ import annotations

import time

import numpy as np
import pytest
from ccs_oracles import hull_loss
from exact_models import all_policies
from instances import mud_grid, scheduler
from scipy import sparse
from scipy.spatial import ConvexHull

import morl
from morl.exact import (
    best_policy,
    convex_coverage_set,
    evaluate,
    lexicographic,
    maximise,
    occupancy_lp,
    solve_weight,
)
from morl.exact.ending import find_ending
from morl.exact.graph import end_components
from morl.momdp import MOMDP
from morl.spec import ModelError
from morl.utility import Linear, WorstCase


def random_endless(rng: np.random.Generator, n: int, k: int) -> MOMDP:
    """Sparse models full of end components: without reward, with losses, with rewards that cancel, and traps."""
    counts = rng.integers(1, 4, n)
    counts[-1] = int(rng.random() < 0.2)
    rows, owner = int(counts.sum()), np.repeat(np.arange(n), counts)
    move, rewards = np.zeros((rows, n)), -rng.integers(0, 3, (rows, k)).astype(float)
    for r in range(rows):
        targets = rng.choice(n, int(rng.integers(1, 3)), replace=False)
        move[r, targets] = rng.dirichlet(np.ones(len(targets)))
        rewards[r] *= rng.random() > 0.35
    kind = rng.integers(3)
    if kind == 0:
        potential = rng.integers(-2, 3, (n, k)).astype(float)
        rewards += potential[owner] - move @ potential
    elif kind == 1:
        rewards[move[:, -1] > 0] += rng.integers(0, 4, (int((move[:, -1] > 0).sum()), k))
    start = np.eye(1, n)[0] if rng.random() < 0.7 else rng.dirichlet(np.ones(n))
    return MOMDP(sparse.csr_array(move), rewards, np.concatenate([[0], np.cumsum(counts)]), 1.0, start)


def refusal(call) -> str | None:
    try:
        call()
    except ModelError as error:
        return str(error)
    return None


@pytest.mark.parametrize("seed", range(50))
def test_solvers_agree_with_all_policies_and_with_each_other(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 4))
    m = random_endless(rng, 5, k)
    reason = refusal(lambda: convex_coverage_set(m, 0.0))
    for other in (
        lambda: maximise(m, WorstCase()),
        lambda: occupancy_lp(m, WorstCase()),
        lambda: lexicographic(m),
        lambda: solve_weight(m, np.ones(k)),
        lambda: best_policy(m, np.ones(k)),
        lambda: morl.solve(m),
    ):
        assert refusal(other) == reason
    real = [policy for policy in all_policies(m) if refusal(lambda policy=policy: evaluate(m, policy)) is None]
    values = [evaluate(m, policy).start for policy in real]
    if reason is not None:
        assert "is unbounded" in reason or ("no policy's total is finite" in reason and not values)
        return
    front = convex_coverage_set(m, 0.0)
    assert front.complete
    assert hull_loss(front.points, values) < 1e-7
    assert hull_loss(values, front.points) < 1e-7
    for point, policy in zip(front.points, front.policies, strict=True):
        assert evaluate(m, policy).start == pytest.approx(point, abs=1e-8)
    for w in rng.dirichlet(np.ones(k), 3):
        best = max(float(v @ w) for v in values)
        assert occupancy_lp(m, w).utility == pytest.approx(best, abs=1e-7)
        one = solve_weight(m, w)
        assert one.lower - 1e-8 <= best <= one.upper + 1e-8
    found = maximise(m, WorstCase())
    assert found.utility == pytest.approx(occupancy_lp(m, WorstCase()).utility, abs=1e-7)
    assert evaluate(m, found.mixture).start == pytest.approx(found.value, abs=1e-7)
    if found.policy is not None:
        assert evaluate(m, found.policy).start == pytest.approx(found.value, abs=1e-5)


@pytest.mark.parametrize(("n", "slip", "hole"), [(3, 0.2, None), (3, 0.3, 5), (4, 0.1, 6), (6, 0.4, 14)])
def test_cost_against_the_probability_of_a_goal(n, slip, hole):
    m = mud_grid(n, slip, hole=hole)
    front = convex_coverage_set(m, 0.0)
    assert front.complete
    assert front.points.max(axis=0)[0] == 0.0  # quit at once
    for w in np.random.default_rng(n).dirichlet([1, 3], 20):
        assert (front.points @ w).max() == pytest.approx(occupancy_lp(m, w).utility, abs=1e-8)
    most = float(front.points[:, 1].max())
    bound = maximise(m, Linear((1.0, 0.0)), [f"goal>={0.5 * most}"])
    assert bound.utility == pytest.approx(occupancy_lp(m, [1.0, 0.0], [f"goal>={0.5 * most}"]).utility, abs=1e-7)


def test_a_muddy_grid_has_the_vertices_that_enumeration_finds():
    """Nine cells of unequal costs and the action to quit: every deterministic policy, 390,625 of them, by itself."""
    m = mud_grid(3, 0.25, [4, 19, 17, 1, 1, 16, 18, 1, 13])
    live = np.flatnonzero(~m.terminal)
    rows, move = m.row_ptr[:-1][live], m.transitions.toarray()[:, live]
    choices = np.array(np.meshgrid(*[np.arange(5)] * len(live), indexing="ij")).reshape(len(live), -1).T
    values = []
    for some in np.array_split(choices, 40):
        chosen = rows + some
        system = np.eye(len(live)) - move[chosen]
        ends = np.abs(np.linalg.det(system)) > 1e-9
        values.append(np.linalg.solve(system[ends], m.rewards[chosen[ends]])[:, np.argmax(m.start[live])])
    values = np.concatenate(values)
    values = values[values[:, 0] > -100.0]  # who walks for so long is dominated, and would blur the hull
    values = values[ConvexHull(values).vertices]
    front = convex_coverage_set(m, 0.0)
    assert hull_loss(front.points, values) < 1e-9
    assert hull_loss(values, front.points) < 1e-9
    assert len(front) == 6
    assert front.points[0].tolist() == [0.0, 0.0]
    assert front.points[-1] == pytest.approx([-18.46396655, 1.0], abs=1e-6)


def test_a_corridor_with_waiting_has_the_closed_form():
    """Each of n steps costs 1 and succeeds with probability p; waiting costs (0, 1), resting is free."""
    n, p = 700, 0.25  # more states than a dense solve takes

    def outcomes(s: int, a: int) -> list[tuple]:
        if a == 1:
            return [(1.0, s, (0.0, -1.0, 0.0), False)]
        if a == 2:
            return [(1.0, s, (0.0, 0.0, 0.0), False)]
        return [(p, s + 1, (-1.0, 0.0, float(s == n - 1)), s == n - 1), (1 - p, s, (-1.0, 0.0, 0.0), False)]

    m, _ = MOMDP.from_simulator(0, 3, outcomes, discount=1.0)
    front = convex_coverage_set(m, 1e-9)
    assert front.complete
    assert sorted(front.points.round(6).tolist()) == [[-n / p, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_rewards_that_can_be_collected_for_ever_are_refused_at_once_by_name():
    """Two cycles that gain in one objective and lose in the other; their mixtures would have every mean between."""
    move = np.zeros((4, 2, 4))
    for s, a, t in ((0, 0, 1), (0, 1, 2), (1, 0, 0), (1, 1, 0), (2, 0, 3), (2, 1, 3), (3, 0, 2), (3, 1, 0)):
        move[s, a, t] = 1.0
    rewards = np.zeros((4, 2, 2))
    rewards[0, 0], rewards[1], rewards[2], rewards[3, 0] = (3, 0), (-1, -1), (0, 3), (-1, -1)
    m = MOMDP.from_arrays(move, rewards, discount=1.0, objectives=("speed", "care"))
    begun = time.process_time()
    for policies in ("mixture", "history"):
        with pytest.raises(ModelError, match=r"objective 'speed' is unbounded .* around state 0"):
            morl.solve(m, policies)
    assert time.process_time() - begun < 20.0  # it looked for another way for 30 s


def test_mixed_signs_without_a_gain_are_solved():
    """A cycle that pays +2 and takes 3 is left after its gain; one that cancels is never stayed in."""
    for loss, best in ((-3.0, 2.0), (-2.0, 2.0)):
        m, _ = MOMDP.from_simulator(
            0,
            lambda s: 2 if s else 1,
            lambda s, a, loss=loss: (
                [(1.0, s, (0.0, 0.0), True)] if a else [(1.0, 1 - s, ((2.0, -1.0) if s == 0 else (loss, -1.0)), False)]
            ),
            discount=1.0,
        )
        assert convex_coverage_set(m, 0.0).points.tolist() == [[best, -1.0]]


def test_a_component_without_reward_is_one_state_and_policies_find_its_exit():
    ring = 6

    def outcomes(s: int, a: int) -> list[tuple]:
        if a == 2:
            return [(1.0, s, (float(s), -float(s * s)), True)]
        return [(0.5, (s + 1) % ring, (0.0, 0.0), False), (0.5, (s - a) % ring, (0.0, 0.0), False)]

    m, _ = MOMDP.from_simulator(0, 3, outcomes, discount=1.0)
    ending = find_ending(m)
    assert ending.always
    assert end_components(ending.model).count == 0
    front = convex_coverage_set(m, 0.0)
    assert sorted(front.points.round(9).tolist()) == [[float(s), -float(s * s)] for s in range(ring)]
    for point, policy in zip(front.points, front.policies, strict=True):
        assert evaluate(m, policy).start == pytest.approx(point, abs=1e-9)


def test_a_mixture_that_rests_where_it_leaves_has_no_stationary_policy():
    m = MOMDP.from_arrays(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]] * 2],
        [[[0.0, 0.0], [2.0, -2.0]], [[0.0, 0.0]] * 2],
        discount=1.0,
        terminal=[False, True],
        objectives=("gain", "cost"),
    )
    for found in (maximise(m, Linear((1.0, 0.0)), "cost>=-1"), occupancy_lp(m, Linear((1.0, 0.0)), "cost>=-1")):
        assert found.value == pytest.approx([1.0, -1.0])
        assert found.policy is None
        assert evaluate(m, found.mixture).start == pytest.approx([1.0, -1.0])


def test_an_upper_bound_on_what_can_fall_for_ever_is_refused_with_its_name():
    m = mud_grid(3, 0.2)
    with pytest.raises(ModelError, match="low totals of 'cost'"):
        maximise(m, Linear((0.0, 1.0)), "cost>=50")


def test_a_passed_time_limit_leaves_a_bound_or_says_so():
    m = mud_grid(6, 0.4, hole=14)
    front = convex_coverage_set(m, 0.0, time_limit=0.0)
    assert front.epsilon is not None
    assert front.epsilon >= hull_loss(front.points, convex_coverage_set(m, 0.0).points) - 1e-9
    with pytest.raises(ModelError, match="out of time"):
        maximise(m, WorstCase(), time_limit=0.0)


def test_a_large_scheduler_needs_few_evaluations(monkeypatch):
    """Tasks on two processors, one fast and expensive: idling costs, and being done is a loop that pays nothing."""
    import morl.exact.oracle as oracle

    m = scheduler(7)
    evaluated = []
    known = oracle.Known.evaluate
    monkeypatch.setattr(oracle.Known, "evaluate", lambda *a: evaluated.append(1) or known(*a))
    found = maximise(m, Linear((1.0, 0.0)), "energy<=45.5")
    assert m.n_states > 1000
    assert found.gap < 1e-6
    assert found.utility == pytest.approx(occupancy_lp(m, [1.0, 0.0], "energy<=45.5").utility, abs=1e-6)
    assert len(evaluated) <= 4 * found.solves
