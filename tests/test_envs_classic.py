"""The finite benchmarks and ScientificDiscovery: dynamics by hand, closed-form values, exact fronts, custom maps."""

from __future__ import annotations

import numpy as np
import pytest

import morl
from morl.envs.classic.breakable_bottles import breakable_bottles
from morl.envs.classic.deep_sea_treasure import deep_sea_treasure, sea_map
from morl.envs.classic.fishwood import fishwood, utility
from morl.envs.classic.four_room import MAZE, four_room
from morl.envs.classic.fruit_tree import fruit_tree, fruits
from morl.envs.classic.resource_gathering import resource_gathering
from morl.envs.science.discovery import ACCURACY, INTERPRETABILITY, scientific_discovery
from morl.exact import evaluate
from morl.spec import EnvError

UP, DOWN, LEFT, RIGHT = range(4)


def play(env, actions, seed=0):
    """Total reward, observations and final flags of an action sequence."""
    observation, _ = env.reset(seed=seed)
    seen, total, flags = [np.asarray(observation).tolist()], 0.0, (False, False)
    for action in actions:
        observation, reward, *flags, _ = env.step(action)
        seen.append(np.asarray(observation).tolist())
        total = total + reward
    return total, seen, tuple(flags)


# ---- deep sea treasure ------------------------------------------------------------------------------------------


def test_deep_sea_treasure_by_hand() -> None:
    env = morl.make("morl/DeepSeaTreasure-v0")
    total, seen, flags = play(env, [UP, LEFT, DOWN])
    assert total.tolist() == [0.7, -3.0]
    assert seen == [[0, 0], [0, 0], [0, 0], [1, 0]]
    assert flags == (True, False)
    total, seen, _ = play(env, [RIGHT] * 9 + [DOWN] * 10)
    assert total.tolist() == [23.7, -19.0]
    assert play(env, [RIGHT, DOWN, DOWN])[0].tolist() == [8.2, -3.0]
    env.reset()
    for _ in range(100):
        moved = env.step(UP)
    assert moved[2:4] == (False, True)


@pytest.mark.parametrize(
    ("id", "points"),
    [
        ("morl/DeepSeaTreasure-v0", [(0.7, 1), (8.2, 3), (11.5, 5), (14.0, 7), (15.1, 8), (16.1, 9), (19.6, 13)]),
        ("morl/DeepSeaTreasureConcave-v0", [(1, 1), (2, 3), (3, 5), (5, 7), (8, 8), (16, 9), (24, 13)]),
        ("morl/DeepSeaTreasureMirrored-v0", [(1, 1), (2, 3), (3, 5), (5, 7), (8, 8), (16, 9), (24, 13)]),
    ],
)
@pytest.mark.parametrize("gamma", [1.0, 0.9])
def test_deep_sea_fronts_follow_from_distances(id: str, points: list[tuple[float, int]], gamma: float) -> None:
    """The shortest way of n steps to a treasure v is worth (v γⁿ⁻¹, −Σ γᵗ); the rest of the front goes on alike."""
    front = morl.make(id).pareto_front(gamma)
    assert len(front) == (10 if gamma == 1.0 else 9 if "Concave" in id or "Mirrored" in id else len(front))
    for value, n in points:
        expected = [value * gamma ** (n - 1), -sum(gamma**t for t in range(n))]
        nearest = np.abs(front.points - expected).max(axis=1).min()
        dominated = ((front.points >= np.array(expected) - 1e-9).all(axis=1)).any()
        assert nearest < 1e-9 or (gamma < 1 and dominated)


def test_custom_seas() -> None:
    problem = deep_sea_treasure([[0, 0, 5], [-1, 2, -1]])
    assert problem.spec.reward_high.tolist() == [5.0, -1.0]
    env = morl.make("morl/DeepSeaTreasure-v0", sea=[[0, 0, 5], [-1, 2, -1]])
    assert play(env, [DOWN, RIGHT, DOWN])[0].tolist() == [2.0, -3.0]
    assert play(env, [RIGHT, RIGHT])[0].tolist() == [5.0, -2.0]
    env = morl.make("morl/DeepSeaTreasure-v0", sea=[[0, 3]], float_state=True)
    assert play(env, [RIGHT])[1] == [[0.0, 0.0], [0.0, 1.0]]
    env = morl.make("morl/DeepSeaTreasureMirrored-v0", float_state=True)
    env.reset()
    for action in [LEFT] * 10 + [RIGHT] * 19:
        assert env.observation_space.contains(env.step(action)[0])


