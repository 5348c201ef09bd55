"""HP folding: walk counts, known optima, the counting identity, the exact front, and the tree as a finite model."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import morl
from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.science.folding import FoldingDynamics
from morl.envs.science.folding_chain import KNOWN_OPTIMA, most_contacts
from morl.envs.science.folding_exact import enumerate_folds, folding_front
from morl.pareto.indicators import nondominated_mask
from morl.spec import EnvError

HPFolding = partial(BatchedEnv.of, FoldingDynamics)
HPFoldingVec = partial(BatchedVectorEnv.of, FoldingDynamics)

NEIGHBOURS = {2: [(1, 0), (-1, 0), (0, 1), (0, -1)], 3: [v for v in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, v)) == 1]}  # fmt: skip # noqa: E501


def play(env: HPFolding, moves: Any, **options: Any) -> tuple[np.ndarray, bool]:
    env.reset(seed=0, options=options or None)
    for move in moves:
        _, reward, ended, _, _ = env.step(move)
        if ended:
            break
    return reward, ended


def tally(sites: list[tuple[int, ...]], kinds: str, dim: int) -> tuple[int, int, int, int]:
    """HH contacts, HP contacts, empty neighbours of H and of P, by looking around every residue."""
    where = {site: i for i, site in enumerate(sites)}
    hh = hp = empty_h = empty_p = 0
    for i, site in enumerate(sites):
        for step in NEIGHBOURS[dim]:
            j = where.get(tuple(a + b for a, b in zip(site, step, strict=True)))
            if j is None:
                empty_h += kinds[i] == "H"
                empty_p += kinds[i] == "P"
            elif j > i + 1:
                hh += kinds[i] == kinds[j] == "H"
                hp += kinds[i] != kinds[j]
    return hh, hp, empty_h, empty_p


@pytest.mark.parametrize(("bonds", "walks"), [(6, 780), (13, 881_500), (17, 46_466_676)])
def test_walk_counts_on_the_square_lattice(bonds: int, walks: int) -> None:
    assert enumerate_folds("H" * (bonds + 1)).walks == walks


@pytest.mark.parametrize(("bonds", "walks"), [(2, 30), (4, 726), (9, 1_853_886)])
def test_walk_counts_on_the_cubic_lattice(bonds: int, walks: int) -> None:
    """OEIS A001412."""
    assert enumerate_folds("H" * (bonds + 1), 3).walks == walks


@settings(max_examples=30, deadline=None)
@given(st.text("HP", min_size=3, max_size=11))
def test_no_fold_has_more_contacts_than_parity_allows(sequence: str) -> None:
    assert np.nonzero(enumerate_folds(sequence).best >= 0)[0].max() <= most_contacts(sequence)


def test_quoted_energies_respect_the_parity_bound() -> None:
    for sequence, energy in KNOWN_OPTIMA.items():
        assert 0 < -energy <= most_contacts(sequence)


@pytest.mark.parametrize("sequence", [s for s in KNOWN_OPTIMA if len(s) == 18])
def test_optimal_energies_of_the_18_mers(sequence: str) -> None:
    assert -np.nonzero(enumerate_folds(sequence).best >= 0)[0].max() == KNOWN_OPTIMA[sequence]


@pytest.mark.slow
@pytest.mark.parametrize("sequence", [s for s in KNOWN_OPTIMA if len(s) == 20])
def test_optimal_energies_of_the_20_mers(sequence: str) -> None:
    assert -np.nonzero(enumerate_folds(sequence).best >= 0)[0].max() == KNOWN_OPTIMA[sequence]


def test_lengths_of_the_standard_sequences() -> None:
    assert sorted(map(len, KNOWN_OPTIMA)) == [18, 18, 18, 20, 20, 24, 25, 36, 48, 50, 60, 64]


def test_the_front_of_an_18_mer_has_12_points_of_which_5_no_weight_singles_out() -> None:
    """Four are beaten by a mixture in every objective; the fifth lies on the hull, exactly between two others."""
    front = folding_front("HHPPPPPHHPPPHPPPHP")
    assert len(front) == 12
    assert front.complete
    assert front.points[:, 0].max() == 4
    assert front.supported is not None
    assert int((~front.supported).sum()) == 4
    weakly = 0
    for i, point in enumerate(front.points):
        others = np.delete(front.points, i, axis=0)
        n = len(others)
        mixture = linprog(np.zeros(n), A_ub=-others.T, b_ub=1e-9 - point, A_eq=np.ones((1, n)), b_eq=[1.0])
        weakly += mixture.status == 0
    assert weakly == 5


def test_every_point_of_the_front_is_earned_by_its_moves() -> None:
    for sequence, dim in [("HHPPPPPHHPPPHPPPHP", 2), ("HPHPPHHPHPPH", 3)]:
        env, front = HPFolding(sequence, dim), folding_front(sequence, dim)
        assert front.policies is not None
        for point, moves in zip(front.points, front.policies, strict=True):
            reward, ended = play(env, moves)
            assert ended
            np.testing.assert_allclose(reward, point, atol=1e-12)


@pytest.mark.parametrize(("sequence", "dim"), [("HPHPPHHPH", 2), ("HHPPHPH", 2), ("HPHPHH", 3)])
def test_the_front_equals_brute_force_over_all_move_strings(sequence: str, dim: int) -> None:
    env = HPFolding(sequence, dim)
    found = set()
    for moves in itertools.product(range(3 if dim == 2 else 5), repeat=len(sequence) - 2):
        reward, _ = play(env, moves)
        found.add(tuple(np.round(reward, 9)))
    points = np.array(sorted(found))
    expected = points[nondominated_mask(points)]
    got = np.round(folding_front(sequence, dim).points, 9)
    assert {tuple(p) for p in got} == {tuple(p) for p in expected}


@given(seed=st.integers(0, 100_000), dim=st.sampled_from([2, 3]), letters=st.text("HP", min_size=3, max_size=30))
@settings(max_examples=60, deadline=None)
def test_counting_identity_and_rewards_of_random_folds(seed: int, dim: int, letters: str) -> None:
    """Σ over H of z = 2·HH + HP contacts + chain bonds at H + empty neighbours of H, and rewards as counted by hand."""
    rng = np.random.default_rng(seed)
    env = HPFolding(letters, dim)
    _, info = env.reset(seed=0)
    ended, reward = False, np.zeros(3)
    while not ended:
        free = np.flatnonzero(info["action_mask"])
        _, reward, ended, truncated, info = env.step(int(rng.choice(free)))
        assert not truncated
    if env.state["trapped"]:
        np.testing.assert_array_equal(reward, [-1, -1, -(len(letters) ** 2 - 1) / 12 - 1])
        return
    sites = [tuple(int(v) for v in site) for site in env.state["position"]]
    assert len(set(sites)) == len(letters)
    hh, hp, empty_h, empty_p = tally(sites, letters, dim)
    n = len(letters)
    bonds = sum(1 if i in (0, n - 1) else 2 for i in range(n) if letters[i] == "H")
    assert 2 * dim * letters.count("H") == 2 * hh + hp + bonds + empty_h
    spread = np.mean(np.sum((np.array(sites) - np.mean(sites, axis=0)) ** 2, axis=1))
    np.testing.assert_allclose(reward, [hh, empty_p, -spread], atol=1e-9)
    assert np.all(reward >= env.reward_space.low)
    assert np.all(reward <= env.reward_space.high)


@pytest.mark.parametrize("n", [3, 8, 18, 64])
@pytest.mark.parametrize("dim", [2, 3])
def test_the_straight_chain_has_the_radius_of_gyration_of_a_rod(n: int, dim: int) -> None:
    reward, ended = play(HPFolding("P" * n, dim), [1] * (n - 2))
    assert ended
    np.testing.assert_allclose(reward, [0, (2 * dim - 2) * n + 2, -(n * n - 1) / 12])


def test_a_trapped_chain_is_dominated_by_the_straight_one() -> None:
    env = HPFolding("H" * 12)
    reward, ended = play(env, [0, 0, 0])  # a square: the chain bites itself
    assert ended
    straight, _ = play(env, [1] * 10)
    assert np.all(reward < straight)
    spiral = [0, 1, 0, 1, 0, 0]  # winds inwards to a site without a free neighbour
    reward, ended = play(env, spiral)
    assert ended
    assert env.state["trapped"]
    assert np.all(reward < straight)


@pytest.mark.parametrize("dim", [2, 3])
def test_random_and_hand_written_policies_lie_inside_the_reference_box(dim: int) -> None:
    rng, ref = np.random.default_rng(0), np.array(FoldingDynamics("HPPH" * 3, dim).mo_spec.ref_point)
    env, total = HPFolding("HPPH" * 3, dim), np.zeros(3)
    for episode in range(100):
        _, info = env.reset(seed=episode)
        ended = False
        while not ended:
            mask = info["action_mask"]
            _, reward, ended, _, info = env.step(int(rng.choice(np.flatnonzero(mask))) if mask.any() else 0)
        total += reward / 100
    straight, _ = play(env, [1] * 10)
    zigzag, _ = play(env, [0, 2] * 5)
    for point in (total, straight, zigzag):
        assert np.all(point > ref)


def test_the_mask_marks_exactly_the_free_sites() -> None:
    rng = np.random.default_rng(4)
    for dim in (2, 3):
        env = HPFolding("HP" * 9, dim)
        for episode in range(30):
            _, info = env.reset(seed=episode)
            ended = False
            while not ended:
                state, mask = env.state, info["action_mask"]
                taken = {tuple(p) for p in state["position"][: int(state["placed"])].tolist()}
                for move in range(len(mask)):
                    again = FoldingDynamics("HP" * 9, dim)
                    one = {key: value[None] for key, value in state.items()}
                    moved = again.step(one, np.array([move]), rng).state
                    grown = int(moved["placed"][0]) > int(state["placed"])
                    assert grown == bool(mask[move])
                    if grown:
                        assert tuple(moved["position"][0, int(state["placed"])].tolist()) not in taken
                _, _, ended, _, info = env.step(int(rng.integers(len(mask))))


def test_what_is_seen_does_not_depend_on_the_direction_of_the_chain() -> None:
    """A chain laid along another axis gives the same observations: turn positions and frame together."""
    rng = np.random.default_rng(0)
    dynamics = FoldingDynamics("HPHPPHHPHPPH", 3)
    state = dynamics.initial(1, rng)
    turn = np.array([[0, -1, 0], [0, 0, 1], [-1, 0, 0]])  # a proper rotation of the lattice
    assert np.linalg.det(turn) == pytest.approx(1)
    turned = dict(state)
    turned["position"] = (state["position"] @ turn.T).astype(np.int16)
    turned["frame"] = (state["frame"] @ turn.T).astype(np.int16)
    for move in (0, 3, 1, 2, 4, 1):
        state = dynamics.step(state, np.array([move]), rng).state
        turned = dynamics.step(turned, np.array([move]), rng).state
        np.testing.assert_array_equal(dynamics.observe(state), dynamics.observe(turned))


def test_compiled_and_plain_dynamics_are_equal() -> None:
    rng = np.random.default_rng(2)
    for dim in (2, 3):
        fast, plain = (FoldingDynamics("HPHPPHHPHP", dim, compiled=flag) for flag in (True, False))
        a, b = fast.initial(20, rng), plain.initial(20, rng)
        for _ in range(8):
            actions = rng.integers(0, fast.moves, 20)
            left, right = fast.step(a, actions, rng), plain.step(b, actions, rng)
            np.testing.assert_array_equal(left.rewards, right.rewards)
            np.testing.assert_array_equal(left.terminated, right.terminated)
            np.testing.assert_array_equal(fast.observe(left.state), plain.observe(right.state))
            a, b = left.state, right.state


def test_the_tree_of_a_short_chain_is_a_finite_model_with_the_same_front() -> None:
    env = HPFolding("HPHPPHHPH")
    model = env.momdp()
    assert env.observations.shape == (model.n_states, env.observation_space.shape[0])
    front = morl.solve(model, policies="history")
    exact = env.pareto_front()
    assert {tuple(np.round(p, 9)) for p in front.points} == {tuple(np.round(p, 9)) for p in exact.points}
    assert not hasattr(HPFolding(), "momdp")


def test_discounting_scales_the_front() -> None:
    env = HPFolding("HPHPPHHPH")
    np.testing.assert_allclose(env.pareto_front(0.5).points, env.pareto_front().points * 0.5**6)


def test_sequences_can_be_chosen_at_reset_or_at_random() -> None:
    env = HPFolding(["HPHP", "HHHHHH"], random_sequence=True)
    lengths = {int(env.reset(seed=s)[1]["action_mask"].size and env.state["length"]) for s in range(20)}
    assert lengths == {4, 6}
    reward, ended = play(HPFolding("PPPPPP"), [0, 0], sequence="HHHH")
    assert ended
    assert reward[0] == 1
    vector = HPFoldingVec(3, ["HPHP", "HHHHHH"], random_sequence=True)
    vector.reset(seed=0)
    for _ in range(10):
        vector.step(vector.action_space.sample())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("HPX",), "'X' at position 2"),
        (("hp",), "'h' at position 0"),
        (("HP",), "3 to 128"),
        (("H" * 129,), "129 residues"),
        ((7,), "expected|iterable"),
        (("HPH", 4), "dim is 4"),
    ],
)
def test_bad_sequences_are_refused(arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises((EnvError, TypeError), match=words):
        HPFolding(*arguments)


def test_what_cannot_be_enumerated_is_refused() -> None:
    with pytest.raises(EnvError, match="stops at 22"):
        HPFolding("HP" * 12).pareto_front()
    with pytest.raises(EnvError, match="expected 3 to 4"):
        HPFolding("HPHP").reset(options={"sequence": "HPHPHP"})
    with pytest.raises(EnvError, match="at random"):
        HPFolding(["HPHP", "HHHH"], random_sequence=True).pareto_front()


def test_pictures_and_text() -> None:
    for dim in (2, 3):
        env = HPFolding("HPPHPPHPPH", dim, render_mode="rgb_array")
        env.reset(seed=0)
        for move in (0, 1, 0):
            env.step(move)
        assert env.render().shape == (480, 480, 3)
        env.render_mode = "ansi"
        assert "5 of 10 residues" in env.render()
    two = HPFolding("HHHHH", 2, render_mode="ansi")
    two.reset(seed=0)
    two.step(0)
    two.step(0)
    assert two.render().splitlines()[1:] == ["H-H", "  |", "h-H"]
