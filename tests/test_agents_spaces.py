"""The table of algorithms and spaces in the documentation is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from morl.agents import registry
from morl.agents.base import Agent
from morl.spec import AgentError
from morl.testing.problems import AnySpaces
from morl.testing.spaces import ACTIONS, OBSERVATIONS, SMALL, attempt, built_in, cell, reference_action, verify

PAGE = Path(__file__).parent.parent / "docs" / "agents" / "spaces.md"
BUILT_IN = built_in()


def table(kind: str) -> dict[tuple[str, str], str]:
    """Entries of the page's table by (space, algorithm)."""
    part = PAGE.read_text(encoding="utf-8").partition(f"## {kind}\n")[2].partition("\n## ")[0]
    lines = [[x.strip() for x in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    names = lines[0][1:]
    return {(row[0], name): entry for row in lines[2:] for name, entry in zip(names, row[1:], strict=True)}


def pair(kind: str, label: str, name: str) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    if kind == "Actions":
        return ACTIONS[label], spaces.Discrete(2)
    return reference_action(registry.get(name).info), OBSERVATIONS[label]


def test_the_tables_have_every_algorithm_and_space() -> None:
    for kind, known in (("Actions", ACTIONS), ("Observations", OBSERVATIONS)):
        assert set(table(kind)) == {(label, name) for label in known for name in BUILT_IN}


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("kind", ["Actions", "Observations"])
def test_refusals_are_those_of_the_table(kind: str, name: str) -> None:
    """Making an agent is enough to know what it refuses: before the first step, by name, in one line."""
    for (label, who), entry in table(kind).items():
        if who == name:
            found = attempt(registry.get(name), *pair(kind, label, name), SMALL.get(name, {}), steps=0)
            assert entry == (
                "yes" if isinstance(found, Agent) else f"refused: {found.removeprefix(name + ' ').partition(';')[0]}"
            )


@pytest.mark.parametrize("label", ["MultiDiscrete, 2 × 2, start", "Box, integers"])
@pytest.mark.parametrize("name", ["Envelope", "GPILS", "MultiWeightQLearning", "PCN", "VectorQLambda"])
def test_some_cells_say_yes(name: str, label: str) -> None:
    assert cell(name, ACTIONS[label], OBSERVATIONS["Discrete, start 3"], steps=100) == "yes"
    if name != "MultiWeightQLearning":
        assert cell(name, reference_action(registry.get(name).info), OBSERVATIONS["Tuple"], steps=100) == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("kind", ["Actions", "Observations"])
def test_every_cell_is_true(kind: str, name: str) -> None:
    for (label, who), entry in table(kind).items():
        if who == name:
            assert cell(name, *pair(kind, label, name)) == entry, label


LEARNT: dict[str, tuple[dict[str, Any], int]] = {
    "CAPQL": ({"net_arch": (32, 32), "learning_starts": 200}, 1500),
    "Envelope": ({"net_arch": (32, 32), "learning_starts": 200, "learning_rate": 1e-3}, 3000),
    "GPILS": ({"net_arch": (32, 32), "learning_starts": 200, "learning_rate": 1e-3}, 3000),
    "LinearScalarization": (
        {"n_weights": 2, "n_envs": 8, "sb3": {"n_steps": 32, "batch_size": 64, "learning_rate": 3e-3}}, 12_000,
    ),
    "MultiWeightQLearning": ({}, 3000),
    "PCN": ({"net_arch": (32,), "learning_starts": 500, "n_envs": 32}, 8000),
    "ParetoEvolution": ({"population": 40, "genotype": "network"}, 8000),
    "ParetoQLearning": ({}, 2000),
    "VectorQLambda": ({"net_arch": (32,), "n_envs": 32}, 8000),
}  # fmt: skip
"""Options and steps with which the best policies of :class:`AnySpaces` are found."""


def best(name: str, action: spaces.Space[Any], observation: spaces.Space[Any]) -> float:
    """What the best policy for weights (.9, .1) is worth, of .9 (an action of mean height is worth .5)."""
    options, steps = LEARNT[name]
    agent = registry.get(name)(AnySpaces(action, observation), seed=1, **options).learn(steps)
    return float((verify(agent) @ [0.9, 0.1]).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Envelope", "MultiWeightQLearning"])
def test_the_optimum_is_reached_with_other_actions(name: str) -> None:
    """In most spaces (.75 of .9 says that the highest actions are known and that the observation is read)."""
    entries = {label: entry for (label, who), entry in table("Actions").items() if who == name and entry == "yes"}
    values = {label: best(name, ACTIONS[label], spaces.Discrete(2, start=3)) for label in entries if "6 ×" not in label}
    assert np.median(list(values.values())) > 0.75, values
    assert min(values.values()) > 0.5, values


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Envelope", "MultiWeightQLearning"])
def test_the_optimum_is_reached_with_other_observations(name: str) -> None:
    entries = {label: entry for (label, who), entry in table("Observations").items() if who == name and entry == "yes"}
    action = reference_action(registry.get(name).info)
    values = {label: best(name, action, OBSERVATIONS[label]) for label in entries}
    assert np.median(list(values.values())) > 0.75, values


def test_evolution_stays_below_what_is_possible_where_actions_count_from_one() -> None:
    """Discrete(n, start=1), and one that counts from −3: fronts used to lie above every possible return."""
    for start in (1, -3):
        for genotype in ("table", "network"):
            env = AnySpaces(spaces.Discrete(3, start=start), spaces.MultiDiscrete([2, 2], start=[4, -4]))
            agent = registry.get("ParetoEvolution")(env, seed=0, genotype=genotype, population=10).learn(100)
            verify(agent)


def test_stable_baselines_agents_refuse_what_their_algorithm_cannot() -> None:
    linear = registry.get("LinearScalarization")
    with pytest.raises(AgentError, match="DQN takes one action at a time"):
        linear(AnySpaces(spaces.MultiDiscrete([2, 2]), spaces.Discrete(2)), algorithm="DQN")
    with pytest.raises(AgentError, match="SAC needs continuous actions"):
        linear(AnySpaces(spaces.Box(0, 3, (2,), np.int64), spaces.Discrete(2)), algorithm="SAC")


def test_predict_reads_one_nested_observation_and_a_batch() -> None:
    space = OBSERVATIONS["Dict, nested"]
    agent = registry.get("Envelope")(AnySpaces(spaces.Discrete(2), space), seed=0, net_arch=(8,))
    space.seed(3)
    one = space.sample()
    action, _ = agent.predict(one, deterministic=True)
    batch = {"place": one["place"][None], "rest": {"mode": np.array([one["rest"]["mode"]])}}
    assert agent.predict(batch, deterministic=True)[0].tolist() == [action]
    with pytest.raises(AgentError, match="expected one of"):
        agent.predict({"place": one["place"]})
    assert not re.search("\n", str(space))
