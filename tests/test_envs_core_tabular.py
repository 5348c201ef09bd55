"""Any MOMDP as an environment: exact steps, exact frequencies, seeds, limits, errors, autoreset."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

import morl
from morl import MOMDP, MOSpec
from morl.envs.finite.tables import tables_of
from morl.envs.finite.tabular import TabularEnv, TabularVectorEnv
from morl.spec import EnvError


def random_model(seed: int, states: int = 6, actions: int = 3, ragged: bool = False) -> MOMDP:
    """A random model with some terminal states, random rewards by successor, and random starts."""
    rng = np.random.default_rng(seed)
    ends = np.zeros(states, dtype=bool)
    ends[-2:] = True
    p = rng.dirichlet(np.ones(states) * 0.5, size=(states, actions))
    p[p < 0.05] = 0.0
    p /= p.sum(axis=2, keepdims=True)
    r = rng.integers(-3, 4, size=(states, actions, states, 2)).astype(float)
    start = np.where(ends, 0.0, 1.0)
    model = MOMDP.from_arrays(p, r, start=start / start.sum(), discount=0.9, terminal=ends)
    if not ragged:
        return model
    keep = [row for row in range(model.n_rows) if row % actions == 0 or rng.random() < 0.6]
    first = model.row_ptr
    count = [sum(1 for row in keep if first[s] <= row < first[s + 1]) for s in range(states)]
    from scipy import sparse

    matrix = sparse.csr_array(model.transitions[keep])
    outcome = np.concatenate(
        [model.outcome_rewards[model.transitions.indptr[row] : model.transitions.indptr[row + 1]] for row in keep]
    )
    return MOMDP(
        matrix,
        model.rewards[keep],
        np.concatenate([[0], np.cumsum(count)]),
        0.9,
        model.start,
        outcome_rewards=outcome,
    )


def chain() -> MOMDP:
    """Two steps to the end: rewards (1, -1), then (2, -1)."""
    p = [[[0, 1, 0]], [[0, 0, 1]], [[0, 0, 1]]]
    return MOMDP.from_arrays(p, [[[1, -1]], [[2, -1]], [[0, 0]]], discount=1.0, terminal=[0, 0, 1])


def spec(model: MOMDP) -> MOSpec:
    return MOSpec(model.objectives or (), model.discount)


def test_deterministic_episode_by_hand() -> None:
    env = TabularEnv(chain(), spec(chain()))
    assert env.reset(seed=0) == (0, {})
    observation, reward, terminated, truncated, info = env.step(0)
    assert (observation, reward.tolist(), terminated, truncated, info) == (1, [1.0, -1.0], False, False, {})
    assert reward.dtype == np.float64
    observation, reward, terminated, truncated, info = env.step(np.int64(0))
    assert (observation, reward.tolist(), terminated, truncated, info) == (2, [2.0, -1.0], True, False, {})


def test_frequencies_match_the_model() -> None:
    """χ² of 40,000 draws of one row against its probabilities, single and vector."""
    model = random_model(3)
    row = 4  # state 1, action 1
    p = np.asarray(model.transitions[[row]].todense()).ravel()
    env = TabularEnv(model, spec(model))
    env.reset(seed=5)
    counts = np.zeros(model.n_states)
    for _ in range(4000):
        env.reset(options={"state": 1})
        counts[env.step(1)[0]] += 1
    n = 36_000
    vec = TabularVectorEnv(model, spec(model), n)
    vec.reset(seed=6, options={"state": 1})
    seen = vec.step(np.full(n, 1))[0]
    for observed, total in ((counts, 4000), (np.bincount(seen, minlength=model.n_states), n)):
        assert observed[p == 0].sum() == 0
        expected = total * p[p > 0]
        chi = ((observed[p > 0] - expected) ** 2 / expected).sum()
        assert chi < 30.0  # 99.99 % point for 5 degrees of freedom is 25.7


def test_many_outcomes_use_the_search_and_still_match() -> None:
    """A row with 40 outcomes is drawn by bisection of one long sequence."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(40), size=(40, 1))
    model = MOMDP.from_arrays(p, np.zeros((40, 1, 2)), discount=0.9)
    assert tables_of(model).thresholds is None
    n = 200_000
    vec = TabularVectorEnv(model, spec(model), n)
    vec.reset(seed=1, options={"state": 7})
    seen = np.bincount(vec.step(np.zeros(n, dtype=int))[0], minlength=40) / n
    assert np.abs(seen - p[7, 0]).max() < 5 * np.sqrt(p[7, 0].max() / n)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([None, 3]))
