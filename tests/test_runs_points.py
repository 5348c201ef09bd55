"""Policies by the identity of a point: from a run folder, from front files, and from exact fronts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl.pareto import Front
from morl.runs import RunConfig, RunFolder, evaluate, train
from morl.runs.playing import measure
from morl.runs.points import open_source, planned, point_policy
from morl.spec import FrontError, RunError, SpecError, UnknownNameError

SEA = "morl/DeepSeaTreasure-v0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    config = RunConfig("MultiWeightQLearning", SEA, 4000)
    return train(config, tmp_path_factory.mktemp("runs"))


def actions(opened, policy):
    return [int(step.action) for step in opened.episode(policy, seed=3)]


def test_a_run_and_its_files_give_the_same_policy(run: RunFolder) -> None:
    front = run.front()
    assert len(set(front.ids)) == len(front)
    opened = open_source(run.path)
    for id in front.ids:
        path = actions(opened, opened.policy(id))
        assert path == actions(opened, opened.policy(id[:5]))
        for file in ("front.json", "front.csv"):
            again = open_source(run.path / file)
            assert again.front.ids == front.ids
            assert actions(again, again.policy(id)) == path


def test_measured_again_a_policy_keeps_its_identity(run: RunFolder) -> None:
    front = run.front()
    for id in front.ids[:2]:
        again = evaluate(run, 10, seed=1, point=id)
        assert again.ids == (id,)
        assert again.points[0] == pytest.approx(front.points[front.find(id)])  # the model is finite: exact
        assert Front.load(run.path / again.provenance["file"]).ids == (id,)
    opened = open_source(run.path)
    assert measure(opened.agent, opened.policy(front.ids[0]), 10, 0).ids == (front.ids[0],)
    with pytest.raises(SpecError, match="expected one of them"):
        evaluate(run, 10, point=front.ids[0], preference=[1, 0])


def test_what_is_not_there(run: RunFolder) -> None:
    opened = open_source(run.path)
    with pytest.raises(UnknownNameError, match="unknown point 'qqqqqqqq'"):
        opened.policy("qqqqqqqq")
    stranger = opened.front.replace(identities=("k3v9x2mt", *opened.front.ids[1:]))
    opened.front = stranger
    with pytest.raises(RunError, match="measure them with morl eval"):
        opened.policy("k3v9x2mt")


@pytest.mark.parametrize("policies", ["stationary", "history"])
def test_exact_fronts(policies: str, tmp_path) -> None:
    """Tables come back with their file; plans that no file holds are solved again."""
    env = morl.make(SEA)
    front = morl.solve(env, policies=policies)
    file = front.save(tmp_path / "front.json")
    live, loaded = planned(env, front), open_source(file)
    for i in (0, len(front) - 1):
        steps = list(loaded.episode(loaded.policy(front.ids[i]), 0))
        assert [int(s.action) for s in steps] == actions(live, live.policy(front.ids[i]))
        discounted = front.discount ** np.arange(len(steps)) @ np.array([s.reward for s in steps])
        assert discounted == pytest.approx(front.points[i])  # the sea is deterministic
        assert hasattr(point_policy(env, front, i), "predict")


def test_files_that_know_values_only(tmp_path) -> None:
    file = Front([[1.0, 2.0]], ["a", "b"]).save(tmp_path / "points.csv")
    with pytest.raises(FrontError, match="it knows values, not policies; give the folder of its run"):
        open_source(file)
    with pytest.raises(FrontError, match="it knows values, not policies"):
        point_policy(None, Front([[1.0, 2.0]]), 0)


def test_episodes_stop_and_are_drawn() -> None:
    env = morl.make(SEA, render_mode="rgb_array")
    opened = planned(env, morl.solve(env, policies="stationary"))
    steps = list(opened.episode(opened.policy(opened.front.ids[0]), max_steps=2))
    assert [step.time for step in steps] == [0, 1]
    assert not steps[-1].over
    assert steps[0].frame.ndim == 3
    with pytest.raises(SpecError, match="max_steps is 0; expected a positive integer"):
        next(opened.episode(opened.policy(opened.front.ids[0]), max_steps=0))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda table: table[:3], "policy has shape (3,)"),
        (lambda table: 0, "policy has shape ()"),
        (lambda table: [[table]], "policy has shape (1, 1, 72)"),
        (lambda table: [[]], "policy has shape (0,)"),
        (lambda table: [99] * len(table), "policy takes action 99"),
        (lambda table: [-1] * len(table), "policy takes action -1"),
        (lambda table: [0.5] * len(table), "expected (248,) probabilities"),
        (lambda table: [0.0] * 248, "sum to 0"),
        (lambda table: [-1.0] * 248, "probability -1.0"),
        (lambda table: [table, [7] * len(table)], "policy takes action 7"),
    ],
)
def test_tables_of_a_file_that_are_none_of_the_model_are_refused(change: Any, problem: str, tmp_path: Path) -> None:
    path = morl.solve("morl/DeepSeaTreasure-v0", policies="stationary").save(tmp_path / "front.json")
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "policies": [change(table) for table in data["policies"]], "digest": "x"}))
    with pytest.warns(UserWarning, match="altered"), pytest.raises(FrontError, match=re.escape(problem)):
        open_source(path)


def test_arguments_of_a_file_s_environment_are_a_table(tmp_path: Path) -> None:
    path = morl.solve("morl/DeepSeaTreasure-v0", policies="stationary").save(tmp_path / "front.json")
    data = json.loads(path.read_text())
    facts = {**data["provenance"], "env_options": [1]}
    path.write_text(json.dumps({**data, "provenance": facts, "digest": "x"}))
    with pytest.warns(UserWarning, match="altered"), pytest.raises(FrontError, match="expected a table of names"):
        open_source(path)
