"""Every algorithm against the public conformance suite."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.info import AlgoInfo
from morl.spec import UnknownNameError
from morl.testing import ConformanceError, check_agent
from morl.testing.agent_optima import most_seeds
from morl.testing.agents import CHECKS, Case

SMALL_PPO = {"n_steps": 16, "batch_size": 64, "learning_rate": 3e-3, "n_epochs": 6}
FAST: dict[str, dict[str, Any]] = {
    "ESRQLearning": {},
    "ExactPlanner": {},
    "MultiWeightQLearning": {},
    "ParetoQLearning": {},
    "WorstCase": {},
}
SLOW: dict[str, dict[str, Any]] = {
    "ConditionedPPO": {"options": {"n_envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 6, "device": "cpu"}},
    "EUPG": {
        "options": {"n_envs": 8, "n_steps": 16, "net_arch": (32, 32)},
        "optimum_options": {"n_envs": 16},
        "optimum_steps": 15_000,
    },
    "LinearScalarization": {
        "options": {"n_weights": 3, "n_envs": 4, "warm_start": False, "sb3": SMALL_PPO},
        "optimum_options": {"n_weights": 4, "n_envs": 8},
    },
    "QuantileDQN": {
        "options": {"risk": "expectation", "n_envs": 8, "net_arch": (32, 32), "quantiles": 16, "batch_size": 64,
                    "learning_starts": 200, "buffer_size": 20_000},
    },
}  # fmt: skip
OWN_PROCESS = "other_process"


def _case(name: str) -> Case:
    settings = FAST.get(name) or SLOW.get(name) or {}
    return Case(registry.get(name), **settings)


@pytest.mark.parametrize("check", [c for c in CHECKS if c != OWN_PROCESS])
@pytest.mark.parametrize("name", FAST)
def test_tabular_agents_conform(name, check) -> None:
    CHECKS[check](_case(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_same_parameters_in_another_process(name) -> None:
    CHECKS[OWN_PROCESS](_case(name))


@pytest.mark.slow
@pytest.mark.parametrize("check", [c for c in CHECKS if c != OWN_PROCESS])
@pytest.mark.parametrize("name", SLOW)
def test_network_agents_conform(name, check) -> None:
    import torch

    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        CHECKS[check](_case(name))


def test_the_suite_names_its_checks() -> None:
    with pytest.raises(UnknownNameError, match="did you mean resume"):
        check_agent("ParetoQLearning", only=["resum"])
    report = check_agent("WorstCase", only=["describes_itself", "preferences"])
    assert report == {"describes_itself": "passed", "preferences": "one policy only"}


class Forgetful(registry.get("MultiWeightQLearning")):  # type: ignore[misc]
    """Loses its tables when it is saved."""

    info = AlgoInfo("Forgetful", "x", ("SER",), "x", ("discrete",), ("discrete",), "x", "x")

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays, facts = super()._state()
        arrays["q"] = arrays["q"] * 0
        return arrays, facts


class Unseeded(registry.get("MultiWeightQLearning")):  # type: ignore[misc]
    """Begins with values from a generator that nobody seeded: what it learns later cannot hide them all."""

    info = AlgoInfo("Unseeded", "x", ("SER",), "x", ("discrete",), ("discrete",), "x", "x")

    def _setup(self) -> None:
        import numpy as np

        super()._setup()
        self.q += np.random.default_rng().normal(size=self.q.shape)


class Cutoff(registry.get("MultiWeightQLearning")):  # type: ignore[misc]
    """Takes a truncated episode for a finished one."""

    info = AlgoInfo("Cutoff", "x", ("SER",), "x", ("discrete",), ("discrete",), "x", "x")

    def _learn(self, until: int) -> None:
        from morl.agents import multi_weight_q as m
        from morl.agents.tables.tabular import Stepper

        rng, n = self.rng("explore"), self.tables.n_actions

        def act(copy: int, s: int, accrued: Any, time: int) -> int:
            return int(m.choose(self.q, self.visits, self.weights, n, s, 0, 0.5, rng))

        def learn(x: Any) -> None:
            over = x.terminated or x.truncated
            m.update(
                self.q,
                self.visits,
                self.weights,
                n,
                x.state,
                x.action,
                x.reward,
                x.next_state,
                over,
                self.discount,
                0.7,
            )

        with self.problem.collecting(1, self.segment_seed()) as collector:
            stepper = Stepper(self.tables, collector)
            while self.num_timesteps < until:
                self.advance(stepper.step(act, learn))


@pytest.mark.parametrize(
    ("broken", "check"), [(Forgetful, "save_and_load"), (Unseeded, "same_seed"), (Cutoff, "truncation")]
)
def test_the_suite_catches_broken_agents(broken: type[Agent], check: str) -> None:
    with pytest.raises(ConformanceError):
        check_agent(broken, only=[check])


@pytest.mark.parametrize(("reached", "passes"), [("100", True), ("011", True), ("010", False), ("001", False)])
def test_one_seed_decides_nothing_about_what_is_learned(reached: str, passes: bool) -> None:
    tried: list[int] = []

    @most_seeds
    def check(case: Case) -> str | None:
        tried.append(case.seed)
        case.require(reached[case.seed - 5] == "1", "not learned")
        return None

    case = Case(registry.get("MultiWeightQLearning"), seed=5)
    if passes:
        assert check(case) is None
    else:
        with pytest.raises(ConformanceError, match="not learned"):
            check(case)
    assert tried == [5, 6, 7][: len(tried)]
