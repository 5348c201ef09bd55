"""Clusters of atoms and ions: forces, symmetries, known minima, telescoping rewards, and the trade-off of (NaCl)₂."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.cluster_potential import (
    DEBYE,
    RHO,
    cluster,
    dipole_vector,
    pair_terms,
    pair_terms_plain,
)
from morl.envs.science.molecule import HORIZON, MoleculeDynamics, relaxation_policy
from morl.envs.science.molecule_fronts import energy_by_dipole, lowest_minimum, relax, structure_front
from morl.pareto.convexity import supported_mask
from morl.spec import EnvError

MoleculeRelaxation = partial(BatchedEnv.of, MoleculeDynamics)
MoleculeRelaxationVec = partial(BatchedVectorEnv.of, MoleculeDynamics)

CLUSTERS = [("lj", 2), ("lj", 7), ("lj", 13), ("nacl", 1), ("nacl", 2), ("nacl", 4)]


def scattered(kind: str, n: int, batch: int, seed: int = 0) -> tuple[MoleculeDynamics, Any]:
    dynamics = MoleculeDynamics(kind, n)
    return dynamics, dynamics.initial(batch, np.random.default_rng(seed), None)


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(q * np.sign(np.diag(r)))


@pytest.mark.parametrize(("kind", "n"), CLUSTERS)
def test_forces_are_minus_the_gradient_of_the_energy(kind: str, n: int) -> None:
    dynamics, state = scattered(kind, n, 3)
    x, c, h = state["position"], dynamics.cluster, 1e-5
    force = pair_terms(c, x)[1]
    for i in range(c.atoms):
        for k in range(3):
            up, down = x.copy(), x.copy()
            up[:, i, k] += h
            down[:, i, k] -= h
            slope = (pair_terms(c, up)[0] - pair_terms(c, down)[0]) / (2 * h)
            assert np.abs(force[:, i, k] + slope).max() < 1e-6 * max(1.0, np.abs(force).max())


@pytest.mark.parametrize(("kind", "n"), CLUSTERS)
def test_forces_sum_to_zero_and_exert_no_torque(kind: str, n: int) -> None:
    _, state = scattered(kind, n, 20)
    force, x = state["force"], state["position"]
    scale = 1.0 + np.abs(force).max()
    assert np.abs(force.sum(axis=1)).max() < 1e-12 * scale
    assert np.abs(np.cross(x, force).sum(axis=1)).max() < 1e-11 * scale


@pytest.mark.parametrize(("kind", "n"), CLUSTERS)
def test_compiled_and_plain_pair_sums_agree(kind: str, n: int) -> None:
    dynamics, state = scattered(kind, n, 50)
    for fast, plain in zip(
        pair_terms(dynamics.cluster, state["position"]),
        pair_terms_plain(dynamics.cluster, state["position"]),
        strict=True,
    ):
        np.testing.assert_allclose(fast, plain, rtol=1e-10, atol=1e-11)


@given(seed=st.integers(0, 10_000), case=st.sampled_from(CLUSTERS))
@settings(max_examples=25, deadline=None)
def test_rewards_and_observations_do_not_see_rotation_translation_or_exchange(seed: int, case: tuple[str, int]) -> None:
    """The same coefficients on a turned, moved and relabelled cluster earn the same rewards, step after step."""
    rng = np.random.default_rng(seed)
    dynamics = MoleculeDynamics(*case)
    c = dynamics.cluster
    x = dynamics.initial(1, rng, None)["position"][0]
    order = np.concatenate([rng.permutation(np.flatnonzero(c.charges == q)) for q in (1.0, -1.0, 0.0)])
    turned = (x @ rotation(rng).T + rng.normal(size=3) * 5)[order]
    one, two = (dynamics.initial(1, rng, {"positions": p}) for p in (x, turned))
    for _ in range(8):
        np.testing.assert_allclose(dynamics.observe(one), dynamics.observe(two), rtol=1e-4, atol=1e-4)
        action = rng.uniform(-0.5, 0.5, (1, dynamics.fields))
        a, b = dynamics.step(one, action, rng), dynamics.step(two, action, rng)
        np.testing.assert_allclose(a.rewards, b.rewards, atol=1e-7)
        one, two = a.state, b.state


def test_the_repulsion_is_that_of_fumi_and_tosi() -> None:
    """Lewis, Singer & Woodcock (1975), table of b, c, σ and ρ for NaCl; e²/4πε₀ is not part of it."""
    b, rho = 0.338e-19 / 1.602176634e-19, 0.317
    potential = cluster("nacl", 1)
    r = np.array([2.4, 3.2])
    for pair, c, sigma in (((0, 0), 1.25, 2 * 1.170), ((0, 1), 1.0, 1.170 + 1.585), ((1, 1), 0.75, 2 * 1.585)):
        ours = potential.repulsion[pair]
        assert ours == pytest.approx(b * c * np.exp(sigma / rho), rel=2e-3)
        np.testing.assert_allclose(ours * np.exp(-r / RHO), b * c * np.exp((sigma - r) / rho), rtol=0.015)


def test_the_sodium_chloride_molecule() -> None:
    energy, x = lowest_minimum("nacl", 1, starts=3)
    assert np.linalg.norm(x[0] - x[1]) == pytest.approx(2.3150, abs=1e-4)
    assert energy == pytest.approx(-5.3673, abs=1e-4)
    dipole = np.linalg.norm(dipole_vector(cluster("nacl", 1), x[None])[0])
    assert dipole == pytest.approx(11.119, abs=1e-3)


@pytest.mark.parametrize(("n", "energy"), [(2, -12.9387), (3, -20.3762), (4, -27.9151)])
def test_sodium_chloride_clusters(n: int, energy: float) -> None:
    """The rhombus, the ring and the cube: low energy, no dipole."""
    found, x = lowest_minimum("nacl", n, starts=40)
    assert found == pytest.approx(energy, abs=2e-4)
    assert np.linalg.norm(dipole_vector(cluster("nacl", n), x[None])[0]) < 1e-3


def test_the_linear_dimer_is_a_minimum_with_a_large_dipole() -> None:
    c = cluster("nacl", 2)
    line = np.zeros((4, 3))
    line[:, 0] = [0.0, 5.0, 2.4, 7.4]  # Na Na Cl Cl placed as Na-Cl-Na-Cl
    energy, x = relax(c, line)
    assert energy == pytest.approx(-12.0787, abs=1e-4)
    assert np.linalg.norm(dipole_vector(c, x[None])[0]) == pytest.approx(22.81, abs=0.01)


@pytest.mark.parametrize(
    ("n", "energy", "starts"),
    [(4, -6.0, 10), (5, -9.103852, 20), (6, -12.712062, 30), (7, -16.505384, 40), (13, -44.326801, 120)],
)
def test_lennard_jones_minima(n: int, energy: float, starts: int) -> None:
    assert lowest_minimum("lj", n, starts=starts)[0] == pytest.approx(energy, abs=1e-6)


def test_rewards_telescope_to_start_minus_end() -> None:
    env = MoleculeRelaxation("nacl", 2)
    rng = np.random.default_rng(3)
    env.reset(seed=5)
    first, total = env.state, np.zeros(4)
    for _ in range(30):
        _, reward, ended, _, _ = env.step(rng.uniform(-1, 1, 4))
        total += reward
        if ended:
            break
    last = env.state
    expected = [
        first["energy"] - last["energy"],
        np.log10(first["push"] / last["push"]),
        (first["gap"] - last["gap"]) / 11.12,
    ]
    np.testing.assert_allclose(total[:3], expected, atol=1e-9)
    assert total[3] == pytest.approx(-0.01 * int(last["step"]))


@pytest.mark.parametrize(("kind", "n"), [("nacl", 2), ("lj", 5)])
def test_a_crash_is_dominated_by_doing_nothing(kind: str, n: int) -> None:
    dynamics = MoleculeDynamics(kind, n)
    rng = np.random.default_rng(0)
    state = dynamics.initial(1, rng, None)
    total, crash = np.zeros(dynamics.mo_spec.k), np.zeros((1, dynamics.fields))
    crash[0, -2] = -1.0  # breathe in until atoms overlap
    for _ in range(HORIZON):
        moved = dynamics.step(state, crash, rng)
        total, state = total + moved.rewards[0], moved.state
        if moved.terminated[0]:
            break
    assert moved.info["overlap"][0]
    still = np.zeros(dynamics.mo_spec.k)
    still[-1] = -1.0
    assert np.all(total <= still + 1e-12)
    assert np.any(total < still)


def test_touching_atoms_never_make_a_nan() -> None:
    """Even two atoms on one spot: stepping on from an ended state is harmless."""
    dynamics = MoleculeDynamics("nacl", 2)
    rng = np.random.default_rng(0)
    state = dynamics.initial(2, rng, None)
    state["position"] = np.zeros_like(state["position"])
    with np.errstate(all="raise"):
        for _ in range(3):
            moved = dynamics.step(state, rng.uniform(-1, 1, (2, 4)), rng)
            state = moved.state
            assert moved.terminated.all()
            assert np.isfinite(moved.rewards).all()
            assert np.isfinite(dynamics.observe(state)).all()


@pytest.mark.parametrize("kind", ["nacl", "lj"])
def test_fields_are_what_the_table_says(kind: str) -> None:
    dynamics, state = scattered(kind, 3, 4)
    c, n = dynamics.cluster, dynamics.fields
    downhill = dynamics.displacement(state, np.tile([1.0] + [0.0] * (n - 1), (4, 1)))
    np.testing.assert_allclose(np.linalg.norm(downhill, axis=2).max(axis=1), 0.1)
    breathe = dynamics.displacement(state, np.tile([0.0] * (n - 2) + [1.0, 0.0], (4, 1)))
    np.testing.assert_allclose(np.linalg.norm(breathe, axis=2).max(axis=1), 0.05)
    if kind == "nacl":
        apart = dynamics.displacement(state, np.tile([0.0, 1.0, 0.0, 0.0], (4, 1)))
        grown = np.linalg.norm(dipole_vector(c, state["position"] + apart), axis=1)
        before = np.linalg.norm(state["dipole"], axis=1)
        np.testing.assert_allclose(grown - before, DEBYE * 0.1 * c.atoms, rtol=1e-9)


def test_vector_and_single_environments_agree() -> None:
    one, many = MoleculeRelaxation("nacl", 2), MoleculeRelaxationVec(1, "nacl", 2)
    a, _ = one.reset(seed=9)
    b, _ = many.reset(seed=9)
    np.testing.assert_array_equal(a, b[0])
    rng = np.random.default_rng(1)
    for _ in range(5):
        action = rng.uniform(-0.3, 0.3, 4)
        left, right = one.step(action), many.step(action[None])
        np.testing.assert_array_equal(left[0], right[0][0])
        np.testing.assert_array_equal(left[1], right[1][0])


def test_baselines_lie_inside_the_reference_box() -> None:
    dynamics = MoleculeDynamics("nacl", 2)
    rng = np.random.default_rng(0)
    ref = np.array(dynamics.mo_spec.ref_point)
    means = []
    for simple in (False, True):
        state, alive = dynamics.initial(200, rng, None), np.ones(200, dtype=bool)
        total = np.zeros((200, 4))
        for _ in range(HORIZON):
            actions = relaxation_policy(dynamics.observe(state)) if simple else rng.uniform(-1, 1, (200, 4))
            moved = dynamics.step(state, actions, rng)
            total += moved.rewards * alive[:, None]
            alive &= ~moved.terminated
            state = moved.state
        means.append(total.mean(axis=0))
        assert np.all(means[-1] > ref)
    assert means[1][0] > 5 > means[0][0]  # relaxing gains electron volts, stirring loses them


def test_low_energy_and_high_dipole_are_a_disconnected_trade_off() -> None:
    """The lowest energy at a given dipole rises to a barrier near 18 D and falls again to the linear dimer."""
    dipoles = np.array([10.0, 14.0, 18.0, 20.0, 22.8, 24.0])
    energy, places = energy_by_dipole(2, dipoles, starts=3)
    assert energy[2] == pytest.approx(-12.057, abs=0.004)
    assert energy[4] == pytest.approx(-12.0787, abs=1e-3)
    assert np.all(np.diff(energy[:3]) > 0)
    assert energy[4] < energy[3] < energy[2] < energy[5]
    c = cluster("nacl", 2)
    for target, e, x in zip(dipoles, energy, places, strict=True):  # the witnesses are what they claim to be
        assert pair_terms(c, x[None])[0][0] == pytest.approx(e, abs=1e-9)
        assert np.linalg.norm(dipole_vector(c, x[None])[0]) == pytest.approx(target, abs=1e-4)


def test_the_front_of_structures_has_a_gap_and_unsupported_points() -> None:
    front = structure_front(2, resolution=24, starts=3)
    dipole = 23.0 + front.points[:, 1]
    assert not np.any((dipole > 14.5) & (dipole < 22.0))
    assert dipole.min() < 0.1
    assert dipole.max() > 22.7
    assert np.sum(~supported_mask(front.points)) >= 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "water"}, "'lj' or 'nacl'"),
        ({"kind": "lj", "n": 14}, "2 to 13 atoms"),
        ({"kind": "nacl", "n": 5}, "1 to 4 ion pairs"),
        ({"kind": "lj", "n": 3, "target_dipole": 1.0}, "no charge"),
        ({"target_dipole": -1.0}, "0 to 55"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(EnvError, match=words):
        MoleculeRelaxation(**options)


def test_bad_positions_are_refused() -> None:
    env = morl.make("morl/MoleculeRelaxation-v0")
    for positions, words in [
        (np.zeros((4, 3)), "apart"),
        (np.zeros((3, 3)), "shape"),
        (np.full((4, 3), np.nan), "finite"),
        ("abc", "numbers"),
    ]:
        with pytest.raises(EnvError, match=words):
            env.reset(options={"positions": positions})


def test_pictures_and_text() -> None:
    for kind, n in (("nacl", 4), ("lj", 2)):
        env = MoleculeRelaxation(kind, n, render_mode="rgb_array")
        env.reset(seed=0)
        picture = env.render()
        assert picture.shape == (480, 480, 3)
        assert picture.dtype == np.uint8
        assert picture.std() > 5
    env.render_mode = "ansi"
    assert "E = " in env.render()
