"""Metamorphic properties and corner cases: what must not change an answer, and what must be refused."""

import numpy as np
import pytest
from exact_models import all_policies, random_momdp, same_front
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import morl
import morl.exact.deterministic.stationary as stationary
from morl.exact import enumerate_policies, evaluate, pareto_deterministic, solve
from morl.exact.deterministic.branch import Search
from morl.exact.deterministic.tolerant import tolerant_front
from morl.momdp import MOMDP
from morl.spec import ModelError, MorlError

settings.register_profile("exact", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("exact")


@st.composite
def models(draw, horizon=False):
    """Small models with many ties: few distinct probabilities and rewards, ragged actions, ends, odd starts."""
    n = draw(st.integers(1, 4))
    k = draw(st.integers(1, 3))
    counts = [draw(st.integers(0 if i and n > 1 else 1, 3)) for i in range(n)]
    rows, total = [], sum(counts)
    for _ in range(total):
        weights = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2]), min_size=n, max_size=n))
        if not any(weights):
            weights[draw(st.integers(0, n - 1))] = 1
        rows.append(np.array(weights) / sum(weights))
    numbers = st.sampled_from([-1.0, 0.0, 0.5, 1.0])
    rewards = np.array(draw(st.lists(st.lists(numbers, min_size=k, max_size=k), min_size=total, max_size=total)))
    start = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=float)
    start[0] += not start.any()
    return MOMDP(
        sparse.csr_array(np.array(rows)),
        rewards.reshape(total, k),
        np.concatenate([[0], np.cumsum(counts)]),
        draw(st.sampled_from([0.0, 0.5, 0.9])),
        start / start.sum(),
        draw(st.integers(1, 3)) if horizon else None,
    )


def brute_force(m):
    values = np.array([evaluate(m, p).start for p in all_policies(m)])
    return values[tolerant_front(values, np.full(m.k, 1e-9))]


def searched(m, monkeypatch):
    """The front by branch and bound alone, down to single policies."""
    monkeypatch.setattr(stationary, "ENUMERATE", dict.fromkeys(range(1, 9), 0.0))
    monkeypatch.setattr("morl.exact.deterministic.branch.LEAF", 1)
    front = pareto_deterministic(m, "stationary")
    monkeypatch.undo()
    return front


@given(models())
def test_two_searches_equal_brute_force(m):
    truth = brute_force(m)
    assert same_front(pareto_deterministic(m, "stationary").points, truth, atol=1e-8)
    with pytest.MonkeyPatch.context() as patch:
        front = searched(m, patch)
    assert front.complete
    assert same_front(front.points, truth, atol=1e-8)
    for policy, point in zip(front.policies, front.points, strict=True):
        assert evaluate(m, policy).start == pytest.approx(point, abs=1e-9)


@given(models(horizon=True))
def test_memory_and_time_never_hurt(m):
    stationary_front = pareto_deterministic(m, "stationary").points
    markov = pareto_deterministic(m, "markov").points
    history = pareto_deterministic(m, "history")
    for small, large in ((stationary_front, markov), (markov, history.points)):
        assert (small[:, None] <= large[None] + 1e-9).all(axis=2).any(axis=1).all()
    for policy, point in zip(history.policies, history.points, strict=True):
        assert evaluate(m, policy).start == pytest.approx(point, abs=1e-9)


@given(models(), st.integers(0, 3))
def test_duplicate_actions_and_unreachable_states_change_nothing(m, which):
    truth = pareto_deterministic(m, "stationary").points
    s = which % m.n_states
    rows = np.arange(m.n_rows)
    extra = rows[m.row_ptr[s] : m.row_ptr[s + 1]][:1]
    order = np.insert(rows, m.row_ptr[s + 1], extra) if len(extra) else rows
    counts = m.n_actions.copy()
    counts[s] += len(extra)
    wide = sparse.csr_array(sparse.hstack([m.transitions[order], sparse.csr_array((len(order), 1))]))
    lonely = np.zeros((1, m.n_states + 1))
    lonely[0, -1] = 1.0
    other = MOMDP(
        sparse.csr_array(sparse.vstack([wide, sparse.csr_array(lonely)])),
        np.vstack([m.rewards[order], np.full((1, m.k), 100.0)]),
        np.concatenate([[0], np.cumsum([*counts, 1])]),
        m.discount,
        np.append(m.start, 0.0),
    )
    assert same_front(pareto_deterministic(other, "stationary").points, truth, atol=1e-8)


