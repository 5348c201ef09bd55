"""Table of algorithms and spaces: whether each algorithm learns in each action and observation space, or why not.

``python -m morl.testing.spaces docs/agents/spaces.md`` writes the table of the documentation.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.info import AlgoInfo
from morl.spec import AgentError, FloatArray
from morl.testing.problems import AnySpaces

ACTIONS: dict[str, spaces.Space[Any]] = {
    "Discrete": spaces.Discrete(3),
    "Discrete, start 2": spaces.Discrete(3, start=2),
    "Discrete, start −1": spaces.Discrete(3, start=-1),
    "MultiDiscrete": spaces.MultiDiscrete([3, 2]),
    "MultiDiscrete, 2 × 2, start": spaces.MultiDiscrete(np.array([[2, 3], [2, 2]]), start=np.array([[1, -1], [0, 5]])),
    "MultiDiscrete, 6 × 10": spaces.MultiDiscrete([10] * 6),
    "MultiBinary": spaces.MultiBinary(3),
    "Box, [−1, 1]": spaces.Box(-1.0, 1.0, (1,), np.float32),
    "Box, odd bounds": spaces.Box(np.array([-3.0, 0.0]), np.array([7.0, 5000.0]), dtype=np.float64),
    "Box, no axis": spaces.Box(0.0, 0.1, (), np.float32),
    "Box, integers": spaces.Box(-2, 2, (2,), np.int32),
    "Box, uint8": spaces.Box(0, 255, (2,), np.uint8),
    "Box, unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
    "Box, half bounded": spaces.Box(0.0, np.inf, (1,), np.float32),
    "Dict": spaces.Dict({"move": spaces.Discrete(2)}),
    "Tuple": spaces.Tuple((spaces.Discrete(2), spaces.Discrete(2))),
}
"""Kinds of action space."""

_VECTOR = spaces.Box(-1.0, 1.0, (2,), np.float32)
_IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "Discrete": spaces.Discrete(5),
    "Discrete, start 3": spaces.Discrete(5, start=3),
    "MultiDiscrete": spaces.MultiDiscrete([3, 4]),
    "MultiDiscrete, start": spaces.MultiDiscrete(np.array([[3, 4], [2, 2]]), start=np.array([[1, -2], [0, 7]])),
    "MultiBinary": spaces.MultiBinary(4),
    "MultiBinary, 2 axes": spaces.MultiBinary((2, 3)),
    "Box": _VECTOR,
    "Box, unbounded": spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
    "Box, integers": spaces.Box(-3, 9, (2,), np.int64),
    "Box, uint8 image": _IMAGE,
    "Box, uint8 image, channel first": spaces.Box(0, 255, (2, 8, 8), np.uint8),
    "Box, uint8 images, stacked": spaces.Box(0, 255, (2, 8, 8, 3), np.uint8),
    "Box, image of floats": spaces.Box(0.0, 1.0, (36, 36, 3), np.float32),
    "Dict": spaces.Dict({"place": _VECTOR, "mode": spaces.Discrete(2)}),
    "Dict with an image": spaces.Dict({"eye": _IMAGE, "place": _VECTOR}),
    "Dict, nested": spaces.Dict({"place": _VECTOR, "rest": spaces.Dict({"mode": spaces.Discrete(2, start=1)})}),
    "Tuple": spaces.Tuple((_VECTOR, spaces.Discrete(3, start=-1))),
    "Text": spaces.Text(5),
    "Sequence": spaces.Sequence(spaces.Discrete(3)),
}
"""Kinds of observation space."""

SMALL: dict[str, dict[str, Any]] = {
    "CAPQL": {"net_arch": (32, 32)},
    "CMORL": {"n_envs": 8, "n_steps": 16, "n_epochs": 2, "rounds": 2},
    "ConditionedPPO": {"n_envs": 8, "n_steps": 16, "n_epochs": 2},
    "EUPG": {"net_arch": (32, 32), "utility": "linear:0.9,0.1"},
    "Envelope": {"net_arch": (32, 32)},
    "ESRQLearning": {"utility": "linear:0.9,0.1"},
    "GPILS": {"net_arch": (32, 32)},
    "LinearScalarization": {"n_weights": 2, "n_envs": 4, "sb3": {"n_steps": 32, "batch_size": 64}},
    "PCN": {"net_arch": (32,), "learning_starts": 100},
    "ParetoEvolution": {"population": 20},
    "PGMORL": {"n_envs": 8, "n_steps": 16, "n_epochs": 2, "generations": 2},
    "QuantileDQN": {"net_arch": (32, 32), "quantiles": 16, "utility": "linear:0.9,0.1", "learning_starts": 50},
    "VectorQLambda": {"net_arch": (32,), "n_envs": 32},
    "WorstCase": {"warm_up_rounds": 1, "n_steps": 64, "sb3": {"n_steps": 64}},
}
"""Options with which an algorithm learns a little in little time."""


def built_in() -> list[str]:
    """Names of the algorithms of this package."""
    return [name for name in registry.names() if registry.get(name).__module__.startswith("morl.agents")]


def reference_action(info: AlgoInfo) -> spaces.Space[Any]:
    """The action space in which an algorithm meets all observation spaces."""
    return spaces.Discrete(2) if "discrete" in info.actions else spaces.Box(-1.0, 1.0, (1,), np.float32)


def attempt(
    agent: type[Agent],
    action: spaces.Space[Any],
    observation: spaces.Space[Any],
    options: Mapping[str, Any],
    steps: int,
) -> Agent | str:
    """An agent that has learned for ``steps`` steps (0 or more) in :class:`AnySpaces`, or why it refused before them.

    Raises:
        EnvError: it took an action outside the space.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = AnySpaces(action, observation) if not isinstance(action, spaces.Dict | spaces.Tuple) else None
        try:
            made = agent(env or _refusing(action, observation), seed=0, **options)
        except AgentError as error:
            return str(error)
        return made.learn(steps) if steps else made


