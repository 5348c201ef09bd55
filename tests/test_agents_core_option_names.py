"""Options by the names that they had before: read everywhere, said once, never twice."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morl import storage
from morl.agents import load, registry
from morl.agents.core.config import AgentConfig, make_config, option, option_names
from morl.agents.core.option_names import EVERY, OF_SOME, RENAMED, present_names, renamed, renaming_note
from morl.cli import main
from morl.runs import RunConfig, train
from morl.spec import AgentError, UnknownNameError
from morl.testing import problems

SEA = "morl/DeepSeaTreasureConcave-v0"
ENTRIES = [
    (algorithm, old, new)
    for algorithm in registry.BUILT_IN
    for old, new in renamed(algorithm, option_names(registry.get(algorithm).Config)).items()
]


@dataclass(frozen=True)
class Options(AgentConfig):
    """Of an agent of somebody else's."""

    learning_rate: float = option(1e-3, "step size", low=0.0)
    hidden: int = option(16, "an option that is still called so", low=1)


def test_every_entry_of_the_table_is_of_use() -> None:
    for algorithm, table in RENAMED.items():
        for old, new in table.items():
            users = [name for name, *entry in ENTRIES if entry == [old, new] and algorithm in (name, EVERY)]
            assert users, f"{algorithm}: {old} → {new} fits no algorithm"


@pytest.mark.parametrize(("algorithm", "old", "new"), ENTRIES)
def test_the_former_name_gives_what_the_present_one_gives(algorithm: str, old: str, new: str) -> None:
    config = registry.get(algorithm).Config
    default = next(f.default for f in fields(config) if f.name == new)
    value: Any = 7 if isinstance(default, int) or default is None else 0.5
    value = {"net_arch": [8], "conditioning": "film"}.get(new, value)
    before, now = (make_config(config, {name: value}, algorithm) for name in (old, new))
    assert before == now
    assert before != config()
    with pytest.raises(AgentError, match=f"option {old} is called {new} now; both were given"):
        make_config(config, {old: value, new: value}, algorithm)
    said = renaming_note(algorithm, option_names(config), {old: value})
    assert said == f"options of {algorithm} have other names now: {old} is {new}"


def test_other_agents_are_helped_too_and_an_option_that_exists_is_itself() -> None:
    assert make_config(Options, {"lr": 0.1, "hidden": 3}, "Other") == Options(learning_rate=0.1, hidden=3)
    with pytest.raises(UnknownNameError, match="batch"):
        make_config(Options, {"batch": 3}, "Other")
    assert present_names("Other", option_names(AgentConfig), {"lr": 1}) == {"lr": 1}


def test_python_warns_where_the_option_was_given() -> None:
    for given in ({"config": {"chunk": 50}}, {"chunk": 50}):
        with pytest.warns(DeprecationWarning, match="chunk is n_steps") as caught:
            agent = registry.get("MultiWeightQLearning")(problems.deterministic(), **given)
        assert [w.filename for w in caught] == [__file__]
        assert agent.config.n_steps == 50
        assert agent.given == {"n_steps": 50}


def test_present_names_are_not_spoken_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.get("MultiWeightQLearning")(problems.deterministic(), n_steps=50)


def aged(path: Path, edit: Any) -> None:
    """Rewrite a checkpoint with other facts, under a seal that holds."""
    body = json.loads((path / "checkpoint.json").read_text())
    body.pop("seal")
    edit(body["meta"])
    text = json.dumps(body, sort_keys=True, allow_nan=False)
    (path / "checkpoint.json").write_text(json.dumps({**body, "seal": storage.sha256(text.encode())}))


@pytest.mark.parametrize("name", OF_SOME)
def test_an_option_that_an_agent_cannot_honour_is_refused_with_those_that_can(name: str) -> None:
    able = tuple(algorithm for algorithm in registry.names() if name in option_names(registry.get(algorithm).Config))
    assert OF_SOME[name] == able
    with pytest.raises(UnknownNameError, match=f"'{name}'; it is an option of {', '.join(able)}"):
        registry.get("PCN")(problems.deterministic(), **{name: "x"})


def test_checkpoints_with_former_names_are_read_without_a_word(tmp_path: Path) -> None:
    agent = registry.get("MultiWeightQLearning")(problems.deterministic(), seed=1, n_steps=50).learn(200)
    place = agent.save(tmp_path / "old")
    aged(place, lambda meta: meta["config"].update(chunk=meta["config"].pop("n_steps")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again: Any = load(place, problems.deterministic())
    assert again.config == agent.config
    assert np.array_equal(again.q, agent.q)


def test_the_command_line_notes_them_once_and_records_the_present_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "options.toml").write_text("chunk = 100\n")
    command = ["train", "--algo", "ParetoQLearning", "--env", SEA, "-n", "200", "-q", "--out", str(tmp_path), "--name"]
    assert main([*command, "file", "--config", str(tmp_path / "options.toml")]) == 0
    assert capsys.readouterr().err.count("chunk is n_steps") == 1
    assert main([*command, "set", "--set", "chunk=100"]) == 0
    assert capsys.readouterr().err.count("chunk is n_steps") == 1
    assert json.loads((tmp_path / "set" / "config.json").read_text())["options"] == {"n_steps": "100"}


def test_runs_with_former_names_are_evaluated_and_resumed(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="chunk is n_steps"):
        run = train(RunConfig("ParetoQLearning", SEA, 200, options={"chunk": 100}), tmp_path, name="old")
    assert run.config["options"] == {"chunk": 100}
    assert main(["eval", str(run.path)]) == 0
    assert main(["resume", str(run.path), "-n", "200", "-q"]) == 0
