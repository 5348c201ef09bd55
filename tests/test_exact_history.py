"""Set-valued value iteration and time-dependent policies, against unpruned enumeration."""

import itertools

import numpy as np
import pytest
from exact_models import random_momdp, same_front, scientific_discovery

from morl.exact import evaluate, pareto_deterministic
from morl.exact.deadline import OutOfTime
from morl.exact.deterministic.minkowski import cover, new_points, sum_sets
from morl.exact.deterministic.tolerant import tolerant_front
from morl.exact.deterministic.unroll import unroll
from morl.momdp import MOMDP
from morl.spec import ModelError

DEPTHS = [1, 2, 3, 5, 8, 16, 24, 50, 74, 124]
"""Treasure values: concave in the number of steps, so that most points are not supported."""


def unpruned(m, state, steps):
    """Every return vector of a policy with memory, by full products over successors."""
    if steps == 0 or m.terminal[state]:
        return [np.zeros(m.k)]
    found = []
    for row in range(m.row_ptr[state], m.row_ptr[state + 1]):
        part = m.transitions[[row]].tocoo()
        futures = [unpruned(m, s, steps - 1) for s in part.col]
        for choice in itertools.product(*futures):
            future = sum(p * v for p, v in zip(part.data, choice, strict=True))
            found.append(m.rewards[row] + m.discount * future)
    return found


def markov_values(m):
    """Every return vector of a time-dependent deterministic policy."""
    options = [range(max(1, int(n))) for n in m.n_actions] * m.horizon
    return np.array(
        [evaluate(m, np.array(c).reshape(m.horizon, m.n_states)).start for c in itertools.product(*options)]
    )


def corridor(values, discount):
    """Step right at a cost of 1, or dive for the treasure of the column; step left as well."""
    n = len(values)

    def outcomes(x, a):
        if a == 0:
            return [(1.0, x, (values[x], -1.0), True)]
        return [(1.0, min(x + 1, n - 1) if a == 1 else max(x - 1, 0), (0.0, -1.0), False)]

    return MOMDP.from_simulator(0, 3, outcomes, discount=discount)[0]


def check_policies(m, front):
    for policy, point in zip(front.policies, front.points, strict=True):
        assert evaluate(m, policy).start == pytest.approx(point, abs=1e-9 * (1 + np.abs(point).max()))


@pytest.mark.parametrize("seed", range(6))
def test_against_unpruned_enumeration(seed):
    m = random_momdp(np.random.default_rng(seed), 3, 2, 2 + seed % 2, branching=2, discount=0.9).with_horizon(3)
    values = np.array(unpruned(m, 0, 3))
    front = pareto_deterministic(m, "history")
    assert front.complete
    assert same_front(front.points, values[tolerant_front(values, np.full(m.k, 1e-12))])
    check_policies(m, front)


def test_start_distribution():
    m = random_momdp(np.random.default_rng(1), 3, 2, 2, branching=2).with_horizon(2)
    m = MOMDP(m.transitions, m.rewards, m.row_ptr, 0.9, np.array([0.25, 0.75, 0.0]), 2)
    sums = [0.25 * a + 0.75 * b for a in unpruned(m, 0, 2) for b in unpruned(m, 1, 2)]
    values = np.array(sums)
    front = pareto_deterministic(m, "history")
    assert same_front(front.points, values[tolerant_front(values, np.full(2, 1e-12))])
    check_policies(m, front)


@pytest.mark.parametrize(("discount", "count"), [(1.0, 10), (0.99, 10), (0.9, 9)])
def test_treasures_along_a_corridor(discount, count):
    values = [1.0, 34.0, 58.0, 78.0, 86.0, 92.0, 112.0, 116.0, 122.0, 124.0]
    m = corridor(values, discount)
    steps = np.arange(1, 11)
    expected = np.column_stack([discount ** (steps - 1) * values, -np.cumsum(discount ** (steps - 1.0))])
    expected = expected[tolerant_front(expected, np.full(2, 1e-12))]
    for policies in ("history", "stationary"):
        front = pareto_deterministic(m, policies)
        assert front.complete
        assert same_front(front.points, expected)
        check_policies(m, front)
    assert len(expected) <= count


