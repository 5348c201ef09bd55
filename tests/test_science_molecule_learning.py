"""Searching relaxation policies, and the neural force field: replay, utilities, gradients, symmetries, conservation."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.cluster_potential import cluster, pair_terms
from morl.envs.science.force_field import Fit, fit, make_samples, verlet
from morl.envs.science.molecule import MoleculeDynamics
from morl.envs.science.molecule_search import cross_entropy, evolve_front, policy_features, rollouts
from morl.pareto.indicators import nondominated_mask
from morl.spec import EnvError

MoleculeRelaxation = partial(BatchedEnv.of, MoleculeDynamics)
MoleculeRelaxationVec = partial(BatchedVectorEnv.of, MoleculeDynamics)


@pytest.fixture(scope="module")
def trained() -> Fit:
    return fit(cluster("nacl", 2), make_samples(2, 200, np.random.default_rng(0)), epochs=3)


def replay(actions: np.ndarray, positions: np.ndarray, length: int) -> np.ndarray:
    env = MoleculeRelaxation("nacl", 2)
    env.reset(seed=0, options={"positions": positions})
    total = np.zeros(4)
    for t in range(length):
        _, reward, ended, truncated, _ = env.step(actions[t])
        total += reward
        assert (ended or truncated) == (t == length - 1)
    return total


def test_every_non_dominated_episode_replays_to_its_return() -> None:
    """Action sequences are witnesses: played in the environment from the same start they earn what is claimed."""
    dynamics = MoleculeDynamics("nacl", 2)
    start = dynamics.initial(1, np.random.default_rng(0))
    found = evolve_front(dynamics, start, np.random.default_rng(1), population=64, generations=6)
    assert len(found.returns) > 3
    assert nondominated_mask(np.round(found.returns, 3)).all()
    for i in range(0, len(found.returns), 5):
        got = replay(found.actions[i], start["position"][0], int(found.lengths[i]))
        np.testing.assert_allclose(got, found.returns[i], atol=1e-9)


def test_the_worst_case_ends_where_no_linear_utility_does() -> None:
    dynamics = MoleculeDynamics("nacl", 2)
    start = dynamics.initial(1, np.random.default_rng(0))
    energy, gap = float(start["energy"][0]), float(start["gap"][0])

    def normalised(r: np.ndarray) -> np.ndarray:
        return np.stack([(-(energy - r[:, 0]) - 12.0) / 0.94, 1 - (gap - 11.12 * r[:, 2]) / 23], axis=1)

    def ends(utility: object) -> tuple[float, float]:
        _, run = cross_entropy(
            dynamics,
            start,
            utility,
            np.random.default_rng(0),
            population=128,
            generations=15,  # type: ignore[arg-type]
        )
        return float(np.linalg.norm(run.final["dipole"][0])), float(normalised(run.returns).min())

    worst_dipole, worst_value = ends(lambda r: normalised(r).min(axis=1))
    assert 5 < worst_dipole < 14
    for weight in (0.2, 0.8):
        dipole, value = ends(lambda r, w=weight: normalised(r) @ [1 - w, w])
        assert dipole < 4 or dipole > 20
        assert value < worst_value - 0.1


def test_the_best_known_front_is_replayed_action_by_action() -> None:
    """Every witness, played in the environment itself, earns its point; nothing in the set dominates anything else."""
    env = morl.make("morl/MoleculeRelaxationDeterministic-v0")
    front = env.unwrapped.pareto_front()
    assert "best known" in front.provenance["algorithm"]
    assert not front.complete
    assert len(front) >= 200
    assert nondominated_mask(front.points).all()
    assert front.hypervolume() > 917.0
    for i in range(0, len(front), 40):
        env.reset(seed=i)  # the start does not depend on the seed
        total = np.zeros(4)
        for action in front.policies[i]:
            _, reward, ended, truncated, _ = env.step(action)
            total += reward
            if ended or truncated:
                break
        np.testing.assert_allclose(total, front.points[i], atol=1e-9)
    assert front.points[:, 0].max() > 9.4  # (NaCl)2 to its rhombus: −3.508 eV down to −12.939 eV
    halved = env.unwrapped.pareto_front(0.9)
    assert halved.discount == 0.9
    assert not hasattr(morl.make("morl/MoleculeRelaxation-v0").unwrapped, "pareto_front")


def test_fixed_starts() -> None:
    first, second = (MoleculeRelaxation("lj", 3, start_seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.reset(seed=0)[0], second.reset(seed=1)[0])
    vector = MoleculeRelaxationVec(3, "lj", 3, start_seed=7)
    np.testing.assert_array_equal(vector.reset(seed=2)[0], np.repeat(first.reset()[0][None], 3, axis=0))
    with pytest.raises(EnvError, match="start_seed"):
        MoleculeRelaxation(start_seed=-1)
    with pytest.raises(EnvError, match="no best-known front"):
        MoleculeRelaxation("nacl", 3, start_seed=0).pareto_front()


def test_rollouts_do_not_depend_on_their_neighbours() -> None:
    dynamics = MoleculeDynamics("lj", 4)
    start = dynamics.initial(1, np.random.default_rng(0))
    width = policy_features(dynamics, start).shape[1]
    weights = np.random.default_rng(1).normal(size=(8, dynamics.fields, width))
    whole = rollouts(dynamics, start, weights)
    for i in range(8):
        np.testing.assert_array_equal(rollouts(dynamics, start, weights[i : i + 1]).returns[0], whole.returns[i])


def test_searches_refuse_nonsense() -> None:
    dynamics = MoleculeDynamics("nacl", 1)
    start = dynamics.initial(1, np.random.default_rng(0))
    with pytest.raises(EnvError, match="at least 8"):
        cross_entropy(dynamics, start, lambda r: r[:, 0], np.random.default_rng(0), population=2)
    with pytest.raises(EnvError, match="at least one"):
        make_samples(1, 0, np.random.default_rng(0))


def test_samples_come_from_the_exact_potential() -> None:
    samples = make_samples(3, 50, np.random.default_rng(2))
    energy, force, _ = pair_terms(cluster("nacl", 3), samples.positions)
    np.testing.assert_array_equal(samples.energy, energy)
    np.testing.assert_array_equal(samples.force, force)
    assert samples.positions.shape == (50, 6, 3)


def test_learning_reduces_all_three_losses(trained: Fit) -> None:
    assert np.all(np.array(trained.losses[-1]) < np.array(trained.losses[0]))


def test_model_forces_are_minus_the_gradient_of_the_model_energy(trained: Fit) -> None:
    model, h = trained.model, 1e-5
    x = torch.tensor(make_samples(2, 5, np.random.default_rng(3)).positions)
    force = model(x)[1].detach()
    for i in range(4):
        for k in range(3):
            up, down = x.clone(), x.clone()
            up[:, i, k] += h
            down[:, i, k] -= h
            slope = (model.energy(up) - model.energy(down)).detach() / (2 * h)
            assert float((slope + force[:, i, k]).abs().max()) < 1e-6


def test_the_model_turns_with_the_cluster(trained: Fit) -> None:
    rng = np.random.default_rng(4)
    x = torch.tensor(make_samples(2, 6, rng).positions)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn = torch.tensor(q)
    e0, f0, d0 = (part.detach() for part in trained.model(x))
    e1, f1, d1 = (part.detach() for part in trained.model((x @ turn.T + 2.5)[:, [1, 0, 3, 2]]))
    torch.testing.assert_close(e0, e1)
    torch.testing.assert_close((f0 @ turn.T)[:, [1, 0, 3, 2]], f1)
    torch.testing.assert_close(d0 @ turn.T, d1)
    assert float(f0.sum(1).abs().max()) < 1e-10
    assert float(torch.linalg.cross(x, f0).sum(1).abs().max()) < 1e-9


def test_energy_drift_falls_with_the_square_of_the_step(trained: Fit) -> None:
    x = make_samples(2, 1, np.random.default_rng(5), hottest=1.0).positions[0]
    drift = [np.ptp(verlet(trained.model, x, np.zeros((4, 3)), step=h, steps=int(2 / h))[0]) for h in (0.04, 0.02)]
    assert 2.5 < drift[0] / drift[1] < 6.0
