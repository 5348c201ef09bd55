"""Learning that can be watched: rows along the run, within their share of steps, changing nothing that is learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_agents_sizing import Counting

from morl.agents import registry
from morl.agents.core.callbacks import ProgressBar
from morl.agents.core.logger import MemoryLogger
from morl.agents.core.watching import BASELINES, LearningCurve, TimedCheckpoint
from morl.spec import AgentError
from morl.testing import problems
from morl.testing.agents import digest


def watched(
    name: str, env: Any, steps: int, share: float = 0.1, **options: Any
) -> tuple[Any, LearningCurve, list[Any]]:
    agent = registry.get(name)(env, seed=0, **options)
    agent.logger = log = MemoryLogger()
    curve = LearningCurve(share)
    agent.learn(steps, callback=curve)
    return agent, curve, log.rows


@pytest.mark.filterwarnings("ignore:.*generations")
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 1.0])
@pytest.mark.parametrize("limit", [10, 200])
def test_measuring_keeps_to_its_share_of_steps(limit: int, share: float) -> None:
    agent, curve, rows = watched("ParetoEvolution", Counting(limit, noise=1.0), 4000, share)
    assert curve.spent == agent.eval_steps <= share * 4000
    found = [row for row in rows if "front/hypervolume" in row]
    assert bool(found) == (share * 4000 >= limit)
    for row in found:
        assert row["front/min/one"] <= row["front/max/one"]
        assert row["front/eval_steps"] <= share * row["step"]
    steps = [row["step"] for row in found]
    assert steps == sorted(set(steps))


def test_baselines_are_those_of_the_environment() -> None:
    """With rewards (a, −a) for action a of 0, 1, 2 in episodes of 5 steps, γ = .9, random play earns Σ .9ᵗ = 4.0951."""
    _, _, rows = watched("ParetoEvolution", Counting(5), 20_000)
    first = rows[0]
    assert first["step"] == 0
    assert first["baseline/do_nothing/max/one"] == 0.0
    assert first["baseline/random/max/one"] == pytest.approx(4.0951, abs=1.6)  # ten episodes, five standard errors
    assert {key.split("/")[1] for key in first if key.startswith("baseline/")} == set(BASELINES)


def test_the_last_measurement_is_shown_beside_doing_nothing() -> None:
    curve = LearningCurve(1.0)
    assert curve.summary() == ""
    registry.get("ParetoEvolution")(Counting(5), seed=0).learn(
        4000, callback=[curve, ProgressBar(summary=curve.summary)]
    )
    volume = curve.history[-1]["front/hypervolume"]
    idle = np.prod(-np.array(Counting(5).mo_spec.ref_point))  # its returns are (0, 0)
    assert curve.summary() == f"hypervolume {volume:.5g} (doing nothing {idle:.5g})"


def test_a_model_measures_exactly_and_for_nothing() -> None:
    agent, curve, rows = watched("MultiWeightQLearning", problems.deterministic(), 3000)
    assert agent.eval_steps == curve.spent == 0
    last = [row for row in rows if "front/hypervolume" in row or "front/max/a" in row or "front/points" in row][-1]
    assert last["step"] == 3000
    front = agent.front()
    assert last["front/points"] == len(front)
    for k, name in enumerate(agent.spec.names):
        assert last[f"front/max/{name}"] == pytest.approx(front.points[:, k].max())
    assert any("baseline/random/points" in row for row in rows)


@pytest.mark.parametrize("name", ["MultiWeightQLearning", "ParetoEvolution", "WorstCase", "PCN"])
def test_watching_changes_nothing_that_is_learned(name: str) -> None:
    env = problems.Plain(problems.deterministic())
    plain = registry.get(name)(env, seed=3).learn(1500)
    seen = registry.get(name)(env, seed=3).learn(1500, callback=LearningCurve(1.0))
    assert seen.eval_steps > plain.eval_steps
    assert digest(plain) == digest(seen)
    assert np.array_equal(plain.front(4).points, seen.front(4).points)  # nor what is measured in the end


def test_saves_by_the_clock_can_be_gone_on_from(tmp_path: Path) -> None:
    agent = registry.get("MultiWeightQLearning")(problems.deterministic(), seed=0, chunk=100)
    agent.learn(1000, callback=TimedCheckpoint(tmp_path / "saved", minutes=1e-9))
    again = type(agent).load(tmp_path / "saved", problems.deterministic())
    assert again.num_timesteps == 1000
    assert digest(again) == digest(agent)


@pytest.mark.parametrize("budget", [1, 700, 3000, 40_000])
def test_a_budget_bounds_what_measuring_takes(budget: int) -> None:
    agent = registry.get("ParetoEvolution")(Counting(50), seed=0).learn(3000)
    least, before = len(agent._policies(None)) * 50, agent.eval_steps
    front = agent.front(budget=budget)
    assert agent.eval_steps - before <= max(budget, 2 * least)
    assert front.episodes is not None
    assert front.episodes.max() <= 50
    assert budget < 40_000 or front.episodes.max() > 1


def test_without_a_budget_nothing_changes() -> None:
    agents = [registry.get("ParetoEvolution")(Counting(50), seed=0).learn(3000) for _ in range(2)]
    plain, bounded = agents[0].front(8, seed=3), agents[1].front(8, seed=3, budget=10**9)
    assert plain.episodes is not None
    assert bounded.episodes is not None
    assert plain.episodes.tolist() == bounded.episodes.tolist() == [4] * len(plain)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_a_fraction(share: float) -> None:
    with pytest.raises(AgentError, match="expected 0 to 1"):
        LearningCurve(share)


def test_runs_are_plotted_beside_baselines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from morl.cli import main

    common = ["--env", "morl/DeepSeaTreasureConcave-v0", "-n", "4000", "-q", "--out", str(tmp_path)]
    for seed in ("0", "1"):
        assert main(["train", "--algo", "MultiWeightQLearning", "--seed", seed, "--name", f"m{seed}", *common]) == 0
    picture = tmp_path / "curves.png"
    capsys.readouterr()
    assert main(["plot", str(tmp_path / "m0"), str(tmp_path / "m1"), "--out", str(picture)]) == 0
    told = capsys.readouterr().out
    assert "do nothing" in told
    assert "hypervolume" in told
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(tmp_path / "m0"), "--out", str(tmp_path / "curves.xyz")]) == 1
    assert "expected one of" in capsys.readouterr().err
    assert main(["train", "--algo", "MultiWeightQLearning", "--name", "bare", "--eval-share", "0", *common]) == 0
    assert main(["plot", str(tmp_path / "bare")]) == 1
    assert "no learning curve" in capsys.readouterr().err
