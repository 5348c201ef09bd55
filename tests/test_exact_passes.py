"""Passes over the states in the order of their classes, against linear solves and sweeps of all states together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from morl.compiled import enabled
from morl.exact import convex_coverage_set, evaluate, maximise, passes
from morl.exact.bellman import chain_value, induced_chain, policy_value
from morl.exact.graph import almost_surely, strong_classes
from morl.exact.occupancy import row_visits
from morl.exact.oracle import Oracle, best_policy
from morl.exact.policy import as_stochastic
from morl.momdp import MOMDP
from morl.spec import ModelError
from morl.utility import Linear

compiled = pytest.mark.skipif(not enabled(), reason="numba is off")
KINDS = [(kind, discount) for kind in ("loops", "cycles", "rests") for discount in (1.0, 0.9)]


def model(seed: int, kind: str, discount: float, n: int = 24) -> MOMDP:
    """States lead down to a terminal one, and to themselves; with "cycles" also up, with "rests" some may stay free.

    The numbering is shuffled, successors are listed several times and some with probability 0.
    """
    rng = np.random.default_rng(seed)
    name = rng.permutation(n)
    rows: list[list[tuple[int, float]]] = []
    rewards, counts = [], np.zeros(n, dtype=np.int64)
    for s in np.argsort(name):  # states in the order of their names
        if s == 0:
            continue
        for a in range(int(rng.integers(1, 4))):
            counts[name[s]] += 1
            if a == 1 and kind == "rests" and s % 3 == 0:
                rows.append([(name[s], 1.0)])
                rewards.append([0.0, 0.0] if s % 2 else [-1.0, 0.0])
                continue
            high = n if kind == "cycles" and rng.random() < 0.3 else s
            targets = [0, s, *rng.integers(0, high, 4)]
            p = rng.dirichlet(np.ones(len(targets))) * (rng.random(len(targets)) < 0.8)
            p[0] += 0.05
            rows.append([(name[t], x) for t, x in zip(targets, p / p.sum(), strict=True)])
            rewards.append(list(-rng.integers(0, 9, 2).astype(float)))
    matrix = sparse.csr_array(
        (
            [x for row in rows for _, x in row],
            [t for row in rows for t, _ in row],
            np.cumsum([0, *map(len, rows)]),
        ),
        shape=(len(rows), n),
    )
    start = rng.dirichlet(np.ones(n))
    return MOMDP(matrix, np.array(rewards), np.concatenate([[0], np.cumsum(counts)]), discount, start)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_LARGE", 1)


def random_policies(m: MOMDP, rng: np.random.Generator) -> list[np.ndarray]:
    deterministic = np.where(m.terminal, 0, (rng.random(m.n_states) * m.n_actions).astype(int))
    mixed = rng.random(m.n_rows) * (rng.random(m.n_rows) < 0.6) + 1e-3
    return [deterministic, mixed / np.bincount(m.row_state, mixed, m.n_states)[m.row_state]]


@compiled
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("kind", "discount"), KINDS)
def test_values_and_visits_are_those_of_the_linear_systems(seed: int, kind: str, discount: float) -> None:
    m = model(seed, kind, discount)
    ready = passes.Passes.of(m)
    assert ready is not None
    assert ready.acyclic == (kind != "cycles" or strong_classes(m_graph(m))[0] == m.n_states)
    for policy in random_policies(m, np.random.default_rng(seed)):
        used = as_stochastic(m, policy)
        found = policy_value(ready, m, used)
        if found is None:
            assert not ready.acyclic
            continue
        values, _, life = chain_value(m, *induced_chain(m, used))
        np.testing.assert_allclose(found[0], values, rtol=0, atol=1e-11 * max(life, 1.0))
        assert found[1] <= 1e-9
        assert found[2] == pytest.approx(life, rel=1e-9)
        if not np.isnan(values).any():
            np.testing.assert_allclose(row_visits(m, policy, ready), row_visits(m, policy), rtol=0, atol=1e-10)
            assert evaluate(m, policy).start == pytest.approx(m.start @ values, abs=1e-9)


def m_graph(m: MOMDP) -> sparse.csr_array:
    """Adjacency of the states, by hand."""
    graph = np.zeros((m.n_states, m.n_states))
    coo = m.transitions.tocoo()
    np.add.at(graph, (m.row_state[coo.row], coo.col), coo.data)
    return sparse.csr_array(graph)


@compiled
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("kind", "discount"), KINDS)
def test_passes_and_sweeps_find_equally_good_policies(
    seed: int, kind: str, discount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = model(seed, kind, discount)
    rng = np.random.default_rng(seed)
    weights = [*np.eye(2), *rng.dirichlet(np.ones(2), 4)]
    plain, oracle = Oracle(m), None
    assert plain.passes is None
    monkeypatch.setattr(passes, "_LARGE", 1)
    oracle = Oracle(m)
    assert oracle.passes is not None
    for w in weights:
        slow, quick = plain.search(w), oracle.search(w)
        size = 1.0 + np.abs(slow.values).max()
        assert quick.values @ w == pytest.approx(slow.values @ w, abs=1e-10 * size)
        assert quick.short <= 1e-9 * size
        assert evaluate(m, oracle.policy(quick.rows)).start == pytest.approx(
            oracle.model.start @ quick.values, abs=1e-9
        )


@compiled
@pytest.mark.parametrize("kind", ["loops", "cycles", "rests"])
def test_constraints_and_fronts_do_not_depend_on_the_way(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(4):
        m = model(seed, kind, 1.0)
        front = convex_coverage_set(m, 0.0)
        bound = float(front.points[:, 1].mean())
        best = maximise(m, Linear((1.0, 0.0)), [("r1", ">=", bound)])
        with monkeypatch.context() as inside:
            inside.setattr(passes, "_LARGE", 1)
            again = convex_coverage_set(m, 0.0)
            found = maximise(m, Linear((1.0, 0.0)), [("r1", ">=", bound)])
        assert sorted(again.points.round(7).tolist()) == sorted(front.points.round(7).tolist())
        assert found.utility == pytest.approx(best.utility, abs=1e-7)
        assert found.gap <= 1e-6
        assert (found.policy is None) == (best.policy is None)


@compiled
@pytest.mark.usefixtures("small")
def test_reward_without_end_is_refused_and_rest_is_worth_nothing() -> None:
    # 0: to 1 or 2, half each; 1: stays for nothing, or is paid for ever; 2: ends
    matrix = np.array([[0, 0.5, 0.5, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    m = MOMDP(
        sparse.csr_array(matrix), np.array([[1.0], [0.0], [-1.0], [2.0]]), np.array([0, 1, 3, 4, 4]), 1.0, np.eye(4)[0]
    )
    assert evaluate(m, [0, 0, 0, 0]).start == pytest.approx([2.0])
    with pytest.raises(ModelError, match="without end"):
        evaluate(m, [0, 1, 0, 0])


def test_plain_code_answers_where_nothing_can_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_LARGE", 1)
    monkeypatch.setattr(passes, "enabled", lambda: False)
    assert Oracle(model(0, "loops", 1.0)).passes is None


def test_successors_listed_twice_end_the_search_of_classes() -> None:
    twice = sparse.csr_array((np.full(4, 0.5), np.array([2, 2, 2, 1]), np.array([0, 2, 4, 4])), shape=(3, 3))
    assert strong_classes(twice)[0] == 3
    assert twice.nnz == 4
    m = MOMDP(twice[:2], np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([0, 1, 2, 2]), 1.0, np.array([0.5, 0.5, 0.0]))
    assert best_policy(m, [1.0, 1.0])[1].start == pytest.approx([3.5, 0.0])
    rng = np.random.default_rng(0)
    for _ in range(300):
        n, size = int(rng.integers(1, 8)), int(rng.integers(0, 20))
        dense = np.zeros((n, n))
        source, target = np.sort(rng.integers(0, n, size)), rng.integers(0, n, size)
        np.add.at(dense, (source, target), 1.0)
        ptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
        count, label = strong_classes(sparse.csr_array((np.ones(size), target, ptr), shape=(n, n)))
        reach = np.linalg.matrix_power(np.eye(n) + dense, n) > 0
        assert np.array_equal(label[:, None] == label, reach & reach.T)
        assert (label[source] >= label[target]).all()
        assert count == len(np.unique(label))


@pytest.mark.parametrize("seed", range(6))
def test_the_way_that_surely_arrives_does(seed: int) -> None:
    m = model(seed, "rests", 1.0)
    rows, sure = almost_surely(m, m.terminal)
    assert sure.all()  # every state has an action that may lead down
    assert (m.row_state[rows[~m.terminal]] == np.flatnonzero(~m.terminal)).all()
    chain = np.zeros((m.n_states, m.n_states))
    chain[~m.terminal] = m.transitions[rows[~m.terminal]].toarray()
    chain[m.terminal, m.terminal] = 1.0
    assert np.linalg.matrix_power(chain, 4096)[:, m.terminal].sum(axis=1) == pytest.approx(1.0)
