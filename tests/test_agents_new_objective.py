"""A new objective on a frozen network: nothing known changes, the update is its formula, and combining never loses."""

from __future__ import annotations

import numpy as np
import pytest

from morl.agents import CAPQL, Envelope
from morl.agents.neural.conditioned import best_known, greedy
from morl.agents.new_objective import NewObjective
from morl.envs.finite.tabular import TabularEnv
from morl.momdp import MOMDP
from morl.spec import AgentError, MOSpec

torch = pytest.importorskip("torch")
from morl.agents.neural.off_policy import Batch  # noqa: E402

SMALL = {"learning_starts": 20, "net_arch": (16, 16), "n_envs": 2, "batch_size": 16}
NAMES = ("speed", "comfort", "cost")


def world(k: int, seed: int = 0, discount: float = 0.9) -> TabularEnv:
    """Five states, three actions, and the first k of three objectives, all random."""
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.full(6, 0.3), (5, 3)) * 0.9
    rows[..., -1] += 0.1
    rewards = rng.random((5, 3, 3)).round(2)

    def outcomes(state: int, action: int) -> list[tuple[float, int, tuple[float, ...], bool]]:
        return [(p, s, tuple(rewards[state, action, :k]), s == 5) for s, p in enumerate(rows[state, action])]

    model, _ = MOMDP.from_simulator(0, 3, outcomes, discount=discount, objectives=list(NAMES[:k]))
    scale = ((0.0,) * k, (10.0,) * k)
    return TabularEnv(model, MOSpec(NAMES[:k], discount, 50, (-1.0,) * k, scale), max_steps=50)


@pytest.fixture(scope="module")
def source() -> Envelope:
    return Envelope(world(2), seed=0, **SMALL).learn(300)


def test_values_of_known_objectives_stay_bit_for_bit(source: Envelope) -> None:
    agent = NewObjective(world(3), source=source, seed=0, **{**SMALL, "net_arch": (8,)})
    obs, weights = np.eye(source.rows.size, dtype=np.float32), np.tile(np.float32([0.3, 0.7]), (source.rows.size, 1))
    before, arrays = source.values(obs, weights), source._state()[0]
    agent.learn(300)
    np.testing.assert_array_equal(agent.known_values(obs, weights)[..., :2], before)
    assert agent.updates > 20
    for name, value in source._state()[0].items():
        np.testing.assert_array_equal(value, arrays[name], err_msg=name)
    front = agent.front(exact=True)
    assert front.k == 3
    assert agent.predict(0, preference=[0, 0, 1])[0] in range(3)


def test_the_new_head_learns_from_the_known_policy_that_it_is_asked_about(source: Envelope) -> None:
    agent = NewObjective(world(3), source=source, seed=0, **SMALL)
    rng, n, size = np.random.default_rng(0), 6, source.rows.size
    obs, following = (torch.eye(size)[torch.from_numpy(rng.integers(size, size=n))] for _ in range(2))
    rewards = torch.from_numpy(rng.random((n, 3), dtype=np.float32))
    ends = torch.tensor([1.0, 0.0] * 3)[:, None]
    actions = torch.from_numpy(rng.integers(3, size=n))
    weights = torch.from_numpy(rng.dirichlet(np.ones(2), n).astype(np.float32))
    with torch.no_grad():
        known, new = agent.known.values(following, weights), agent.target.head
        ahead = agent.target(following, agent.known.trunk(following, weights))
        goals = []
        for i in range(n):
            a = int((known[i] @ weights[i]).argmax())
            goals.append(rewards[i, 2] + agent.discount * ends[i, 0] * new.denormalise(ahead)[i, a, 0])
    loss = float(agent.loss(Batch(obs, actions, rewards, following, ends), weights).detach())
    with torch.no_grad():
        said = agent.head(obs, agent.known.trunk(obs, weights))
        wanted = [float(agent.head.head.normalise(goal)) for goal in goals]
    errors = [(float(said[i, actions[i], 0]) - wanted[i]) ** 2 for i in range(n)]
    assert loss == pytest.approx(np.mean(errors), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_combining_exact_values_is_at_least_as_good_as_every_known_policy(seed: int) -> None:
    """Barreto et al. 2017, theorem 1, in every state."""
    model, rng = world(3, seed).momdp(), np.random.default_rng(seed)
    policies = np.where(model.terminal, 0, rng.integers(3, size=(6, model.n_states)))
    chances = model.transitions.toarray()
    values = np.stack([_values(model, chances, policy) for policy in policies])  # (m, S, K)
    going = np.flatnonzero(~model.terminal)
    rows = np.stack([model.rows(np.full(model.n_states, a))[going] for a in range(3)], axis=1)  # (S, A)
    q = model.rewards[rows][None] + model.discount * np.einsum("sat,mtk->msak", chances[rows], values)
    for weight in rng.dirichlet(np.ones(3), 5):
        weights = np.tile(weight, (len(going), 1))
        combined = np.zeros(model.n_states, dtype=np.int64)
        combined[going] = greedy(best_known(q.transpose(1, 0, 2, 3), weights), weights)
        gained = _values(model, chances, combined) @ weight
        assert (gained >= (values @ weight).max(axis=0) - 1e-9).all()


def _values(model: MOMDP, chances: np.ndarray, policy: np.ndarray) -> np.ndarray:
    """V ``(S, K)`` of a policy, by one linear system."""
    going, out = np.flatnonzero(~model.terminal), np.zeros((model.n_states, model.k))
    rows = model.rows(policy)[going]
    out[going] = np.linalg.solve(np.eye(len(going)) - model.discount * chances[rows][:, going], model.rewards[rows])
    return out


def test_it_goes_on_bit_for_bit(source: Envelope, tmp_path) -> None:
    agent = NewObjective(world(3), source=source, seed=0, **SMALL).learn(100)
    again = NewObjective.load(agent.save(tmp_path / "saved"), world(3), source=Envelope(world(2), **SMALL))
    first, second = (one.learn(100)._state()[0] for one in (agent, again))
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_what_is_no_extension_is_refused(source: Envelope) -> None:
    with pytest.raises(AgentError, match=r"expected the source's .*, and one more at the end"):
        NewObjective(world(2), source=source)
    with pytest.raises(AgentError, match=r"has discount 0\.5; expected the source's 0\.9"):
        NewObjective(world(3, discount=0.5), source=source)
    with pytest.raises(AgentError, match="source is CAPQL; expected Envelope or VectorQLambda"):
        NewObjective(world(3), source=CAPQL("morl/CarFollowingLQ-v0"))
    with pytest.raises(AgentError, match="with sharing 'hard'"):
        NewObjective(world(3), source=Envelope(world(2), sharing="private"))
