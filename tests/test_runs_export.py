"""Exported policies against the agents that they come from, for every network agent and kind of observation."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array

import morl
from morl.agents import registry
from morl.agents.core.acting import PolicyHandle
from morl.agents.core.collector import take
from morl.agents.core.observations import parts_of
from morl.runs.export import as_table, export
from morl.runs.points import planned
from morl.spec import AgentError, SpecError
from morl.testing import problems
from morl.testing.spaces import ACTIONS, OBSERVATIONS, SMALL, attempt, reference_action

onnxruntime = pytest.importorskip("onnxruntime")

NETWORKS = (
    "CAPQL", "CMORL", "ConditionedPPO", "EUPG", "Envelope", "GPILS", "LinearScalarization", "PCN", "PGMORL",
    "ParetoEvolution", "QuantileDQN", "VectorQLambda",
)  # fmt: skip
TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}  # fmt: skip
HALF_DRAWN = ("CMORL", "ConditionedPPO", "PGMORL")
"""The second half of their policies draws its actions."""
CATEGORICAL, GAUSSIAN = spaces.Discrete(3), spaces.Box(-2.0, 1.0, (2,), np.float32)
QUICK = ("Discrete, start 3", "Box, unbounded", "Dict, nested")
SOME_ACTIONS = ("MultiDiscrete, 2 × 2, start", "Box, odd bounds", "Box, integers")


def flat(space: spaces.Space[Any], observation: Any, name: str = "observation") -> dict[str, Any]:
    inner = parts_of(space)
    if not inner:
        return {name: np.asarray(observation)}
    return {k: v for key, part in inner.items() for k, v in flat(part, observation[key], f"{name}.{key}").items()}


def run(path: Path, space: spaces.Space[Any], observation: Any, **more: Any) -> Any:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {**flat(space, observation), **more}
    feeds = {one.name: given[one.name].astype(TYPES[one.type]) for one in session.get_inputs()}
    return session.run(["action"], feeds)[0]


def some(space: spaces.Space[Any], n: int, seed: int = 0) -> Any:
    space.seed(seed)
    return concatenate(space, [space.sample() for _ in range(n)], create_empty_array(space, n))


def check_parity(name: str, action: Any, observation: Any, folder: Path) -> None:
    options = {**SMALL.get(name, {}), **({"genotype": "network"} if name == "ParetoEvolution" else {})}
    agent = attempt(registry.get(name), action, observation, options, 60)
    if isinstance(agent, str):
        pytest.skip(agent)
    policies, rng = agent._policies(None), np.random.default_rng(0)
    handle = PolicyHandle(agent, policies, 0 if name in HALF_DRAWN else len(policies) // 2)
    path = export(agent, handle, folder / "policy.onnx")
    for n in (1, 6):  # the batch is free
        seen, accrued = some(observation, n), rng.random((n, 2))
        wanted, _ = handle.predict(seen, deterministic=True, accrued=accrued)
        found = run(path, observation, seen, accrued=accrued, time=np.zeros(n))
        assert found.shape == np.shape(wanted)
        assert np.allclose(found.astype(float), np.asarray(wanted, float), atol=1e-5, rtol=1e-5)
    if policies.network(0).takes_weights:
        free, preference = export(agent, None, folder / "free.onnx"), rng.dirichlet([1, 1], 6)
        wanted, _ = agent.predict(seen, preference=preference, deterministic=True)
        assert np.allclose(run(free, observation, seen, preference=preference).astype(float), wanted, atol=1e-5)


def cases() -> list[Any]:
    found = []
    for name in NETWORKS:
        kinds = [("o", label, space) for label, space in OBSERVATIONS.items()]
        kinds += [("a", label, space) for label, space in ACTIONS.items() if label in SOME_ACTIONS]
        for kind, label, space in kinds:
            quick = name in ("Envelope", "CAPQL") and label in (*QUICK, "Box, odd bounds")
            found.append(pytest.param(name, kind, space, id=f"{name}-{label}", marks=() if quick else pytest.mark.slow))
    return found


@pytest.mark.parametrize(("name", "kind", "space"), cases())
def test_networks_act_as_their_agents(name: str, kind: str, space: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "o":
            check_parity(name, reference_action(registry.get(name).info), space, tmp_path)
        else:
            check_parity(name, space, spaces.Discrete(2), tmp_path)


def outside(kind: str, size: int, rng: np.random.Generator, n: int) -> Any:
    """What a policy draws its actions with, as whoever runs the file draws it."""
    shape = (n, size)
    return rng.random(shape, np.float32) if kind == "uniform" else rng.standard_normal(shape, np.float32)


@pytest.mark.parametrize(
    ("name", "action", "options"),
    [
        ("ConditionedPPO", CATEGORICAL, {}),
        ("ConditionedPPO", GAUSSIAN, {"utility": "log:0.5,0.5"}),
        pytest.param("PGMORL", GAUSSIAN, {}, marks=pytest.mark.slow),
        pytest.param("CMORL", CATEGORICAL, {}, marks=pytest.mark.slow),
    ],
)
def test_policies_that_draw_take_the_seed_from_outside(name: str, action: Any, options: Any, tmp_path: Path) -> None:
    space = OBSERVATIONS["Dict, nested"]
    agent: Any = attempt(registry.get(name), action, space, {**SMALL[name], **options}, 60)
    policies = agent._policies(None)
    handle = PolicyHandle(agent, policies, len(policies) - 1)
    path = export(agent, handle, tmp_path / "policy.onnx")
    facts = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    seen, size = some(space, 40), 3 if action is CATEGORICAL else 2
    noise = outside(facts["noise"], size, copy.deepcopy(agent._rng_predict), 40)  # what predict draws next
    wanted, _ = handle.predict(seen, deterministic=False)
    assert np.allclose(run(path, space, seen, noise=noise), wanted, atol=1e-5)
    if not options:  # without noise it is the policy of the first half that it belongs to
        likely, _ = PolicyHandle(agent, policies, len(policies) // 2 - 1).predict(seen, deterministic=True)
        quiet = np.full_like(noise, 0.5 if facts["noise"] == "uniform" else 0.0)
        assert np.allclose(run(path, space, seen, noise=quiet), likely, atol=1e-5)


def test_policies_of_single_episodes_draw_as_they_are_measured(tmp_path: Path) -> None:
    agent: Any = attempt(
        registry.get("EUPG"), CATEGORICAL, OBSERVATIONS["Box"], SMALL["EUPG"] | {"stochastic": True}, 60
    )
    handle = PolicyHandle(agent, agent._policies(None), 0)
    path = export(agent, handle, tmp_path / "policy.onnx")
    seen, accrued = some(OBSERVATIONS["Box"], 200), np.zeros((200, 2))
    noise = copy.deepcopy(agent._rng_predict).random((200, 3))
    wanted, _ = handle.predict(seen, deterministic=False, accrued=accrued)
    found = run(path, OBSERVATIONS["Box"], seen, accrued=accrued, time=np.zeros(200), noise=noise)
    assert len(set(found.tolist())) > 1
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("space", [OBSERVATIONS["Box"], OBSERVATIONS["Dict with an image"]], ids=["Box", "image"])
def test_a_mixture_takes_the_member_that_was_drawn(space: Any, tmp_path: Path) -> None:
    agent: Any = attempt(registry.get("WorstCase"), GAUSSIAN, space, SMALL["WorstCase"] | {"average": "uniform"}, 320)
    policies = agent._policies(None)
    path = export(agent, PolicyHandle(agent, policies, 0), tmp_path / "policy.onnx")
    facts = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    shares = json.loads(facts["shares"])
    assert len(shares) > 1
    assert shares == pytest.approx(policies.mixture()[0])
    seen, drawn = some(space, 12), np.arange(12) % len(shares)
    found = run(path, space, seen, component=drawn)
    wanted, _ = PolicyHandle(agent, policies.inner, None).predict(
        take(seen, np.arange(len(shares))), deterministic=True
    )
    assert np.allclose(found[: len(shares)], wanted, atol=1e-5)
    assert not np.allclose(found, run(path, space, seen, component=drawn[::-1]))


@pytest.mark.slow
def test_accrued_rewards_and_time_count(tmp_path: Path) -> None:
    """What a command asks for changes along an episode, in the file as in the agent."""
    agent: Any = attempt(registry.get("PCN"), spaces.Discrete(2), OBSERVATIONS["Box"], SMALL["PCN"], 150)
    policies = agent._policies(None)
    handle = PolicyHandle(agent, policies, 0)
    path = export(agent, handle, tmp_path / "pcn.onnx")
    rng, seen = np.random.default_rng(0), some(OBSERVATIONS["Box"], 64)
    for t in (0, 1, 3):
        accrued = rng.normal(size=(64, 2)) * 2
        wanted, _ = handle.predict(seen, {"time": np.full(64, t)}, np.zeros(64, bool), True, accrued=accrued)
        found = run(path, OBSERVATIONS["Box"], seen, accrued=accrued, time=np.full(64, t))
        assert np.array_equal(found, wanted)


def test_the_file_runs_where_this_package_is_not(tmp_path: Path) -> None:
    agent: Any = attempt(registry.get("Envelope"), spaces.Discrete(2), OBSERVATIONS["Box"], SMALL["Envelope"], 60)
    path = export(agent, agent.front(4).policies[0], tmp_path / "policy.onnx", id="k3v9x2mt")
    program = (
        "import sys, json, numpy as np, onnxruntime as ort\n"
        "sys.modules['morl'] = sys.modules['torch'] = None\n"
        f"session = ort.InferenceSession({str(path)!r})\n"
        "out = session.run(['action'], {'observation': np.zeros((3, 2), np.float32)})[0]\n"
        "print(json.dumps([out.tolist(), dict(session.get_modelmeta().custom_metadata_map)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    actions, facts = json.loads(done.stdout)
    wanted, _ = agent.front(4).policies[0].predict(np.zeros((3, 2), np.float32), deterministic=True)
    assert actions == wanted.tolist()
    assert facts["algorithm"] == "Envelope"
    assert facts["id"] == "k3v9x2mt"
    assert [one["name"] for one in json.loads(facts["objectives"])] == list(agent.spec.names)


# ---- tables -------------------------------------------------------------------------------------------------


def loader() -> Any:
    """The class that the documentation prints."""
    text = (Path(__file__).parents[1] / "docs/tutorials/deploying.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "class Table" in block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 42
    assert "morl" not in code.replace("`morl export", "")
    names: dict[str, Any] = {}
    exec(code, names)
    return names["Table"]


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("stationary", "json"), ("markov", "npz"), pytest.param("mixture", "npz", marks=pytest.mark.slow)],
)
def test_tables_of_exact_policies(kind: str, ending: str, tmp_path: Path) -> None:
    env = morl.make("morl/DeepSeaTreasure-v0")
    front = morl.solve(env, policies=kind, horizon=30 if kind == "markov" else None)
    opened = planned(env, front)
    for index in (0, len(front) // 2):
        policy = opened.policy(front.ids[index])
        path = export(opened.agent, policy, tmp_path / f"policy.{ending}")
        table = loader()(str(path))
        for step in opened.episode(policy, 0):
            assert int(table.act(step.observation)) == int(step.action)
        assert step.over


def test_tables_that_were_learned(tmp_path: Path) -> None:
    agent = registry.get("MultiWeightQLearning")(problems.stochastic(), seed=0).learn(2000)
    front = agent.front()
    path = export(agent, front.policies[0], tmp_path / "policy.npz")
    table = loader()(str(path))
    for observation in as_table(agent, front.policies[0])["observations"]:
        wanted, _ = front.policies[0].predict(observation, deterministic=True)
        assert int(table.act(observation)) == int(wanted)


def test_stochastic_tables_and_mixtures_draw_as_often_as_they_say(tmp_path: Path) -> None:
    env = morl.make("morl/DeepSeaTreasure-v0")
    front = morl.solve(env, utility="worst")
    opened = planned(env, front)
    path = export(opened.agent, opened.policy(front.ids[0]), tmp_path / "p.npz")
    table = loader()(str(path), seed=1)
    shares = np.load(path)["shares"]
    drawn = []
    for _ in range(300):
        table.reset()
        drawn.append(
            next(i for i, one in enumerate(table.table) if one is table.steps[0] or (one == table.steps[0]).all())
        )
    assert np.bincount(drawn, minlength=len(shares)) / 300 == pytest.approx(shares, abs=0.12)


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("MultiWeightQLearning", "p.onnx", "no network .*; a table goes to .npz or .json"),
        pytest.param("ESRQLearning", "p.npz", "no table", marks=pytest.mark.slow),
        pytest.param("ESRQLearning", "p.onnx", "no network", marks=pytest.mark.slow),
        ("WorstCase", "p.onnx", "no network .*; a table goes to .npz or .json"),
        ("Envelope", "p.npz", "no table .*; a network goes to .onnx"),
    ],
)
def test_one_clear_line_where_there_is_nothing_to_export(name: str, file: str, message: str, tmp_path: Path) -> None:
    agent = registry.get(name)(problems.stochastic(), seed=0, **SMALL.get(name, {})).learn(300)
    with pytest.raises(AgentError, match=message) as info:
        export(agent, agent.front(4).policies[0], tmp_path / file)
    assert "\n" not in str(info.value)
    assert not list(tmp_path.iterdir())


def test_other_endings(tmp_path: Path) -> None:
    agent = registry.get("MultiWeightQLearning")(problems.stochastic(), seed=0).learn(300)
    with pytest.raises(SpecError, match=r"expected one of \.onnx, \.npz, \.json"):
        export(agent, agent.front().policies[0], tmp_path / "policy.pt")
    with pytest.raises(SpecError, match="give a point"):
        export(agent, None, tmp_path / "policy.npz")
