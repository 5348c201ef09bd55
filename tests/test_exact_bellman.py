"""Values of policies of every kind, against fractions, simulation by hand and each other; refusals at γ = 1."""

import numpy as np
import pytest
from exact_models import all_policies, random_momdp, rational_value, scientific_discovery

from morl.exact import HistoryPolicy, Mixture, evaluate, evaluate_batch
from morl.exact.graph import certain_rows, end_components, longest_mean_life, proper_policy, refuse_unbounded
from morl.exact.oracle import best_policy
from morl.momdp import MOMDP
from morl.spec import ModelError


def chain(rewards, *, discount=1.0, ends=True):
    """One action per state, moving right; the last state ends or loops."""
    n = len(rewards)
    move = np.zeros((n, 1, n))
    for s in range(n - 1):
        move[s, 0, s + 1] = 1.0
    move[-1, 0, -1] = 1.0
    terminal = np.zeros(n, dtype=bool)
    terminal[-1] = ends
    return MOMDP.from_arrays(move, np.array(rewards, float).reshape(n, 1, -1), discount=discount, terminal=terminal)


def test_discounted_chain_by_hand():
    value = evaluate(chain([[1.0], [2.0], [0.0]], discount=0.5), np.zeros(3, int))
    assert value.start == pytest.approx([2.0])
    assert value.states[:, 0] == pytest.approx([2.0, 2.0, 0.0])
    assert value.error < 1e-14


def test_random_models_against_fractions():
    rng = np.random.default_rng(0)
    for _ in range(5):
        m = random_momdp(rng, 4, 2, 2, discount=0.75)
        for policy in all_policies(m):
            exact = np.array([float(x) for x in rational_value(m, policy)])
            value = evaluate(m, policy)
            assert np.abs(value.start - exact).max() <= value.error + 1e-16


def test_batch_agrees_with_single():
    m = random_momdp(np.random.default_rng(1), 12, 3, 3)
    policies = np.random.default_rng(2).integers(0, 3, (50, 12))
    assert evaluate_batch(m, policies) == pytest.approx(np.array([evaluate(m, p).start for p in policies]))


def test_stochastic_policy_is_not_the_mixture():
    m = random_momdp(np.random.default_rng(3), 5, 2, 2)
    a, b = np.zeros(5, int), np.ones(5, int)
    mixture = evaluate(m, Mixture([a, b], [0.5, 0.5])).start
    assert mixture == pytest.approx((evaluate(m, a).start + evaluate(m, b).start) / 2)
    coin = evaluate(m, np.full(m.n_rows, 0.5)).start
    assert not np.allclose(coin, mixture)


def test_horizon_and_time_dependent_policies():
    m = MOMDP.from_arrays([[[1.0], [1.0]]], [[[1.0, 0.0], [0.0, 1.0]]], discount=0.5, horizon=3)
    assert evaluate(m, np.array([0])).start == pytest.approx([1.75, 0.0])
    assert evaluate(m, np.array([[0], [1], [0]])).start == pytest.approx([1.25, 0.5])
    with pytest.raises(ModelError, match="horizon is 3"):
        evaluate(m, np.array([[0], [1]]))
    with pytest.raises(ModelError, match="with_horizon"):
        evaluate(m.with_horizon(None), np.array([[0], [1]]))


@pytest.mark.parametrize("n", [50, 900])
def test_sparse_and_dense_paths_have_small_certified_errors(n):
    m = random_momdp(np.random.default_rng(4), n, 1, 2, discount=0.99)
    value = evaluate(m, np.zeros(n, int))
    dense = np.linalg.solve(np.eye(n) - 0.99 * m.transitions.toarray(), m.rewards)
    assert np.abs(value.states - dense).max() < 1e-9
    assert value.error < 1e-8


def test_undiscounted_loops():
    rewarded = chain([[0.0], [-1.0]], ends=False)
    with pytest.raises(ModelError, match="without end"):
        evaluate(rewarded, np.zeros(2, int))
    resting = chain([[5.0], [0.0]], ends=False)
    assert evaluate(resting, np.zeros(2, int)).start == pytest.approx([5.0])