@pytest.mark.parametrize(
    ("sea", "match"),
    [
        ([], "expected a list of rows"),
        ([[0, 1], [0]], r"rows of \[2, 1\] cells"),
        ([[]], r"rows of \[0\] cells"),
        ([[0, 0], [0, -1]], "no treasure"),
        ([[0, -1, 5]], "no treasure can be reached"),
        ([[-1, 5]], "start cell .* is rock"),
        ([[5, 0]], "start cell .* is a treasure"),
        ([[0, "gold"]], "not numbers"),
        ([[0, float("nan")]], "NaN"),
        ([[[0], [1]]], "nested"),
        ("konvex", "'convex', 'concave', 'mirrored'"),
        (7, "expected a list of rows"),
        ([1, 2], "expected a list of cells"),
    ],
)
def test_maps_that_make_no_sense(sea: object, match: str) -> None:
    with pytest.raises(EnvError, match=match):
        deep_sea_treasure(sea)


def test_starts_that_make_no_sense() -> None:
    for start in ((0,), (0.5, 0), (11, 0), (-1, 0)):
        with pytest.raises(EnvError, match="start"):
            deep_sea_treasure("convex", start=start)
    assert sea_map("mirrored")[1] == (0, 10)


# ---- fruit tree -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [5, 6, 7])
def test_every_leaf_of_the_tree(depth: int) -> None:
    problem = fruit_tree(depth)
    assert problem.momdp.n_states == 2 ** (depth + 1) - 1
    env = morl.make("morl/FruitTree-v0", depth=depth)
    for leaf in (0, 1, 2**depth - 1, 2**depth // 3):
        turns = [(leaf >> i) & 1 for i in reversed(range(depth))]
        total, seen, flags = play(env, turns)
        assert total.tolist() == fruits(depth)[leaf].tolist()
        assert seen[-1] == [depth, leaf]
        assert flags == (True, False)


def test_no_fruit_dominates_another_and_the_front_is_discounted_once_less_than_the_depth() -> None:
    table = fruits(6)
    front = morl.make("morl/FruitTree-v0").pareto_front(0.99)
    assert len(front) == 64
    expected = table * 0.99**5
    assert np.abs(np.sort(front.points, axis=0) - np.sort(expected, axis=0)).max() < 1e-9
    assert front.hypervolume([-1] * 6) == pytest.approx(46034.8, abs=0.1)


# ---- resource gathering -----------------------------------------------------------------------------------------

SAFE = [UP, UP, LEFT, LEFT, UP, UP, RIGHT, RIGHT, LEFT, LEFT, DOWN, DOWN]
"""From home around the enemies to the gold, and back to the second row."""


def test_resource_gathering_by_hand() -> None:
    env = morl.make("morl/ResourceGathering-v0")
    total, seen, flags = play(env, [*SAFE, RIGHT, RIGHT, DOWN, DOWN])
    assert total.tolist() == [0.0, 1.0, 0.0]
    assert flags == (True, False)
    assert seen[8] == [0, 2, 1, 0]
    both = [*SAFE, RIGHT, RIGHT, RIGHT, RIGHT, UP, DOWN, LEFT, LEFT, DOWN, DOWN]
    assert play(env, both)[0].tolist() == [0.0, 1.0, 1.0]
    assert play(env, [DOWN])[2] == (True, False)  # bumping into the edge at home is coming home


def test_enemies_kill_one_time_in_ten() -> None:
    vec = morl.make_vec("morl/ResourceGathering-v0", 20_000, autoreset_mode="disabled")
    vec.reset(seed=0)
    for action in (UP, UP, UP):
        _, rewards, terminated, _, _ = vec.step(np.full(20_000, action))
    share = terminated.mean()
    assert share == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 20_000))
    assert (rewards[:, 0] == -1.0 * terminated).all()