def test_the_three_classes_are_nested_and_differ():
    strict = 0
    for seed in range(12):
        m = random_momdp(np.random.default_rng(seed), 2, 2, 2, branching=2, discount=1.0).with_horizon(3)
        fronts = {c: pareto_deterministic(m, c).points for c in ("stationary", "markov", "history")}
        for small, large in (("stationary", "markov"), ("markov", "history")):
            covered = (fronts[small][:, None] <= fronts[large][None] + 1e-9).all(axis=2).any(axis=1)
            assert covered.all()
        strict += not same_front(fronts["markov"], fronts["history"])
    assert strict > 0


@pytest.mark.parametrize("seed", range(4))
def test_markov_against_all_time_dependent_policies(seed):
    m = random_momdp(np.random.default_rng(seed), 3, 2, 2, branching=2, discount=0.9).with_horizon(3)
    values = markov_values(m)
    front = pareto_deterministic(m, "markov")
    assert same_front(front.points, values[tolerant_front(values, np.full(2, 1e-12))])
    check_policies(m, front)


def test_markov_on_a_deterministic_model_needs_no_search():
    m = random_momdp(np.random.default_rng(3), 4, 2, 2, branching=1, discount=0.9).with_horizon(3)
    front = pareto_deterministic(m, "markov")
    assert front.provenance["algorithm"] == "Pareto value iteration"
    values = markov_values(m)
    assert same_front(front.points, values[tolerant_front(values, np.full(2, 1e-12))])
    check_policies(m, front)
    with pytest.raises(ModelError, match="horizon"):
        pareto_deterministic(m.with_horizon(None), "markov")


def test_epsilon_bounds_the_error_of_an_endless_process():
    m = random_momdp(np.random.default_rng(4), 3, 2, 2, branching=2, discount=0.6)
    coarse = pareto_deterministic(m, "history", epsilon=0.05)
    fine = pareto_deterministic(m, "history", epsilon=0.005)
    assert coarse.complete
    assert coarse.epsilon <= 0.05
    assert len(coarse) <= len(fine)
    missed = (fine.points[:, None] - coarse.points[None]).max(axis=2).min(axis=1).max()
    assert missed <= coarse.epsilon + 1e-9
    check_policies(m, coarse)
    deep = np.array(unpruned(m, 0, 3)) + 0.6**3 * m.rewards.min(axis=0) / 0.4  # all of these can be had
    assert (deep[:, None] <= coarse.points[None] + coarse.epsilon + 1e-9).all(axis=2).any(axis=1).all()