def _refusing(action: spaces.Space[Any], observation: spaces.Space[Any]) -> AnySpaces:
    """An environment with an action space that it could not value."""
    env = AnySpaces(spaces.Discrete(2), observation)
    env.action_space = action
    return env


def verify(agent: Agent) -> FloatArray:
    """The front of a learned agent in :class:`AnySpaces`, after checks that hold however little it has learned.

    Raises:
        AssertionError: an action outside the space, or a return that is not possible.
    """
    env = agent.problem.env
    for shown in env.shown:
        extra: dict[str, Any] = {"preference": [0.9, 0.1]} if agent.info.multi_policy else {}
        chosen, _ = agent.predict(shown, accrued=np.zeros(2), **extra)
        native = chosen if isinstance(env.action_space, spaces.Discrete) else np.asarray(chosen)
        assert env.action_space.contains(native), f"{chosen!r} is not in {env.action_space}"
    points = agent.front(episodes=40, seed=1).points
    assert np.allclose(points.sum(axis=1), 1.0), f"returns {points.tolist()} do not sum to 1"
    return points


def cell(name: str, action: spaces.Space[Any], observation: spaces.Space[Any], steps: int = 200) -> str:
    """An entry of the table: ``"yes"``, or ``"refused: "`` and why."""
    answer = attempt(registry.get(name), action, observation, SMALL.get(name, {}), steps)
    if isinstance(answer, str):
        assert name in answer, answer
        assert "\n" not in answer, answer
        return "refused: " + answer.removeprefix(f"{name} ").partition(";")[0]
    verify(answer)
    return "yes"


def rows(kind: str, steps: int = 200) -> dict[str, dict[str, str]]:
    """``{space: {algorithm: entry}}`` of one of the two tables, ``"actions"`` or ``"observations"``."""
    table: dict[str, dict[str, str]] = {}
    for label, space in (ACTIONS if kind == "actions" else OBSERVATIONS).items():
        table[label] = {}
        for name in built_in():
            if kind == "actions":
                table[label][name] = cell(name, space, spaces.Discrete(2), steps)
            else:
                table[label][name] = cell(name, reference_action(registry.get(name).info), space, steps)
    return table


_TITLE = """# Algorithms and spaces

Which algorithm learns in which kind of Gymnasium space. Every "yes" was tried: the algorithm learns, its actions lie in
the space, and its front holds possible returns only. Every refusal is one line, before the first step. Written by
`python -m morl.testing.spaces docs/agents/spaces.md`, and checked by `tests/test_agents_spaces.py`.

An algorithm chooses a number from 0, one number from 0 for each component, or reals in [−1, 1]; what the environment
takes instead is made of that in one place (`morl.agents.core.actions`): another first number, one of all combinations
of several components (at most 4,096), bits, whole numbers of a box, reals between any bounds.
"""


def page() -> str:
    """The documentation's page."""
    out = [_TITLE]
    for kind in ("actions", "observations"):
        table = rows(kind)
        names = list(next(iter(table.values())))
        out.append(f"## {kind.capitalize()}\n")
        out.append("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
        for label, entries in table.items():
            out.append(f"| {label} | " + " | ".join(entries[name] for name in names) + " |")
        out.append("")
    return "\n".join(out)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