@given(models(), st.sampled_from([1e-6, 1e6]), st.sampled_from([-3.0, 0.0, 7.0]))
def test_affine_rewards_permuted_states_and_explicit_zeros(m, factor, shift):
    truth = pareto_deterministic(m, "stationary")
    size = np.full(m.k, 1.0)
    size[-1] = factor
    scaled = MOMDP(m.transitions, m.rewards * size, m.row_ptr, m.discount, m.start)
    assert same_front(pareto_deterministic(scaled).points / size, truth.points, atol=1e-8)
    if not m.terminal.any():
        shifted = MOMDP(m.transitions, m.rewards + shift, m.row_ptr, m.discount, m.start)
        assert same_front(pareto_deterministic(shifted).points, truth.points + shift / (1 - m.discount), atol=1e-8)
    order = np.arange(m.n_states)[::-1]
    rows = np.concatenate([np.arange(m.row_ptr[s], m.row_ptr[s + 1]) for s in order])
    turned = MOMDP(
        sparse.csr_array(m.transitions[rows][:, order]),
        m.rewards[rows],
        np.concatenate([[0], np.cumsum(m.n_actions[order])]),
        m.discount,
        m.start[order],
    )
    assert same_front(pareto_deterministic(turned).points, truth.points, atol=1e-8)
    dense = m.transitions.toarray()
    full = sparse.csr_array(
        (dense.ravel(), np.tile(np.arange(m.n_states), len(dense)), np.arange(len(dense) + 1) * m.n_states),
        shape=dense.shape,
    )
    explicit = MOMDP(full, m.rewards, m.row_ptr, m.discount, m.start)
    for policies in ("stationary", "history"):
        with_zeros = pareto_deterministic(explicit, policies, horizon=2)
        assert same_front(with_zeros.points, pareto_deterministic(m, policies, horizon=2).points, atol=1e-8)


@given(models())
def test_undiscounted_questions_end(m):
    """Either an answer whose policies earn it, or a refusal; never a number that is not."""
    endless = m.with_discount(1.0)
    for policies in ("stationary", "history"):
        try:
            front = pareto_deterministic(endless, policies, time_limit=1.0)
        except ModelError:
            continue
        for policy, point in zip(front.policies[:20], front.points[:20], strict=True):
            assert evaluate(endless, policy).start == pytest.approx(point, abs=1e-8)


@given(models())
def test_undiscounted_stationary_fronts_against_brute_force(m):
    endless = m.with_discount(1.0)
    values, refused = [], 0
    for p in all_policies(endless):
        try:
            values.append(evaluate(endless, p).start)
        except ModelError:
            refused += 1
    try:
        front = pareto_deterministic(endless, "stationary")
    except ModelError:
        assert refused
        return
    table = np.array(values)
    assert same_front(front.points, table[tolerant_front(table, np.full(m.k, 1e-9))], atol=1e-8)


def test_constant_and_identical_objectives():
    rng = np.random.default_rng(0)
    m = random_momdp(rng, 14, 2, 2)
    truth = enumerate_policies(m).points
    twice = MOMDP(m.transitions, np.column_stack([m.rewards, m.rewards[:, 0]]), m.row_ptr, m.discount, m.start)
    assert same_front(pareto_deterministic(twice).points[:, :2], truth)
    flat = MOMDP(m.transitions, np.column_stack([m.rewards, np.full(m.n_rows, 2.0)]), m.row_ptr, m.discount, m.start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stationary, "ENUMERATE", dict.fromkeys(range(1, 9), 0.0))
        assert same_front(pareto_deterministic(flat).points[:, :2], truth)
        assert same_front(pareto_deterministic(twice).points[:, :2], truth)
        nothing = MOMDP(m.transitions, np.zeros((m.n_rows, 2)), m.row_ptr, m.discount, m.start)
        assert pareto_deterministic(nothing).points.tolist() == [[0.0, 0.0]]