def test_single_and_vector_with_one_copy_are_the_same_stream(seed: int, ragged: bool, limit: int | None) -> None:
    model = random_model(seed, ragged=ragged)
    env = TabularEnv(model, spec(model), max_steps=limit)
    vec = TabularVectorEnv(model, spec(model), 1, max_steps=limit)
    rng = np.random.default_rng(seed)
    one, info = env.reset(seed=seed)
    many, _ = vec.reset(seed=seed)
    assert one == many[0]
    over = False
    for _ in range(40):
        valid = model.n_actions[env.state] if not over else 1
        action = int(rng.integers(max(1, valid)))
        batch = vec.step(np.array([action]))
        if over:
            one, info = env.reset()
            expected = (one, [0.0, 0.0], False, False)
        else:
            one, reward, terminated, truncated, info = env.step(action)
            expected = (one, reward.tolist(), terminated, truncated)
        assert (batch[0][0], batch[1][0].tolist(), batch[2][0], batch[3][0]) == expected
        if "action_mask" in info:
            assert info["action_mask"].tolist() == batch[4]["action_mask"][0].tolist()
        over = expected[2] or expected[3]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_autoreset_modes(mode: AutoresetMode) -> None:
    """A two-step chain, copy by copy: what each mode shows at the end of an episode."""
    vec = TabularVectorEnv(chain(), spec(chain()), 2, autoreset_mode=mode)
    assert vec.metadata["autoreset_mode"] is mode
    assert TabularVectorEnv.metadata.get("autoreset_mode") is None  # the class's dictionary is not written to
    vec.reset(seed=0, options={"state": np.array([0, 1])})
    actions = np.zeros(2, dtype=int)
    observations, rewards, terminated, _, info = vec.step(actions)
    assert rewards.tolist() == [[1, -1], [2, -1]]
    assert terminated.tolist() == [False, True]
    if mode is AutoresetMode.SAME_STEP:
        assert observations.tolist() == [1, 0]
        assert info["final_obs"][1] == 2
        assert info["final_obs"][0] is None
        assert info["_final_obs"].tolist() == [False, True]
        assert vec.step(actions)[1].tolist() == [[2, -1], [1, -1]]
    elif mode is AutoresetMode.NEXT_STEP:
        assert observations.tolist() == [1, 2]
        observations, rewards, terminated, _, _ = vec.step(actions)
        assert observations.tolist() == [2, 0]
        assert rewards.tolist() == [[2, -1], [0, 0]]
        assert terminated.tolist() == [True, False]
    else:
        with pytest.raises(EnvError, match=r"environments 1 have ended.*reset_mask"):
            vec.step(actions)
        mask = np.array([False, True])
        observations, info = vec.reset(options={"reset_mask": mask})
        assert mask.tolist() == [False, True]
        assert observations.tolist() == [1, 0]
        assert vec.step(actions)[1].tolist() == [[2, -1], [1, -1]]


def test_time_limit_sets_truncated_alone_and_not_on_a_terminating_step() -> None:
    env = TabularEnv(chain(), spec(chain()), max_steps=1)
    env.reset()
    assert env.step(0)[2:4] == (False, True)
    env = TabularEnv(chain(), spec(chain()), max_steps=2)
    env.reset()
    env.step(0)
    assert env.step(0)[2:4] == (True, False)
    assert env.mo_spec.horizon == 2