def test_time_limit_leaves_a_certified_answer():
    m = scientific_discovery()
    for model in (m, m.with_horizon(8)):
        front = pareto_deterministic(model, "history", time_limit=0.3)
        assert not front.complete
        assert front.epsilon is not None
        assert front.epsilon > 0
        check_policies(model, front.subset(np.arange(0, len(front), max(1, len(front) // 5))))
    truth = pareto_deterministic(m.with_horizon(4), "history")
    early = pareto_deterministic(m.with_horizon(4), "history", time_limit=0.0)
    missed = (truth.points[:, None] - early.points[None]).max(axis=2).min(axis=1).max()
    assert missed <= early.epsilon + 1e-9


def test_explosions_are_refused_with_an_estimate(monkeypatch):
    monkeypatch.setattr("morl.exact.deterministic.value_sets.LARGEST_BACKUP", 1e4)
    with pytest.raises(ModelError, match=r"pairs.*epsilon"):
        pareto_deterministic(scientific_discovery(), "history", horizon=6)


def test_undiscounted_totals_that_do_not_exist():
    loop = MOMDP.from_arrays([[[1.0]]], [[[-1.0]]], discount=1.0)
    with pytest.raises(ModelError, match="without end"):
        pareto_deterministic(loop, "history")
    gain = MOMDP.from_arrays([[[1.0]]], [[[1.0]]], discount=1.0)
    with pytest.raises(ModelError, match="unbounded"):
        pareto_deterministic(gain, "history")
    rest = MOMDP.from_arrays([[[1.0]]], [[[0.0]]], discount=1.0)
    assert pareto_deterministic(rest, "history").points.tolist() == [[0.0]]


def test_replay_of_a_history_policy_is_what_was_promised():
    m = scientific_discovery().with_horizon(5)
    front = pareto_deterministic(m, "history", epsilon=0.5)
    policy, point = front.policies[len(front) // 2], front.points[len(front) // 2]
    rng = np.random.default_rng(0)
    returns = []
    for _ in range(4000):
        policy.reset()
        s, total = 0, np.zeros(3)
        for _ in range(5):
            if m.terminal[s]:
                break
            row = int(m.row_ptr[s]) + policy.act(s)
            total += m.rewards[row]
            part = m.transitions[[row]].tocoo()
            s = int(rng.choice(part.col, p=part.data / part.data.sum()))
            policy.observe(s)
        returns.append(total)
    error = np.std(returns, axis=0) / np.sqrt(len(returns))
    assert (np.abs(np.mean(returns, axis=0) - point) <= 4.5 * error + 0.01).all()


def test_unrolled_model_has_the_same_values():
    m = random_momdp(np.random.default_rng(5), 4, 2, 2, branching=2, discount=0.8).with_horizon(3)
    unrolled = unroll(m)
    policy = np.random.default_rng(6).integers(0, 2, unrolled.model.n_states)
    timed = unrolled.timed(m, policy)
    assert evaluate(m, timed).start == pytest.approx(evaluate(unrolled.model, policy).start)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_covers_keep_their_promise(k):
    rng = np.random.default_rng(k)
    points, known = rng.random((400, k)), rng.random((30, k)) * 0.8
    for slack in (0.0, 0.05, 0.3):
        kept = points[cover(points, np.full(k, slack))]
        assert (points[:, None] <= kept[None] + slack + 1e-12).all(axis=2).any(axis=1).all()
        fresh = new_points(points, known, np.full(k, slack))
        both = np.concatenate([known, points[fresh]])
        assert (points[:, None] <= both[None] + slack + 1e-12).all(axis=2).any(axis=1).all()
        sums, i, j = sum_sets(points[:40], known, np.full(k, slack))
        assert sums == pytest.approx(points[:40][i] + known[j])
        every = (points[:40][:, None] + known[None]).reshape(-1, k)
        assert (every[:, None] <= sums[None] + slack + 1e-12).all(axis=2).any(axis=1).all()


def test_large_sets_are_covered_in_one_walk():
    """Sets of hundreds of thousands, nearly all of which stay, took a pass over all of them for each."""
    x = np.linspace(0.0, 1.0, 300_000)
    points = np.stack([x, 1.0 - x**2], axis=1)
    assert len(cover(points, np.full(2, 1e-12))) == len(points)
    kept = points[np.sort(cover(points, np.full(2, 1e-4)))]
    assert 2_000 < len(kept) < 20_000
    lower = kept[np.searchsorted(kept[:, 0], x - 1e-4 - 1e-12)]  # the highest of those that are far enough right
    assert (lower + 1e-4 + 1e-9 >= points).all()


@pytest.mark.parametrize("horizon", [None, 4])
def test_thinned_sets_are_given_up_in_the_end(horizon, monkeypatch):
    """Out of time a small model is still answered, and one that would go on for hours is not."""
    model = random_momdp(np.random.default_rng(3), 5, 2, 2, branching=2, discount=0.9).with_horizon(horizon)
    assert len(pareto_deterministic(model, "history", time_limit=0.0)) > 0
    monkeypatch.setattr("morl.exact.deterministic.history._GRACE", -1.0)
    for policies in ("history",) if horizon is None else ("history", "markov"):
        with pytest.raises(OutOfTime, match="give a longer time limit"):
            pareto_deterministic(certain(model) if policies == "markov" else model, policies, time_limit=0.0)


def certain(m):
    """The same model with the likeliest outcome of each action."""
    dense = m.transitions.toarray()
    return MOMDP(
        np.eye(m.n_states)[dense.argmax(axis=1)], m.rewards, m.row_ptr, m.discount, np.eye(m.n_states)[0], m.horizon
    )
