"""The minecart: physics by hand, seeds, both env kinds, the best known front, and the reference suite step by step."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morl.envs.batched import BatchedEnv, BatchedVectorEnv
from morl.envs.control import minecart_kernels as kernels
from morl.envs.control.minecart import ACTIONS, MINES, MinecartDynamics
from morl.envs.control.minecart_front import witnesses
from morl.spec import EnvError

Minecart = partial(BatchedEnv.of, MinecartDynamics)
MinecartVector = partial(BatchedVectorEnv.of, MinecartDynamics)

MINE, LEFT, RIGHT, ACCELERATE, BRAKE, NOTHING = range(6)


def play(
    env: Minecart, actions: list[int] | tuple[int, ...], seed: int = 0
) -> tuple[np.ndarray, list[np.ndarray], bool]:
    observation, _ = env.reset(seed=seed)
    rewards, ended = [], False
    for action in actions:
        assert not ended, "the trip ended before its actions did"
        observation, reward, ended, truncated, _ = env.step(action)
        assert not truncated
        rewards.append(reward)
    return observation, rewards, ended


def test_first_steps_by_hand() -> None:
    env = Minecart(stochastic=False)
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(
        observation, np.array([0, 0, 0, math.sin(math.pi / 4), math.cos(math.pi / 4), 0, 0], np.float32)
    )
    observation, reward, *_ = env.step(ACCELERATE)
    travelled = 0.0075 * (1 + 2 + 3 + 4)
    np.testing.assert_allclose(observation[:3], [travelled / math.sqrt(2)] * 2 + [0.03], rtol=1e-6)
    np.testing.assert_allclose(reward, [0, 0, -4 * 0.03])
    observation, reward, *_ = env.step(RIGHT)
    np.testing.assert_allclose(observation[3:5], [math.sin(math.radians(85)), math.cos(math.radians(85))], rtol=1e-6)
    np.testing.assert_allclose(reward, [0, 0, -4 * 0.005])
    observation, *_ = env.step(BRAKE)
    assert observation[2] == 0


def test_mining_fills_up_to_the_capacity_and_is_paid_on_return() -> None:
    env = Minecart(stochastic=False)
    env.reset(seed=0)
    env._state["cart"][0, :2] = MINES[1, :2]  # at the second mine, which yields 0.15 and 0.1 a frame
    observation, reward, *_ = env.step(MINE)
    np.testing.assert_allclose(observation[5:], np.array([0.6, 0.4]) / 1.5, rtol=1e-6)
    np.testing.assert_allclose(reward, [0, 0, -4 * 0.055])
    observation, *_ = env.step(MINE)
    np.testing.assert_allclose(observation[5:], [0.6, 0.4], rtol=1e-6)
    assert env.state["cart"][kernels.ORE_0 : kernels.ORE_1 + 1].sum() == pytest.approx(1.5)
    env._state["cart"][0, :4] = [0.12, 0.12, 0.2, 225.0]  # almost home, heading for the corner
    observation, reward, terminated, truncated, _ = env.step(NOTHING)
    assert terminated
    assert not truncated
    np.testing.assert_allclose(reward, [0.9, 0.6, -0.02])
    assert observation[5:].tolist() == [0, 0]


@pytest.mark.parametrize(("place", "moving"), [((0.5, 0.5), 0.0), ((0.16, 0.84), 0.05), ((0.16, 0.69), 0.0)])
def test_mining_elsewhere_or_moving_yields_nothing(place: tuple[float, float], moving: float) -> None:
    env = Minecart(stochastic=False)
    env.reset(seed=0)
    env._state["cart"][0, :3] = [*place, moving]
    observation, reward, *_ = env.step(MINE)
    assert observation[5:].tolist() == [0, 0]
    assert reward[2] == pytest.approx(-0.22)


def test_walls_keep_the_cart_in_and_turn_it_along() -> None:
    env = Minecart(stochastic=False)
    env.reset(seed=0)
    env._state["cart"][0, :4] = [1.0, 0.5, 0.1, 45.0]
    env.step(NOTHING)
    cart = env.state["cart"]
    assert cart[kernels.X] == 1.0
    assert cart[kernels.Y] > 0.5
    assert cart[kernels.HEADING] == 45 + 4 * 10
    assert cart[kernels.SPEED] < 0.1


def test_a_seed_fixes_the_episode_whatever_the_global_generator_does() -> None:
    actions = [RIGHT, ACCELERATE, ACCELERATE, ACCELERATE, ACCELERATE, BRAKE, MINE, MINE]
    env = Minecart()
    first, rewards, _ = play(env, actions, seed=3)
    np.random.seed(1)  # noqa: NPY002  # disturbed on purpose
    again, same, _ = play(Minecart(), actions, seed=3)
    other = Minecart()
    other.reset(seed=4)
    other._state["cart"][0, :2] = MINES[2, :2]
    twin = Minecart()
    twin.reset(seed=5)
    twin._state["cart"][0, :2] = MINES[2, :2]
    assert other.step(MINE)[0][5] != twin.step(MINE)[0][5], "two seeds gave the same yields"
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(rewards, same)
    env.step(MINE)  # a continued episode, reseeded, repeats as well
    np.testing.assert_array_equal(play(env, actions, seed=3)[0], first)


def test_random_yields_have_the_stated_mean_and_deviation() -> None:
    dynamics = MinecartDynamics(capacity=100.0)
    n = 20_000
    state = dynamics.initial(n, np.random.default_rng(0))
    state["cart"][:, :2] = MINES[0, :2]
    loads = dynamics.step(state, np.zeros(n, int), np.random.default_rng(1)).state["cart"][:, 4:6]
    assert loads[:, 0].mean() == pytest.approx(4 * 0.2, abs=4 * 0.1 / math.sqrt(n))
    assert loads[:, 0].std() == pytest.approx(2 * 0.05, rel=0.03)
    assert loads[:, 1].mean() == pytest.approx(4 * 0.05 / math.sqrt(2 * math.pi), rel=0.03)  # half-normal, cut at 0
    assert state["cart"][0, 4] == 0, "the old state was changed"


def test_vector_env_moves_every_copy_like_the_single_one() -> None:
    n, rng = 16, np.random.default_rng(0)
    vector = MinecartVector(n, stochastic=False)
    singles = [Minecart(stochastic=False) for _ in range(n)]
    seen, _ = vector.reset(seed=0)
    np.testing.assert_array_equal(seen, [env.reset(seed=0)[0] for env in singles])
    done, endings = np.zeros(n, bool), 0
    for _ in range(300):
        actions = rng.choice(6, n, p=[0.05, 0.1, 0.35, 0.2, 0.05, 0.25])
        seen, rewards, terminated, truncated, _ = vector.step(actions)
        for i, env in enumerate(singles):
            if done[i]:
                expected = (env.reset()[0], np.zeros(3), False, False)
            else:
                expected = env.step(actions[i])[:4]
            np.testing.assert_array_equal(seen[i], expected[0])
            np.testing.assert_array_equal(rewards[i], expected[1])
            assert (terminated[i], truncated[i]) == expected[2:]
        done = terminated | truncated
        endings += int(done.sum())
    assert endings > 10


def test_one_copy_of_the_vector_env_shares_the_single_env_s_random_stream() -> None:
    single, vector = Minecart(), MinecartVector(1)
    single.reset(seed=7)
    vector.reset(seed=7)
    for action in (RIGHT, ACCELERATE, ACCELERATE, ACCELERATE, ACCELERATE, BRAKE, MINE, MINE, MINE):
        np.testing.assert_array_equal(single.step(action)[0], vector.step(np.array([action]))[0][0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=120), st.integers(0, 2**31))
def test_spaces_contain_everything(actions: list[int], seed: int) -> None:
    env = Minecart()
    observation, _ = env.reset(seed=seed)
    assert env.observation_space.contains(observation)
    for action in actions:
        observation, reward, terminated, _, _ = env.step(action)
        assert env.observation_space.contains(observation)
        assert env.reward_space.contains(reward)
        assert reward.dtype == np.float64
        if terminated:
            break


def test_time_limit_truncates() -> None:
    env = Minecart(max_steps=5)
    env.reset(seed=0)
    flags = [env.step(NOTHING)[2:4] for _ in range(5)]
    assert flags == [(False, False)] * 4 + [(False, True)]
    with pytest.raises(EnvError, match="after the episode ended"):
        env.step(NOTHING)


@pytest.mark.parametrize("action", [-1, 6, 2.5, math.nan, "mine", None])
def test_invalid_actions_are_refused(action: object) -> None:
    env = Minecart()
    env.reset(seed=0)
    with pytest.raises(EnvError, match="expected an integer from 0 to 5"):
        env.step(action)
    env.step(NOTHING)  # still usable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity": 0}, "capacity is 0"),
        ({"frames": 0}, "frames is 0"),
        ({"mines": [[1, 2]]}, r"shape \(1, 2\)"),
        ({"mines": "x"}, "mines have shape"),
        ({"mines": [[0.5, 0.5, 0.1, -1, 0.1, 0]]}, "out of range"),
    ],
)
def test_wrong_parameters_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        Minecart(**arguments)


def test_own_mines() -> None:
    env = Minecart(mines=[[0.0, 0.5, 0.3, 0.0, 0.0, 0.0]])
    env.reset(seed=0)
    env._state["cart"][0, :2] = [0.0, 0.5]
    assert env.step(MINE)[0][5] == pytest.approx(1.2 / 1.5)
    with pytest.raises(EnvError, match="best-known front"):
        env.pareto_front()


# ---- the best known front ---------------------------------------------------------------------------------


def test_every_witness_earns_its_point_in_a_real_rollout() -> None:
    env = Minecart(stochastic=False)
    front = env.pareto_front()
    assert front.policies is not None
    for point, actions in zip(front.points, front.policies, strict=True):
        _, rewards, ended = play(env, actions)
        assert ended
        np.testing.assert_allclose(0.98 ** np.arange(len(rewards)) @ np.array(rewards), point, rtol=0, atol=1e-12)


def test_best_known_front_is_as_good_as_claimed() -> None:
    front = Minecart(stochastic=False).pareto_front()
    assert front.hypervolume() > 103.2
    assert not front.complete
    assert len(front) == len(front.nondominated())
    assert front.discount == 0.98


def test_tools_find_the_front_by_its_usual_name_where_there_is_one() -> None:
    assert hasattr(Minecart(stochastic=False), "pareto_front")
    np.testing.assert_array_equal(
        MinecartVector(2, stochastic=False).pareto_front(1.0).points,
        Minecart(stochastic=False).pareto_front(gamma=1.0).points,
    )
    assert not hasattr(Minecart(), "pareto_front")
    assert not hasattr(Minecart(stochastic=False, capacity=2.0), "pareto_front")


def test_two_mine_trips_are_on_the_front() -> None:
    """A trip that stops twice to mine, with driving between: what a front of single-mine trips misses."""

    def stops(actions: tuple[int, ...]) -> int:
        text = "".join(map(str, actions)).strip("".join(map(str, (LEFT, RIGHT, ACCELERATE, NOTHING))))
        return sum(1 for part in text.split(str(ACCELERATE)) if str(MINE) in part)

    front = Minecart(stochastic=False).pareto_front()
    assert front.policies is not None
    assert max(stops(actions) for actions in front.policies) >= 2


def test_the_front_under_another_discount() -> None:
    undiscounted = Minecart(stochastic=False).pareto_front(1.0)
    assert undiscounted.points[:, :2].sum(axis=1).max() == pytest.approx(1.5)
    with pytest.raises(EnvError, match="discount is 2"):
        Minecart(stochastic=False).pareto_front(2)
    with pytest.raises(EnvError, match="stochastic=False"):
        Minecart().pareto_front()


def test_witnesses_are_distinct_action_sequences() -> None:
    found = witnesses()
    assert len(set(found)) == len(found) > 50
    assert {a for sequence in found for a in sequence} <= set(range(len(ACTIONS)))


# ---- pictures ---------------------------------------------------------------------------------------------


def test_pictures_follow_the_cart() -> None:
    env = Minecart(render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    assert before.dtype == np.uint8
    assert before.ndim == 3
    for _ in range(4):
        env.step(ACCELERATE)
    assert (env.render() != before).any()
    text = Minecart(render_mode="ansi")
    text.reset(seed=0)
    assert "↘" in text.render()
    assert "speed 0.000" in text.render()


# ---- the reference suite ----------------------------------------------------------------------------------


class _Fed:
    """A yield distribution that takes its deviates from a list."""

    def __init__(self, mean: float, deviation: float, source: list[float]) -> None:
        self.mean, self.deviation, self.source = mean, deviation, source

    def rvs(self) -> float:
        return self.mean + self.deviation * self.source.pop(0)


@pytest.mark.peers
@pytest.mark.parametrize("stochastic", [False, True])
def test_same_trajectories_as_mo_gymnasium(stochastic: bool) -> None:
    """2000 random episodes, bit for bit in state and observation; the reference is fed our random numbers."""
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    theirs = mo_gymnasium.make("minecart-v0" if stochastic else "minecart-deterministic-v0").unwrapped
    ours = Minecart(stochastic=stochastic)
    source: list[float] = []
    if stochastic:
        for mine in theirs.mines:
            mine.distributions = [_Fed(*d.args, source) for d in mine.distributions]
    rng, endings = np.random.default_rng(0), 0
    for episode in range(2000):
        np.testing.assert_array_equal(theirs.reset(seed=episode)[0], ours.reset(seed=episode)[0])
        taste = rng.dirichlet(np.full(6, 0.5))
        for _ in range(50):
            action = int(rng.choice(6, p=taste))
            if stochastic:
                ahead = np.random.default_rng()
                ahead.bit_generator.state = ours.np_random.bit_generator.state
                source[:] = ahead.standard_normal(8).tolist()
            seen, reward, ended, *_ = theirs.step(action)
            observation, rewards, terminated, *_ = ours.step(action)
            cart = theirs.cart
            full = [*cart.pos, cart.speed, cart.angle, *cart.content]
            np.testing.assert_array_equal(ours.state["cart"][:6], full)
            np.testing.assert_array_equal(observation, seen)
            np.testing.assert_allclose(rewards, reward, rtol=0, atol=1e-7)
            assert terminated == ended
            if ended:
                endings += 1
                break
    assert endings > 200


@pytest.mark.peers
def test_witnesses_hold_in_mo_gymnasium_and_beat_its_published_front() -> None:
    mo_gymnasium = pytest.importorskip("mo_gymnasium")
    from morl.pareto.front import Front

    theirs = mo_gymnasium.make("minecart-deterministic-v0").unwrapped
    front = Minecart(stochastic=False).pareto_front()
    assert front.policies is not None
    for point, actions in zip(front.points, front.policies, strict=True):
        theirs.reset(seed=0)
        rewards = np.array([theirs.step(action)[1] for action in actions], dtype=np.float64)
        np.testing.assert_allclose(0.98 ** np.arange(len(rewards)) @ rewards, point, rtol=0, atol=1e-6)
    published = Front(theirs.pareto_front(0.98), ref_point=(0, 0, -200)).nondominated()
    assert front.hypervolume() > 1.25 * published.hypervolume()