def test_resource_gathering_value_of_a_risky_plan() -> None:
    """Straight to the gold through one enemy and back: closed form, by exact evaluation of the policy."""
    problem = resource_gathering()
    model = problem.momdp
    up = {(r, c, 0, 0): UP for r in range(5) for c in range(5)}
    down = {(r, c, 1, 0): DOWN for r in range(5) for c in range(5)}
    plan = up | down
    policy = np.array([plan.get(tuple(o), 0) for o in problem.observations.tolist()])
    value = evaluate(model, policy).start
    g = 0.9
    safety = -(0.1 * g**2 + 0.9 * 0.1 * g**4)
    gold = 0.9 * 0.9 * g**7
    assert value == pytest.approx([safety, gold, 0.0])


def test_resource_gathering_fronts() -> None:
    """At γ = 1 a safe way collects both; at γ = 0.9 time makes nine trade-offs."""
    env = morl.make("morl/ResourceGathering-v0")
    assert env.pareto_front(1.0).points.tolist() == [[0.0, 1.0, 1.0]]
    assert len(env.pareto_front(0.9)) == 9


# ---- breakable bottles ------------------------------------------------------------------------------------------


def test_breakable_bottles_by_hand() -> None:
    env = morl.make("morl/BreakableBottles-v0", drop=0.0)
    left, right, pick = 0, 1, 2
    trip = [left] * 4 + [pick, pick] + [right] * 4
    total, seen, flags = play(env, trip)
    assert total.tolist() == [-10.0, 50.0, 0.0]
    assert seen[6] == [0, 2, 0, 0, 0, 0]
    assert flags == (True, False)
    clumsy = morl.make("morl/BreakableBottles-v0", drop=1.0)
    total, seen, flags = play(clumsy, trip)
    assert total.tolist() == [-10.0, 25.0, -1.0]
    assert seen[-1] == [4, 0, 1, 1, 0, 0]
    assert flags == (False, False)
    again = morl.make("morl/BreakableBottles-v0", drop=1.0, unbreakable=True)
    total, _, flags = play(again, [*trip, left, left, left, pick, right, right, right])
    assert total.tolist() == [-17.0, 50.0, 0.0]
    assert flags == (True, False)


def test_dropping_has_its_probability_and_options_are_checked() -> None:
    model = breakable_bottles().momdp
    shares = model.transitions.data[model.transitions.data < 1.0]
    assert set(np.round(shares, 12)) == {0.1, 0.9}
    for options in ({"size": 2}, {"size": 2.5}, {"drop": 1.1}, {"drop": -0.1}):
        with pytest.raises(EnvError, match="expected"):
            breakable_bottles(**options)


# ---- fishwood ---------------------------------------------------------------------------------------------------


def test_fishwood_in_closed_form() -> None:
    """t steps at the river (after the first, always in the woods) are worth 0.1 t fish and 0.9 (200 − t) wood."""
    problem = fishwood()
    river = evaluate(problem.momdp, np.array([0, 0])).start
    woods = evaluate(problem.momdp, np.array([1, 1])).start
    assert river == pytest.approx([0.1 * 199, 0.9])
    assert woods == pytest.approx([0.0, 0.9 * 200])
    assert utility([[3.0, 9.0], [5.0, 5.0]]).tolist() == [3.0, 2.0]
    env = morl.make("morl/Fishwood-v0", wood=1.0, fish=0.0)
    total, seen, flags = play(env, [1] * 199 + [0])
    assert total.tolist() == [0.0, 200.0]
    assert flags == (False, True)
    assert seen[-1] == 0
    with pytest.raises(EnvError, match="probability"):
        fishwood(fish=2)


# ---- four rooms -------------------------------------------------------------------------------------------------