def test_reset_mask_restarts_only_the_masked_copies_in_next_step_mode() -> None:
    vec = TabularVectorEnv(chain(), spec(chain()), 3)
    vec.reset(seed=0)
    vec.step(np.zeros(3, dtype=int))
    observations, _ = vec.reset(options={"reset_mask": np.array([True, False, False])})
    assert observations.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("action", "match"),
    [
        (3, "action is 3; expected an integer from 0 to 2"),
        (-1, "-1"),
        (1.5, "1.5"),
        ("up", "up"),
        (None, "None"),
        (np.array([0]), "expected an integer"),
        (float("nan"), "nan"),
    ],
)
def test_invalid_actions_name_the_value_and_the_range(action: object, match: str) -> None:
    model = random_model(0)
    env = TabularEnv(model, spec(model))
    env.reset(seed=0)
    with pytest.raises(EnvError, match=match):
        env.step(action)
    state = env.state
    assert env.step(0) is not None  # nothing had changed, and the episode goes on
    assert state in range(model.n_states)


@pytest.mark.parametrize(
    ("actions", "match"),
    [
        (np.array([0, 3]), "environment 1 is 3"),
        (np.array([-1, 0]), "environment 0 is -1"),
        (np.array([0.0, 1.0]), "float64"),
        (np.array([0]), r"shape \(1,\)"),
        ([[0, 1]], r"shape \(1, 2\)"),
    ],
)
def test_invalid_vector_actions(actions: object, match: str) -> None:
    model = random_model(0)
    vec = TabularVectorEnv(model, spec(model), 2)
    vec.reset(seed=0)
    with pytest.raises(EnvError, match=match):
        vec.step(actions)


def test_ragged_models_refuse_actions_that_the_state_does_not_have() -> None:
    model = random_model(11, ragged=True)
    state = int(np.flatnonzero((model.n_actions > 0) & (model.n_actions < 3))[0])
    env = TabularEnv(model, spec(model))
    env.reset(options={"state": state})
    with pytest.raises(EnvError, match=f"expected an integer from 0 to {model.n_actions[state] - 1}"):
        env.step(2)
    vec = TabularVectorEnv(model, spec(model), 2)
    _, info = vec.reset(options={"state": state})
    assert info["action_mask"][0].sum() == model.n_actions[state]
    with pytest.raises(EnvError, match="environment 1"):
        vec.step(np.array([0, 2]))


def test_steps_at_the_wrong_time_raise_and_reset_cures() -> None:
    env = TabularEnv(chain(), spec(chain()))
    with pytest.raises(EnvError, match="before reset"):
        env.step(0)
    with pytest.raises(EnvError, match="before reset"):
        _ = env.state
    env.reset()
    env.step(0)
    env.step(0)
    with pytest.raises(EnvError, match="after the episode ended"):
        env.step(0)
    assert env.state == 2
    env.reset()
    assert env.step(0)[0] == 1
    vec = TabularVectorEnv(chain(), spec(chain()), 2)
    with pytest.raises(EnvError, match="before reset"):
        vec.step(np.zeros(2, dtype=int))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"stat": 1}, "no reset option 'stat'"),
        ({"state": 9}, "expected 0 to 5"),
        ({"state": 5}, "terminal"),
        ({"state": 0.5}, "state number"),
        ("state", "dictionary"),
    ],
)
def test_wrong_reset_options(options: object, match: str) -> None:
    model = random_model(0)
    for env in (TabularEnv(model, spec(model)), TabularVectorEnv(model, spec(model), 2)):
        with pytest.raises(EnvError, match=match):
            env.reset(options=options)
        env.reset(seed=0)


@pytest.mark.parametrize(
    ("mask", "match"),
    [
        (np.zeros(2, dtype=bool), "no true entry"),
        (np.ones(3, dtype=bool), r"shape \(3,\)"),
        (np.ones(2, dtype=int), "int"),
        (np.array([True, False]), "first reset"),
    ],
)
def test_wrong_reset_masks(mask: np.ndarray, match: str) -> None:
    vec = TabularVectorEnv(chain(), spec(chain()), 2)
    with pytest.raises(EnvError, match=match):
        vec.reset(options={"reset_mask": mask})