def test_single_objective_is_one_point():
    m = random_momdp(np.random.default_rng(1), 30, 3, 1)
    front = pareto_deterministic(m)
    assert len(front) == 1
    assert front.complete


def test_one_state_and_a_start_that_is_the_end():
    m = MOMDP.from_arrays([[[1.0]] * 3], [[[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]]], discount=0.0)
    assert len(pareto_deterministic(m)) == 3
    ended = MOMDP.from_arrays([[[1.0]]], [[[1.0, 0.0]]], discount=1.0, terminal=[True])
    for policies in ("stationary", "history"):
        assert pareto_deterministic(ended, policies).points.tolist() == [[0.0, 0.0]]
    assert pareto_deterministic(ended, "markov", horizon=3).points.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("discount", [0.999, 0.999999])
def test_discounts_near_one(discount):
    m = random_momdp(np.random.default_rng(2), 8, 2, 2, discount=discount)
    truth = brute_force(m)
    scale = 1.0 / (1.0 - discount)
    assert same_front(pareto_deterministic(m).points / scale, truth / scale, atol=1e-9)
    with pytest.MonkeyPatch.context() as patch:
        assert same_front(searched(m, patch).points / scale, truth / scale, atol=1e-9)


def test_a_search_without_end_says_what_it_knows():
    m = random_momdp(np.random.default_rng(3), 60, 4, 3)
    front = pareto_deterministic(m, "stationary", time_limit=0.5)
    assert not front.complete
    assert front.epsilon is not None
    assert np.isfinite(front.epsilon)
    assert len(front) > 0


def test_least_visits_are_a_lower_bound():
    m = random_momdp(np.random.default_rng(4), 6, 2, 1, discount=0.8)
    root = stationary.from_condensed(stationary.condense(m))
    bound = root.least_visits()
    for p in all_policies(m):
        rows = root.first + p[stationary.condense(m).states]
        assert (root.visits(rows) >= bound - 1e-12).all()
    assert isinstance(Search, type)


def test_solve_accepts_models_files_and_refuses_the_rest(tmp_path):
    m = random_momdp(np.random.default_rng(5), 5, 2, 2)
    path = m.save(tmp_path / "m.npz")
    assert same_front(morl.solve(str(path), "stationary").points, solve(m, "stationary").points)
    assert solve(m, "markov", horizon=2).provenance["horizon"] == 2
    assert solve(m, "stationary", discount=0.5).discount == 0.5
    mixture = solve(m, "mixture")
    deterministic = solve(m, "stationary")
    w = np.random.default_rng(0).dirichlet(np.ones(2), 20)
    assert (mixture.points @ w.T).max(axis=0) == pytest.approx((deterministic.points @ w.T).max(axis=0), abs=1e-4)
    for bad in (object(), 3, str(path)):
        with pytest.raises(ModelError, match="expected a MOMDP"):
            solve(bad)
    for bad in (object(), 3):
        with pytest.raises(MorlError, match="no exact model"):
            morl.solve(bad)
    with pytest.raises(MorlError):
        solve(m, "determinstic")


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e100])
def test_objectives_of_very_different_size(size):
    reward = np.array([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 2.0], [1.0, -1.0]]]) * [size, 1.0]
    m = MOMDP.from_arrays([[[0.5, 0.5], [1, 0]], [[0, 1], [0.5, 0.5]]], reward, discount=0.9)
    exact = pareto_deterministic(m, "stationary").points
    front = solve(m)
    gap = (exact[:, None] - front.points[None]).max(axis=2).min(axis=1)
    assert (gap <= front.epsilon * (1 + 1e-9)).all()  # what it promises, it keeps