def test_a_loop_that_is_never_entered_does_no_harm():
    move = np.zeros((3, 2, 3))
    move[0, :, 2] = 1.0
    move[1, :, 1] = 1.0
    m = MOMDP.from_arrays(move, np.ones((3, 2, 1)), discount=1.0, terminal=[False, False, True])
    value = evaluate(m, np.zeros(3, int))
    assert value.start == pytest.approx([1.0])
    assert np.isnan(value.states[1, 0])


def test_a_loop_of_probability_zero_does_no_harm():
    m = MOMDP.from_arrays([[[0.0, 1.0]], [[0.0, 1.0]]], [[[3.0]], [[0.0]]], discount=1.0)
    assert evaluate(m, np.zeros(2, int)).start == pytest.approx([3.0])


def test_policies_that_do_not_fit_are_refused():
    m = random_momdp(np.random.default_rng(5), 3, 2, 2)
    for bad, text in (
        (np.array([0, 1, 2]), "action 2"),
        (np.array([0, 1]), "shape"),
        (np.array([0.5, 0.5, 0.0]), "shape"),
        (np.array([0.5, 0.4, 1.0, 0.0, 1.0, 0.0]), "sum to 0.9"),
        (np.array([1.5, -0.5, 1.0, 0.0, 1.0, 0.0]), "-0.5"),
    ):
        with pytest.raises(ModelError, match=text):
            evaluate(m, bad)
    with pytest.raises(ModelError):
        Mixture([], [])


def test_end_components_and_what_follows_from_them():
    m = scientific_discovery()
    assert end_components(m).count == 0
    assert longest_mean_life(m)[0] <= 20.0 * 1.01  # each step ends with probability 0.05 at least
    move = np.zeros((3, 2, 3))
    move[0, 0, 1] = move[0, 1, 2] = move[1, 0, 0] = move[1, 1, 2] = 1.0
    two = MOMDP.from_arrays(move, [[[-1.0], [0.0]]] * 3, discount=1.0, terminal=[False, False, True])
    assert end_components(two).count == 1
    refuse_unbounded(two, end_components(two))
    policy, sure = proper_policy(two)
    assert sure.all()
    assert evaluate(two, policy).start == pytest.approx([0.0])
    gain = MOMDP.from_arrays(
        move, [[[3.0], [0.0]], [[-2.0], [0.0]], [[0.0], [0.0]]], discount=1.0, terminal=[False, False, True]
    )
    with pytest.raises(ModelError, match=r"'r0' is unbounded .* around state 0"):
        best_policy(gain, [1.0])


def test_certain_rows_leave_the_model_alone():
    m, _ = MOMDP.from_simulator(0, 1, lambda s, a: [(0.5, 1, (1.0,), True), (0.5, 1, (3.0,), True)], discount=1.0)
    assert certain_rows(m).all()
    assert m.with_discount(0.5).outcome_rewards is not None


def test_best_policy_against_all_policies():
    rng = np.random.default_rng(6)
    for _ in range(10):
        m = random_momdp(rng, 5, 2, 2)
        w = rng.normal(size=2)
        best = max(float(w @ evaluate(m, p).start) for p in all_policies(m))
        policy, value = best_policy(m, w)
        assert w @ value.start == pytest.approx(best, abs=1e-11)
        assert evaluate(m, policy).start == pytest.approx(value.start)


def test_best_policy_where_some_policies_never_end():
    m = chain([[0.0, -1.0], [0.0, 0.0]])
    wait = MOMDP.from_arrays(
        [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]] * 2],
        [[[0.0, -1.0], [0.0, -2.0]], [[0.0, 0.0]] * 2],
        discount=1.0,
        terminal=[False, True],
    )
    assert best_policy(m, [1.0, 0.0])[1].start == pytest.approx([0.0, -1.0])
    assert best_policy(wait, [1.0, 0.0])[1].start == pytest.approx([0.0, -2.0])  # waiting costs without end


def test_a_history_policy_needs_its_protocol():
    from morl.exact import pareto_deterministic

    m = random_momdp(np.random.default_rng(7), 3, 2, 2).with_horizon(2)
    policy = (pareto_deterministic(m, "history").policies or ())[0]
    assert isinstance(policy, HistoryPolicy)
    with pytest.raises(ModelError, match="before act"):
        policy.observe(1)
    with pytest.raises(ModelError, match="no start state"):
        policy.act(2)
