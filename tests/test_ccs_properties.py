"""What must not change the convex coverage set, and what must change it in a known way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ccs_oracles import hull_loss, occupancy_optimum, random_model
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from strategies import seeds

from morl.exact import convex_coverage_set, evaluate
from morl.momdp import MOMDP
from morl.pareto.front import Front
from morl.spec import ModelError

quick = settings(max_examples=20, deadline=None)


def model(seed: int, **options: object) -> MOMDP:
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 8)), int(rng.integers(2, 4))
    options.setdefault("discount", float(rng.choice([0.0, 0.5, 0.9, 0.99])))
    return random_model(rng, n, 3, k, ragged=True, terminals=int(rng.integers(0, n)), spread_start=True, **options)  # type: ignore[arg-type]


def same_hull(a: Front, b: Front, scale: float = 1.0) -> None:
    size = scale * max(1.0, float(np.abs(a.points).max()))
    assert hull_loss(a.points, b.points) <= 1e-8 * size
    assert hull_loss(b.points, a.points) <= 1e-8 * size


def with_rewards(m: MOMDP, rewards: np.ndarray) -> MOMDP:
    return replace(m, rewards=rewards, objectives=None)


@given(seeds)
@quick
def test_duplicated_actions_change_nothing(seed: int) -> None:
    m = model(seed)
    rows = np.concatenate([np.tile(np.arange(a, b), 2) for a, b in zip(m.row_ptr[:-1], m.row_ptr[1:], strict=True)])
    twice = MOMDP(sparse.csr_array(m.transitions[rows]), m.rewards[rows], 2 * m.row_ptr, m.discount, m.start)
    same_hull(convex_coverage_set(m, 0.0), convex_coverage_set(twice, 0.0))


@given(seeds)
@quick
def test_unreachable_states_and_zero_probabilities_change_nothing(seed: int) -> None:
    m = model(seed)
    n, rows = m.n_states, m.n_rows
    dense = np.zeros((rows + 1, n + 1))
    dense[:rows, :n] = m.transitions.todense()
    dense[rows, n] = 1.0
    full = sparse.csr_array(
        (dense.ravel(), np.tile(np.arange(n + 1), rows + 1), np.arange(rows + 2) * (n + 1)), shape=dense.shape
    )
    assert full.nnz == dense.size  # zeros are stored
    rewards = np.vstack([m.rewards, np.full(m.k, 1e6)])
    wide = MOMDP(full, rewards, np.append(m.row_ptr, rows + 1), m.discount, np.append(m.start, 0.0))
    same_hull(convex_coverage_set(m, 0.0), convex_coverage_set(wide, 0.0))


@given(seeds)
@quick
def test_repeated_successors_add_up(seed: int) -> None:
    m = model(seed)
    t = m.transitions
    split = sparse.csr_array(
        (np.repeat(t.data, 2) * np.tile([0.25, 0.75], t.nnz), np.repeat(t.indices, 2), 2 * t.indptr), shape=t.shape
    )
    same_hull(convex_coverage_set(m, 0.0), convex_coverage_set(replace(m, transitions=split), 0.0))


@given(seeds)
@quick
def test_permuted_states_change_nothing(seed: int) -> None:
    m = model(seed)
    order = np.random.default_rng(seed).permutation(m.n_states)
    rows = np.concatenate([np.arange(m.row_ptr[s], m.row_ptr[s + 1]) for s in order])
    mixed = MOMDP(
        sparse.csr_array(m.transitions[rows][:, order]),
        m.rewards[rows],
        np.append(0, np.cumsum(m.n_actions[order])),
        m.discount,
        m.start[order],
    )
    same_hull(convex_coverage_set(m, 0.0), convex_coverage_set(mixed, 0.0))


@given(seeds, st.integers(-6, 6), st.integers(-6, 6))
@quick
def test_scaled_objectives_scale_the_points(seed: int, first: int, second: int) -> None:
    m = model(seed)
    factor = np.ones(m.k)
    factor[:2] = 10.0**first, 10.0**second
    plain, scaled = convex_coverage_set(m, 0.0), convex_coverage_set(with_rewards(m, m.rewards * factor), 0.0)
    assert scaled.complete
    size = max(1.0, float(np.abs(plain.points).max())) * factor.max()
    assert hull_loss(plain.points * factor, scaled.points) <= 1e-9 * size
    assert hull_loss(scaled.points, plain.points * factor) <= 1e-9 * size


@given(seeds)
@quick
def test_identical_and_constant_objectives_add_nothing(seed: int) -> None:
    m = model(seed, discount=0.9)
    m = replace(m, rewards=np.where(m.terminal.any(), m.rewards, m.rewards))
    rewards = np.column_stack([m.rewards, m.rewards[:, 0], np.zeros(m.n_rows)])
    front = convex_coverage_set(with_rewards(m, rewards), 0.0)
    assert front.complete
    assert np.allclose(front.points[:, m.k], front.points[:, 0], atol=1e-8)
    assert np.allclose(front.points[:, m.k + 1], 0.0)
    same_hull(convex_coverage_set(m, 0.0), Front(front.points[:, : m.k]))


@given(seeds)
@quick
def test_integer_rewards_with_many_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = random_model(rng, 6, 3, int(rng.integers(2, 5)), discount=0.5)
    moves = np.zeros((m.n_rows, 6))
    moves[np.arange(m.n_rows), rng.integers(0, 6, m.n_rows)] = 1.0
    m = replace(m, transitions=sparse.csr_array(moves), rewards=rng.integers(0, 3, m.rewards.shape).astype(float))
    front = convex_coverage_set(m, 0.0)
    assert front.complete
    for w in rng.dirichlet(np.ones(m.k), 8):
        best = occupancy_optimum(m, w)
        assert best - 1e-8 <= (front.points @ w).max() <= best + 1e-8


@given(seeds, st.floats(1e-4, 1.0))
@quick
def test_points_never_exceed_the_exact_set_and_miss_it_by_epsilon_at_most(seed: int, epsilon: float) -> None:
    m = model(seed)
    exact, rough = convex_coverage_set(m, 0.0), convex_coverage_set(m, epsilon)
    assert rough.complete
    assert rough.epsilon <= epsilon
    assert hull_loss(rough.points, exact.points) <= rough.epsilon + 1e-9
    assert hull_loss(exact.points, rough.points) <= rough.provenance["error"] + 1e-9


# ---- corners of the definition ------------------------------------------------------------------------------


def test_one_objective_is_the_ordinary_optimum() -> None:
    m = random_model(np.random.default_rng(0), 10, 3, 1)
    front = convex_coverage_set(m, 1e-6)
    assert len(front) == 1
    assert front.complete
    assert front.points[0, 0] == pytest.approx(occupancy_optimum(m, [1.0]), abs=1e-6)


def test_start_in_a_terminal_state_is_worth_nothing() -> None:
    m = MOMDP(sparse.csr_array([[0.5, 0.5]]), np.ones((1, 2)), np.array([0, 1, 1]), 0.9, np.array([0.0, 1.0]))
    front = convex_coverage_set(m, 0.0)
    assert front.points.tolist() == [[0.0, 0.0]]
    assert front.epsilon < 1e-9


def test_absorbing_start_with_rewards() -> None:
    m = MOMDP.from_arrays([[[1.0], [1.0], [1.0]]], [[[1, 0], [0, 1], [0.2, 0.2]]], discount=0.75)
    front = convex_coverage_set(m, 0.0)
    assert front.points.round(9).tolist() == [[4.0, 0.0], [0.0, 4.0]]
    assert [p.tolist() for p in front.policies] == [[0], [1]]


def test_gamma_close_to_one() -> None:
    m = random_model(np.random.default_rng(3), 6, 2, 2, discount=1 - 1e-7)
    front = convex_coverage_set(m, 1.0)
    assert front.complete
    for w in ([1, 0], [0.5, 0.5], [0, 1]):
        best = occupancy_optimum(m, w)
        assert abs((front.points @ w).max() - best) <= front.epsilon + 1e-6 * abs(best)
    for point, policy in zip(front.points, front.policies, strict=True):
        assert np.abs(evaluate(m, policy).start - point).max() <= front.provenance["error"] + 1e-2


def test_undiscounted_with_an_endless_gain_is_refused() -> None:
    stay_or_end = sparse.csr_array([[1.0, 0.0], [0.0, 1.0]])
    m = MOMDP(stay_or_end, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 2, 2]), 1.0, np.array([1.0, 0.0]))
    with pytest.raises(ModelError, match=r"'r0' is unbounded .* around state 0"):
        convex_coverage_set(m, 0.1)


def test_undiscounted_rest_without_reward_is_an_end() -> None:
    """An absorbing state that pays nothing (a gym-style goal) is worth 0, not endless."""
    t = sparse.csr_array([[0.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    m = MOMDP(t, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), np.array([0, 2, 3]), 1.0, np.array([1.0, 0.0]))
    front = convex_coverage_set(m, 1e-9)
    assert front.complete
    assert front.points.round(8).tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_undiscounted_endless_states_that_nobody_reaches_do_not_matter() -> None:
    t = sparse.csr_array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    m = MOMDP(t, np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([0, 1, 1, 2]), 1.0, np.array([1.0, 0.0, 0.0]))
    assert convex_coverage_set(m, 0.0).points.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("epsilon", [-1.0, float("nan")])
def test_epsilon_must_be_a_size(epsilon: float) -> None:
    with pytest.raises(ModelError, match="epsilon"):
        convex_coverage_set(random_model(np.random.default_rng(0), 3, 2, 2), epsilon)
