"""Utility and risk of the return of an episode, against the enumeration of all policies that see their rewards."""

import itertools
import time

import numpy as np
import pytest
from exact_models import RETURN_SCALE, scientific_discovery

from morl.exact import cvar, expected_utility, quantile, worst_cvar
from morl.exact.accrued import accrue
from morl.exact.deadline import OutOfTime
from morl.momdp import MOMDP
from morl.spec import ModelError, SpecError
from morl.utility import Lexicographic, Linear, WorstCase

CLIP = ((0.0, -12.0, 0.0), (1.0, 0.0, 1.0))


def clipped_worst(returns):
    low, high = RETURN_SCALE
    return np.clip((returns - low) / (high - low), 0.0, None).min(axis=-1)


def small_model(seed, horizon=2):
    """Two states, two actions, integer rewards that depend on the outcome."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(2), (2, 2))
    r = rng.integers(-1, 3, (2, 2, 2, 2)).astype(float)
    return MOMDP.from_arrays(p, r, discount=1.0, horizon=horizon)


def distributions(m):
    """The return distribution of every deterministic policy of (state, time, accrued reward)."""
    nodes = accrue(m)
    live = np.flatnonzero(~nodes.final)
    for choice in itertools.product(*(range(int(nodes.product.n_actions[i])) for i in live)):
        mass = np.array(nodes.product.start)
        for t in range(m.horizon):
            for i, a in zip(live, choice, strict=True):
                if nodes.time[i] == t and mass[i] > 0:
                    part = nodes.product.transitions[[int(nodes.product.row_ptr[i]) + a]].tocoo()
                    np.add.at(mass, part.col, mass[i] * part.data)
        yield nodes.collected[nodes.final], mass[nodes.final]


def cvar_of(u, p, alpha):
    order = np.argsort(u)
    u, p = u[order], p[order]
    share = np.clip(alpha - (np.cumsum(p) - p), 0.0, p)
    return float(share @ u) / alpha


def quantile_of(u, p, q):
    order = np.argsort(u)
    return float(u[order][np.searchsorted(np.cumsum(p[order]), q - 1e-9)])


@pytest.mark.parametrize("seed", range(5))
def test_against_all_policies(seed):
    m = small_model(seed)
    u = WorstCase()
    every = [(np.asarray(u(r)), p) for r, p in distributions(m)]
    found = expected_utility(m, u)
    assert found.value == pytest.approx(max(float(p @ x) for x, p in every))
    assert found.upper == found.value
    assert float(found.probabilities @ u(found.returns)) == pytest.approx(found.value)
    for level in (0.1, 0.35, 0.8, 1.0):
        risk = cvar(m, level, u)
        assert risk.value == pytest.approx(max(cvar_of(x, p, level) for x, p in every))
        assert cvar_of(np.asarray(u(risk.returns)), risk.probabilities, level) == pytest.approx(risk.value)
        median = quantile(m, level, u)
        assert median.value == pytest.approx(max(quantile_of(x, p, level) for x, p in every))
        assert quantile_of(np.asarray(u(median.returns)), median.probabilities, level) >= median.value - 1e-9


def test_scientific_discovery():
    m = scientific_discovery()
    found = expected_utility(m, clipped_worst, clip=CLIP)
    assert found.value == pytest.approx(0.3764, abs=1e-4)
    assert found.probabilities.sum() == pytest.approx(1.0)
    assert cvar(m, 1.0, clipped_worst, clip=CLIP).value == pytest.approx(found.value)
    values = [cvar(m, a, clipped_worst, clip=CLIP).value for a in (0.1, 0.3, 0.6)]
    assert values == sorted(values)


def test_linear_utility_needs_no_memory():
    from morl.exact import maximise

    m = scientific_discovery().with_horizon(5)
    u = Linear((0.5, 0.1, 0.4))
    assert expected_utility(m, u).value == pytest.approx(maximise(m, u).utility)


def test_discounted_process_is_bracketed():
    m = scientific_discovery().with_discount(0.7)
    u = WorstCase(scale=(tuple(RETURN_SCALE[0]), tuple(RETURN_SCALE[1])))
    coarse = expected_utility(m, u, grid=(0.05, 0.5, 0.1), tail=0.5)
    fine = expected_utility(m, u, grid=(0.01, 0.1, 0.02), tail=0.2)
    assert (coarse.error > 0).all()
    assert coarse.value <= fine.upper + 1e-9
    assert fine.value <= coarse.upper + 1e-9
    exact = expected_utility(m.with_horizon(3), u)
    gridded = expected_utility(m.with_horizon(3), u, grid=(0.02, 0.2, 0.02))
    assert gridded.value - 1e-9 <= exact.value <= gridded.upper + 1e-9
    assert not exact.error.any()


def test_the_policy_follows_its_rewards():
    m = small_model(3, horizon=3)
    found = expected_utility(m, WorstCase())
    rng = np.random.default_rng(0)
    total = []
    for _ in range(3000):
        found.policy.reset()
        s, collected = 0, np.zeros(2)
        for _ in range(3):
            row = int(m.row_ptr[s]) + found.policy.act(s)
            first, last = m.transitions.indptr[row], m.transitions.indptr[row + 1]
            j = int(rng.choice(np.arange(first, last), p=m.transitions.data[first:last]))
            collected += m.outcome_rewards[j]
            s = int(m.transitions.indices[j])
            found.policy.observe(m.outcome_rewards[j], s)
        total.append(collected.min())
        with pytest.raises(ModelError, match="over"):
            found.policy.act(s)
    assert np.mean(total) == pytest.approx(found.value, abs=5 * np.std(total) / np.sqrt(len(total)))


@pytest.mark.parametrize("seed", range(3))
def test_per_objective_risk_against_mixtures_of_all_policies(seed):
    from scipy.optimize import linprog

    m, alpha = small_model(seed), 0.5
    found, mixture, nodes = worst_cvar(m, alpha)
    levels = [np.unique(nodes.collected[nodes.final][:, i]) for i in range(2)]
    every = list(distributions(m))
    best = -np.inf
    for eta in itertools.product(*levels):
        scores = np.array([p @ (np.array(eta) - np.maximum(np.array(eta) - r, 0.0) / alpha) for r, p in every])
        n = len(scores)
        result = linprog(
            np.append(np.zeros(n), -1.0),
            A_ub=np.hstack([-scores.T, np.ones((2, 1))]),
            b_ub=np.zeros(2),
            A_eq=np.append(np.ones(n), 0.0)[None],
            b_eq=[1.0],
            bounds=[(0, None)] * n + [(None, None)],
        )
        best = max(best, -result.fun)
    assert found == pytest.approx(best, abs=1e-7)
    assert len(mixture.policies) <= 3


def test_what_is_too_large_or_senseless_is_refused():
    m = scientific_discovery()
    with pytest.raises(ModelError, match="clip"):
        expected_utility(m, clipped_worst, max_nodes=500)
    with pytest.raises(ModelError, match="grid"):
        expected_utility(m, clipped_worst, grid=0.1)
    for bad in (0.0, 1.5, -1.0, np.nan):
        with pytest.raises(SpecError):
            cvar(m, bad, clipped_worst, clip=CLIP)
        with pytest.raises(SpecError):
            quantile(m, bad, clipped_worst, clip=CLIP)
    with pytest.raises(SpecError):
        expected_utility(m, Lexicographic((0, 1, 2)), clip=CLIP)
    with pytest.raises(SpecError, match="shape"):
        expected_utility(m, lambda returns: 1.0, clip=CLIP)


def test_a_passed_time_limit_is_one_clear_line():
    m = MOMDP.from_arrays([[[0.5, 0.5]] * 2] * 2, np.arange(8.0).reshape(2, 2, 2), discount=1.0, horizon=4)
    for measure in (
        lambda limit: cvar(m, 0.1, WorstCase(), time_limit=limit),
        lambda limit: quantile(m, 0.5, WorstCase(), time_limit=limit),
        lambda limit: expected_utility(m, WorstCase(), time_limit=limit),
    ):
        assert measure(60.0).value == measure(None).value
        with pytest.raises(ModelError, match="out of time"):
            measure(0.0)


def test_the_worst_cvar_has_the_time_that_is_left(monkeypatch):
    """Its column generation gets the deadline, and what it returns after that is not taken for the best."""
    from morl.exact import risk

    given, known = [], risk.best_mixture

    def late(model, blocks, constraints, utility, deadline):
        given.append(deadline)
        found = known(model, blocks, constraints, utility, deadline)
        monkeypatch.setattr("morl.exact.deadline.time.monotonic", lambda: deadline + 1.0)
        return found

    monkeypatch.setattr(risk, "best_mixture", late)
    began = time.monotonic()
    with pytest.raises(OutOfTime, match="give a longer time limit"):
        worst_cvar(small_model(0), 0.5, time_limit=600.0)
    assert len(given) == 1
    assert given[0] >= began + 600.0
    monkeypatch.undo()
    assert np.isfinite(worst_cvar(small_model(0), 0.5, time_limit=600.0)[0])
