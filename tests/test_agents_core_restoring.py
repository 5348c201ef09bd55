"""What a checkpoint says of an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from morl.agents import VectorQLambda
from morl.agents.core import restoring
from morl.spec import RunError
from morl.testing import problems


def test_what_the_caller_left_to_the_agent_it_goes_on_choosing(tmp_path: Path) -> None:
    agent = VectorQLambda(problems.stochastic(), seed=0, lam=0.8, net_arch=(8,)).learn(600)
    again = VectorQLambda.load(agent.save(tmp_path / "agent"), problems.stochastic())
    assert again.given == agent.given == {"lam": 0.8, "net_arch": (8,)}
    assert again.parallel_envs == agent.parallel_envs < agent.config.n_envs
    assert again.config == agent.config
    twice = VectorQLambda.load(again.save(tmp_path / "again"), problems.stochastic())
    assert twice.given == agent.given


def test_a_checkpoint_that_does_not_say_what_was_given_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = VectorQLambda(problems.stochastic(), seed=0, n_envs=3, net_arch=(8,)).learn(100)
    facts_of = restoring.facts_of(agent)

    def save(name: str, given: Any) -> Path:
        facts = {key: value for key, value in facts_of.items() if key != "given"} | given
        monkeypatch.setattr("morl.agents.base.facts_of", lambda _: facts)
        return agent.save(tmp_path / name)

    assert VectorQLambda.load(save("older", {}), problems.stochastic()).parallel_envs == 3
    with pytest.raises(RunError, match="does not fit VectorQLambda"):
        VectorQLambda.load(save("broken", {"given": 7}), problems.stochastic())