def test_four_room_on_a_map_that_can_be_counted() -> None:
    """One corridor, one shape: start, shape, goal: reachable states by hand."""
    problem = four_room(["_1G"])
    assert problem.momdp.n_states == 4  # start without it, shape with it, start with it, goal with it
    env = morl.make("morl/FourRoom-v0", maze=["_1G"])
    total, seen, flags = play(env, [2, 0, 2, 2])
    assert total.tolist() == [2.0, 1.0, 1.0]
    assert seen == [[0, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 1], [0, 2, 1]]
    assert flags == (True, False)
    problem = four_room(["_1G", "X2X", "_3 "])
    assert problem.momdp.start.max() == 0.5


def test_four_room_has_the_published_number_of_states() -> None:
    model = four_room().momdp
    assert model.n_states == 598_016
    assert model.transitions.nnz == model.n_rows == 4 * (598_016 - 4096)
    assert model.terminal.sum() == 4096
    assert model.rewards.max() == 1.0
    env = morl.make("morl/FourRoom-v0")
    total, seen, _ = play(env, [3, 1, 1, 1, 1, 1, 1])
    assert total.tolist() == [0.0, 0.0, 0.0]
    assert seen[-1][:2] == [7, 0]


@pytest.mark.parametrize(
    ("maze", "match"),
    [
        (["_1G", "_1"], "rows of"),
        ([], "list of rows"),
        (["1G"], "no start"),
        (["_1"], "0 goals"),
        (["_1GG"], "2 goals"),
        (["_G"], "0 shapes"),
        (["_G" + "1" * 15], "15 shapes"),
    ],
)
def test_mazes_that_make_no_sense(maze: list[str], match: str) -> None:
    with pytest.raises(EnvError, match=match):
        four_room(maze)
    assert len(MAZE) == 13


# ---- scientific discovery ---------------------------------------------------------------------------------------


def test_publishing_pays_accuracy_and_interpretability() -> None:
    env = morl.make("morl/ScientificDiscovery-v0")
    for state in range(9):
        env.reset(seed=0, options={"state": int(np.flatnonzero(env.observations == state)[0])})
        observation, reward, terminated, truncated, _ = env.step(0)
        model, evidence = divmod(state, 3)
        assert reward.tolist() == [ACCURACY[model][evidence] - 0.5, 0.0, INTERPRETABILITY[model]]
        assert (observation, terminated, truncated) == (state, True, False)


def test_discovery_values_in_closed_form() -> None:
    """Survey until evidence 1, then publish the mechanistic model: a geometric series by hand."""
    problem = scientific_discovery()
    seen = problem.observations
    policy = np.where(seen == 0, 1, 0)
    value = evaluate(problem.momdp, policy).start
    stay, up = 0.95 * 0.55, 0.95 * 0.45
    reach = up / (1 - stay)
    assert value == pytest.approx([0.08 * reach, -1 / (1 - stay), reach])
    start = scientific_discovery(random_start=True).momdp.start
    assert np.count_nonzero(start) == 9


def test_discovery_bounds_and_metadata() -> None:
    spec = morl.make("morl/ScientificDiscovery-v0").mo_spec
    assert spec.reward_low.tolist() == [0, -3, 0]
    assert spec.reward_high.tolist() == [0.5, 0, 1]
    assert spec.ref_point == (-0.05, -12.0, -0.05)
    assert spec.return_scale == ((0.0, -12.0, 0.0), (0.5, 0.0, 1.0))
    assert spec.horizon == 200


# ---- pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [e.id for e in morl.envs.entries() if e.build is not None])
def test_pictures_show_the_state(id: str) -> None:
    """Two states that are seen to differ are drawn to differ; drawing is repeatable."""
    env = morl.make(id, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.dtype == np.uint8
    assert (env.render() == first).all()
    rng = np.random.default_rng(1)
    for _ in range(6):
        if any(env.step(int(rng.integers(env.action_space.n)))[2:4]):
            env.reset()
    assert env.render().shape == first.shape
    text = morl.make(id, render_mode="ansi")
    text.reset(seed=0)
    assert len(text.render()) > 10