def test_native_vector_envs_take_one_seed() -> None:
    vec = TabularVectorEnv(chain(), spec(chain()), 2)
    with pytest.raises(EnvError, match="one generator"):
        vec.reset(seed=[1, 2])


def test_arrays_are_fresh() -> None:
    env = morl.make("morl/DeepSeaTreasure-v0")
    observation, _ = env.reset(seed=0)
    observation[:] = 7
    moved, reward, *_ = env.step(3)
    assert moved.tolist() == [0, 1]
    reward[:] = 99
    env.reset()
    assert env.step(3)[1].tolist() == [0.0, -1.0]
    vec = morl.make_vec("morl/DeepSeaTreasure-v0", 2)
    seen, _ = vec.reset(seed=0)
    seen[:] = 5
    assert vec.step(np.array([3, 3]))[0].tolist() == [[0, 1], [0, 1]]


def test_copies_share_the_model_and_nothing_else() -> None:
    env = morl.make("morl/ResourceGathering-v0")
    env.reset(seed=0)
    env.step(0)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):  # noqa: S301
        other = copy.deepcopy(env)
        assert twin.state == env.state
        for _ in range(200):
            a, b = other.step(1), twin.step(1)
            assert a[0].tolist() == b[0].tolist()
            assert a[1].tolist() == b[1].tolist()
            if a[2] or a[3]:
                break
    assert copy.deepcopy(env)._model is env._model
    vec = morl.make_vec("morl/ResourceGathering-v0", 3)
    vec.reset(seed=1)
    twin = pickle.loads(pickle.dumps(vec))  # noqa: S301
    assert twin.step(np.zeros(3, int))[0].tolist() == vec.step(np.zeros(3, int))[0].tolist()


def test_a_pickle_of_a_registered_environment_is_small() -> None:
    assert len(pickle.dumps(morl.make("morl/DeepSeaTreasure-v0"))) < 6_000


def test_replacing_the_generator_replaces_the_stream() -> None:
    model = random_model(5)
    one, two = TabularEnv(model, spec(model)), TabularEnv(model, spec(model))
    one.reset(seed=1)
    two.reset(seed=2)
    one.step(0)
    for env in (one, two):
        env.np_random = np.random.default_rng(3)
    path = [[env.reset()[0] for _ in range(20)] for env in (one, two)]
    assert path[0] == path[1]


def test_misfits_are_refused() -> None:
    model = chain()
    with pytest.raises(EnvError, match="3 objectives"):
        TabularEnv(model, MOSpec(("a", "b", "c")))
    with pytest.raises(EnvError, match="observations have 2 entries; the model has 3 states"):
        TabularEnv(model, spec(model), observations=np.zeros((2, 1)))
    with pytest.raises(EnvError, match="widen"):
        TabularEnv(model, MOSpec((morl.Objective("a", high=1.5), morl.Objective("b"))))
    with pytest.raises(EnvError, match="max_steps is 0"):
        TabularEnv(model, spec(model), max_steps=0)
    with pytest.raises(EnvError, match="render_mode is 'ascii'"):
        TabularEnv(model, spec(model), render_mode="ascii")
    with pytest.raises(EnvError, match="num_envs is 0"):
        TabularVectorEnv(model, spec(model), 0)


def test_a_model_without_a_renderer_is_drawn_as_a_card() -> None:
    env = TabularEnv(chain(), spec(chain()), render_mode="rgb_array")
    env.reset()
    frame = env.render()
    assert frame.dtype == np.uint8
    assert frame.shape[2] == 3
    assert frame.std() > 0
    text = TabularEnv(chain(), spec(chain()), render_mode="ansi")
    text.reset()
    assert "state 0" in text.render()


def test_gymnasium_takes_the_same_ids() -> None:
    env = gym.make("morl/DeepSeaTreasure-v0")
    assert env.reset(seed=0)[0].tolist() == [0, 0]
    vec = gym.make_vec("morl/DeepSeaTreasure-v0", 3)
    vec.reset(seed=0)
    assert vec.step(np.zeros(3, int))[1].shape == (3, 2)
