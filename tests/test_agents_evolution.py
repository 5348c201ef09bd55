"""Evolution: conformance, sequences in bulk against the stepped environment, and the minecart's front."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl.agents.core.problem import Problem
from morl.agents.evolution import ParetoEvolution
from morl.agents.search import sequences
from morl.agents.search.genotypes import Sequence, Table
from morl.pareto.indicators import hypervolume, nondominated_mask
from morl.spec import AgentError
from morl.testing.agents import CHECKS, Case

CART, STOCHASTIC = "morl/MinecartDeterministic-v0", "morl/Minecart-v0"
CASE = Case(ParetoEvolution, {"n_envs": 20, "population": 12}, optimum_steps=8000)
# Whole returns are all that evolution sees, so what would come after a time limit cannot be known.
NOT = {"truncation"}


@pytest.mark.parametrize("name", [n for n in CHECKS if n not in NOT])
def test_conforms(name: str) -> None:
    CHECKS[name](CASE)


def test_bulk_play_equals_stepping() -> None:
    problem = Problem(CART)
    dynamics = sequences.dynamics_of(problem)
    assert dynamics is not None
    rng = np.random.default_rng(0)
    chosen = sequences.random_runs(300, 60, 6, rng)
    returns, used, steps = sequences.play(dynamics, chosen, 0.98, rng)
    assert steps == np.where(used < 0, 60, used).sum()
    for i in np.flatnonzero(used > 0)[:20]:
        env = morl.make(CART)
        env.reset(seed=0)
        total, ended = np.zeros(3), False
        for t in range(used[i]):
            assert not ended
            _, reward, ended, _, _ = env.step(int(chosen[i, t]))
            total += 0.98**t * np.asarray(reward)
        assert ended
        np.testing.assert_allclose(returns[i], total, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_children_are_sequences(seed: int, longest: int, n_actions: int) -> None:
    rng = np.random.default_rng(seed)
    parents = rng.integers(0, n_actions, (5, longest))
    lengths = rng.integers(1, longest + 1, 5)
    parents[np.arange(longest) >= lengths[:, None]] = -1
    before = parents.copy()
    children = sequences.vary(parents, lengths, 40, n_actions, rng)
    assert children.shape == (40, longest)
    assert children.min() >= -1
    assert children.max() < n_actions
    np.testing.assert_array_equal(parents, before)
    np.testing.assert_array_equal(sequences.lengths(parents), lengths)


def test_filled_sequences_have_no_gaps() -> None:
    out = sequences.fill(np.array([[-1, 3, -1, -1], [2, -1, 0, -1]]))
    assert out.tolist() == [[0, 3, 3, 3], [2, 2, 0, 0]]


def test_selection_takes_whole_layers_in_order() -> None:
    values = np.random.default_rng(1).normal(size=(60, 2))
    two = sequences.select(values, 2, 1000)
    first = np.flatnonzero(nondominated_mask(values))
    assert set(two[: len(first)]) == set(first)
    rest = np.setdiff1d(np.arange(60), first)
    assert set(two[len(first) :]) == set(rest[nondominated_mask(values[rest])])
    assert len(sequences.select(values, 2, 3)) == 3


@pytest.mark.slow
def test_batches_finds_most_of_the_minecart_and_reports_only_what_it_plays() -> None:
    agent = ParetoEvolution(CART, seed=0, genotype="sequence", offspring=20_000, length=72)
    agent.learn(20_000_000)
    front = agent.front(episodes=1)
    assert hypervolume(front.points, front.ref_point) > 90  # the published front has 81.8
    np.testing.assert_allclose(
        hypervolume(agent.archive.values, front.ref_point), hypervolume(front.points, front.ref_point)
    )
    best = morl.make(CART).unwrapped.pareto_front()  # type: ignore[attr-defined]
    assert hypervolume(front.points, front.ref_point) <= hypervolume(best.points, best.ref_point) * 1.02


def test_batches_resumes_bit_for_bit(tmp_path: object) -> None:
    options = {"genotype": "sequence", "offspring": 300, "length": 60}
    one = ParetoEvolution(CART, seed=3, **options).learn(40_000)
    one.save(str(tmp_path))
    two = ParetoEvolution.load(str(tmp_path), CART)
    one.learn(40_000)
    two.learn(40_000)
    for name, array in one._state()[0].items():
        np.testing.assert_array_equal(array, two._state()[0][name])


def test_batches_averages_random_returns(tmp_path: Path) -> None:
    agent = ParetoEvolution(STOCHASTIC, seed=0, genotype="sequence", offspring=4000, length=60).learn(3_000_000)
    assert agent.noisy
    assert agent.parents.plays.min() >= 16
    estimated, played = agent.archive.values, agent._evaluator.evaluate(agent._policies(None), 400)
    assert len(estimated) > 3
    # No luck is reported: on average the promise is kept, and single ones within the noise of the fewest episodes.
    np.testing.assert_allclose((estimated - played.mean).mean(axis=0), 0.0, atol=0.02)
    spread = np.sqrt(np.einsum("mkk->mk", played.covariance) * 400 / 32).max()
    assert np.abs(estimated - played.mean).max() < 5 * spread
    agent.save(tmp_path)
    twin = ParetoEvolution.load(tmp_path, STOCHASTIC)
    agent.learn(300_000)
    twin.learn(300_000)
    np.testing.assert_array_equal(agent.archive.values, twin.archive.values)


def test_batches_refuses_other_genotypes() -> None:
    with pytest.raises(AgentError, match="batched dynamics"):
        ParetoEvolution(CART, seed=0, offspring=500, tuned=False).learn(1000)


def test_successive_halving_keeps_the_better_ones_and_counts_their_episodes() -> None:
    dynamics = sequences.dynamics_of(Problem(STOCHASTIC))
    assert dynamics is not None
    simulator = sequences.Simulator(dynamics, 0.98, np.random.default_rng(0), 1000)
    played_once = simulator.play(sequences.random_runs(4000, 60, 6, np.random.default_rng(1)))
    played = simulator.steps
    kept = sequences.successive_halving(simulator, played_once, 16)
    assert 0 < len(kept) <= len(played_once) // 16 + 1
    assert (kept.plays == 16).all()
    assert simulator.steps > played
    assert kept.means.sum(axis=1).mean() > played_once.means.sum(axis=1).mean()


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_spread_keeps_extremes_and_distances(seed: int, most: int) -> None:
    values = np.random.default_rng(seed).normal(size=(40, 3))
    chosen = sequences.spread(values, most)
    assert len(chosen) == most
    assert len(set(chosen.tolist())) >= most - 2  # one point may be best in several objectives
    if most >= 3:
        assert (values[chosen].max(axis=0) == values.max(axis=0)).all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["DeepSeaTreasureConcave-v0", "DeepSeaTreasureMirrored-v0", "FruitTree-v0"])
def test_finds_the_whole_front_of_finite_deterministic_environments(name: str, seed: int) -> None:
    agent = ParetoEvolution(f"morl/{name}", seed=seed).learn(300_000)
    assert isinstance(agent.genotype, Sequence)
    found, truth = agent.front().points, agent.problem.env.unwrapped.pareto_front().points
    np.testing.assert_allclose(found[np.lexsort(found.T)], truth[np.lexsort(truth.T)], atol=1e-9)


def test_chance_in_a_finite_model_makes_tables_of_actions() -> None:
    assert isinstance(ParetoEvolution("morl/ResourceGathering-v0", seed=0).genotype, Table)


@pytest.mark.parametrize("algorithm", ["nsga2", "nsga3", "moead"])
def test_selections_find_non_convex_points_of_the_concave_sea(algorithm: str) -> None:
    """Over eight seeds each finds two to six of the ten points; nearly all are on the exact front, none above."""
    several = 0
    for seed in range(3):
        agent = ParetoEvolution(
            "morl/DeepSeaTreasureConcave-v0", seed=seed, genotype="table", algorithm=algorithm, population=40
        )
        truth = agent.problem.env.unwrapped.pareto_front()
        points = agent.learn(60_000).front().points
        assert all((truth.points >= point - 1e-9).all(axis=1).any() for point in points)
        on_front = sum(np.abs(truth.points - point).max(axis=1).min() < 1e-9 for point in points)
        several += on_front >= 2
    assert several >= 2


@pytest.mark.parametrize(("genotype", "kind"), [("sequence", "open-loop"), ("table", "stationary")])
def test_a_front_names_the_class_of_its_policies(genotype: str, kind: str) -> None:
    agent = ParetoEvolution("morl/DeepSeaTreasure-v0", seed=0, genotype=genotype).learn(4000)
    assert agent.front().provenance["policy_class"] == f"{kind} deterministic"
