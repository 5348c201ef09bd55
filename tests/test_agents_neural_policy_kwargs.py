"""``policy_kwargs``: every agent with a network builds what is asked for, reads images, and refuses what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from morl.agents import registry
from morl.agents.core.errors import UtilityNeededError
from morl.agents.neural.conditioning import Film, HyperLinear
from morl.agents.neural.layers import ParallelLinear
from morl.spec import AgentError, UnknownNameError
from morl.testing.agents import digest
from morl.testing.problems import AnySpaces

UTILITY = {"utility": "linear:0.9,0.1"}
AGENTS: dict[str, dict[str, Any]] = {
    "CAPQL": {"learning_starts": 20, "batch_size": 8},
    "ConditionedPPO": {"n_envs": 4, "n_steps": 8, "n_epochs": 1},
    "EUPG": {"n_envs": 4, "n_steps": 8, "n_epochs": 1, **UTILITY},
    "Envelope": {"learning_starts": 20, "batch_size": 8},
    "GPILS": {"learning_starts": 20, "batch_size": 8},
    "LinearScalarization": {"n_weights": 1, "n_envs": 4, "sb3": {"n_steps": 8, "batch_size": 16, "n_epochs": 1}},
    "PCN": {"learning_starts": 20, "n_envs": 4, "n_steps": 8, "gradient_steps": 1, "batch_size": 8},
    "QuantileDQN": {"learning_starts": 20, "batch_size": 8, "quantiles": 4, **UTILITY},
    "VectorQLambda": {"n_envs": 4, "n_steps": 8, "minibatches": 1},
    "WorstCase": {"learner": "PPO", "n_steps": 32, "warm_up_rounds": 0, "sb3": {"n_steps": 8, "n_epochs": 1}},
}
"""Agents that have a network, with options of very little learning."""
CONTINUOUS = {"GPILS": AGENTS["GPILS"]}
CASES = [(name, options, name == "CAPQL") for name, options in AGENTS.items()] + [("GPILS", CONTINUOUS["GPILS"], True)]
PLAIN = spaces.Box(-1.0, 1.0, (2,), np.float32)
IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
BOTH = spaces.Dict({"eye": IMAGE, "more": spaces.Dict({"place": PLAIN, "mode": spaces.Discrete(2)})})


class Sines(nn.Module):
    """A caller's own extractor, in stable-baselines3's form."""

    wrong = 0

    def __init__(self, observation_space: spaces.Space[Any], width: int = 7) -> None:
        super().__init__()
        self.features_dim = width
        self.layer = nn.Linear(int(np.prod(observation_space.shape)), width + self.wrong)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.layer(observations.flatten(1)))


class Wrong(Sines):
    """Says 7 and gives 8."""

    wrong = 1


OWN = {
    "features_extractor_class": Sines,
    "features_extractor_kwargs": {"width": 5},
    "net_arch": [6],
    "activation_fn": "elu",
}


def made(name: str, options: dict[str, Any], continuous: bool, seen: spaces.Space[Any], **more: Any) -> Any:
    action = spaces.Box(-1.0, 1.0, (1,), np.float32) if continuous else spaces.Discrete(2)
    return registry.get(name)(AnySpaces(action, seen), seed=0, **{**options, **more})


def modules(agent: Any, kind: type[nn.Module]) -> list[nn.Module]:
    """All modules of a kind in what an agent keeps, and in its stable-baselines3 model."""
    parts = [part for part in agent._objects.values() if isinstance(part, nn.Module)]
    for owner in (agent, getattr(agent, "learner", None)):
        model = getattr(owner, "_model", None) or getattr(owner, "model", None)
        parts += [model.policy] if hasattr(model, "policy") else []
    return [module for part in parts for module in part.modules() if isinstance(module, kind)]


def widths(agent: Any) -> set[int]:
    """Of all linear layers."""
    single = {layer.out_features for layer in modules(agent, nn.Linear)}
    return single | {layer.weight.shape[2] for layer in modules(agent, ParallelLinear)}


@pytest.mark.parametrize(("name", "options", "continuous"), CASES)
def test_own_extractors_learn_and_are_given_again_to_load(
    name: str, options: dict[str, Any], continuous: bool, tmp_path: Any
) -> None:
    agent = made(name, options, continuous, PLAIN, policy_kwargs=OWN).learn(64)
    if name != "LinearScalarization":  # its model is gone once a weight is solved
        assert {module.features_dim for module in modules(agent, Sines)} == {5}
        assert modules(agent, nn.ELU)
        assert 6 in widths(agent)
    path = agent.save(tmp_path / "agent")
    env = agent.problem.env
    with pytest.raises(UtilityNeededError, match="features_extractor_class was the caller's own class <Sines>"):
        registry.get(name).load(path, env)
    twin = registry.get(name).load(path, env, policy_kwargs={"features_extractor_class": Sines})
    assert digest(twin) == digest(agent)
    seen = np.zeros(2, np.float32)
    for one in (agent, twin):
        one.predict(seen, deterministic=True, accrued=np.zeros(2))


@pytest.mark.parametrize(("name", "options", "continuous"), CASES)
def test_images_beside_numbers_are_read_by_convolutions(name: str, options: dict[str, Any], continuous: bool) -> None:
    agent = made(name, options, continuous, BOTH).learn(64)
    if name not in ("LinearScalarization", "WorstCase"):  # stable-baselines3 takes no nested Dict: a row of numbers
        assert modules(agent, nn.Conv2d)
    replay = getattr(agent, "replay", None)
    if replay is not None:
        assert {replay.fields[key].dtype for key in ("obs", "next_obs")} == {np.dtype(np.uint8)}
    agent.predict(agent.problem.env.shown[0], deterministic=True, accrued=np.zeros(2))


@pytest.mark.parametrize(("name", "options", "continuous"), CASES)
def test_what_is_wrong_is_refused_in_one_line(name: str, options: dict[str, Any], continuous: bool) -> None:
    wrong: list[tuple[dict[str, Any], type[AgentError] | type[UnknownNameError], str]] = [
        ({"policy_kwargs": {"features_extractor_class": Wrong}}, AgentError, r"turns 2 observations into \(2, 8\)"),
        ({"policy_kwargs": {"features_extractor_class": "os:system"}}, AgentError, "names code"),
        ({"policy_kwargs": {"features_extractor_class": "NatureCNN"}}, AgentError, "needs images of uint8"),
        ({"policy_kwargs": {"activation_fn": "rellu"}}, UnknownNameError, "relu"),
        ({"device": "cuda:9"}, UnknownNameError, "device"),
    ]
    if not torch.cuda.is_available():
        wrong.append(({"device": "cuda"}, AgentError, "device is 'cuda', which torch does not find on this machine"))
    for given, kind, says in wrong:
        with pytest.raises(kind, match=says) as error:
            made(name, options, continuous, PLAIN, **given).learn(8)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["CAPQL", "Envelope", "GPILS", "QuantileDQN"])
def test_a_replay_of_images_is_counted_before_it_is_allocated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORL_MAX_MEMORY", "0.05")
    with pytest.raises(AgentError, match=r"a replay buffer of 1,000,000 rows of .* needs \d+ MiB of memory") as error:
        made(name, AGENTS[name], name == "CAPQL", IMAGE, buffer_size=1_000_000)
    assert "buffer_size" in str(error.value)


@pytest.mark.parametrize("name", ["PCN", "Envelope", "VectorQLambda", "QuantileDQN"])
def test_one_network_has_one_shape(name: str) -> None:
    with pytest.raises(AgentError, match=f"{name} has one network; expected net_arch as widths"):
        made(name, AGENTS[name], False, PLAIN, policy_kwargs={"net_arch": {"pi": [8], "vf": [8]}})


@pytest.mark.parametrize("name", ["CAPQL", "ConditionedPPO", "EUPG", "GPILS"])
def test_actors_and_critics_may_differ(name: str) -> None:
    shape = {"net_arch": {"pi": [5], "qf": [3]}}
    agent = made(name, AGENTS[name], name in ("CAPQL", "GPILS"), PLAIN, policy_kwargs=shape)
    assert {5, 3} <= widths(agent)
    with pytest.raises(AgentError, match="one of vf and qf"):
        made(name, AGENTS[name], name == "CAPQL", PLAIN, policy_kwargs={"net_arch": {"vf": [5], "qf": [3]}})


@pytest.mark.parametrize("how", ["film", "hypernetwork"])
@pytest.mark.parametrize("name", ["CAPQL", "ConditionedPPO", "Envelope", "GPILS", "PCN", "VectorQLambda"])
def test_conditioning_is_learned_saved_and_resumed(name: str, how: str, tmp_path: Any) -> None:
    agent = made(name, AGENTS[name], name in ("CAPQL", "GPILS"), PLAIN, conditioning=how).learn(48)
    assert modules(agent, Film if how == "film" else HyperLinear)
    twin = registry.get(name).load(agent.save(tmp_path / "agent"), agent.problem.env)
    assert twin.config.conditioning == how
    assert digest(twin.learn(32)) == digest(agent.learn(32))


@pytest.mark.parametrize("name", [name for name in AGENTS if name not in ("LinearScalarization", "WorstCase")])
def test_step_sizes_follow_their_schedule(name: str) -> None:
    rates: list[float] = []

    def watch(agent: Any) -> None:
        parts = [*agent._objects.values()]
        rates.append(max(p.param_groups[0]["lr"] for p in parts if isinstance(p, torch.optim.Optimizer)))

    given: dict[str, Any] = {"learning_rate": (1e-2, 1e-4)}
    made(name, AGENTS[name], name == "CAPQL", PLAIN, **given).learn(128, callback=watch)
    assert rates[0] <= 1e-2
    assert 1e-4 <= rates[-1] < 0.5 * 1e-2
    assert rates == sorted(rates, reverse=True)
