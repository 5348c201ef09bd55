"""Learning that can be watched: the front measured along the way within a share of the steps, and saves by the clock.

Nothing here changes what is learned: measuring draws from seeds of its own, in environments of its own, and an agent
saved between two boundaries is only read.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from morl.agents.core.callbacks import Callback
from morl.agents.core.collector import random_actions
from morl.agents.core.errors import NoPolicyError
from morl.agents.core.evaluation import Evaluator, roll_out
from morl.agents.core.policies import Decision, Memory, PolicySet, Subset
from morl.agents.core.problem import Problem
from morl.pareto.indicators import expected_utility, hypervolume, nondominated_mask
from morl.spec import AgentError, FloatArray, RunError

if TYPE_CHECKING:
    from morl.agents.base import Agent

Array = np.ndarray[Any, Any]

SHARE = 0.1
"""Evaluation steps for each step of learning, at most."""

ROWS = 20
"""Measurements of one call of learn, where the share allows them."""

EPISODES = 5
"""Episodes per policy and measurement, at most."""

MINUTES = 3.0
"""Between saves, where no interval in steps is asked for."""

BASELINES = ("do_nothing", "random")


class Baselines(PolicySet):
    """Two policies that learn nothing: action 0 (the middle of a box), and uniformly random actions.

    Args:
        problem: the environment.
    """

    stochastic = True

    def __init__(self, problem: Problem) -> None:
        assert problem.actions is not None
        self._space = problem.actions.space

    def __len__(self) -> int:
        return len(BASELINES)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """Row by row."""
        actions = np.asarray(random_actions(self._space, len(decision.which), decision.rng))
        actions[decision.which == BASELINES.index("do_nothing")] = 0
        return actions, decision.memory

    def probabilities(self, decision: Decision) -> FloatArray | None:
        """Where actions are numbers."""
        if not isinstance(self._space, spaces.Discrete):
            return None
        nothing = np.arange(int(self._space.n)) == 0
        idle = (decision.which == BASELINES.index("do_nothing"))[:, None]
        return np.where(idle, nothing, 1.0 / int(self._space.n))


class LearningCurve(Callback):
    """Measures the front along the way, and two baselines at the start, and logs how good they are.

    Where the environment has a finite model and the policies can be evaluated exactly, they are (``by_clock``: in at
    most a tenth of the time). Else episodes are sampled: as many policies and episodes as the share of steps allows,
    and no more. When it measures, and with which seeds, depends on the steps alone, so that a run which goes on from a
    boundary with the rows that were ``logged`` up to it logs what the uninterrupted one does.

    Rows that :attr:`Agent.logger` receives hold ``front/points``, ``front/hypervolume`` (of discounted returns; where
    there is a reference point), ``front/expected_utility`` (over even linear preferences of returns in their scale;
    where there is a return scale), ``front/min/NAME`` and ``front/max/NAME`` of each objective, ``front/policies``
    measured and ``front/episodes`` of each (0: exact); the first row holds ``baseline/do_nothing/…`` and
    ``baseline/random/…`` of the same names. All rows hold ``front/eval_steps`` so far, and ``front/episode_steps``: how
    many steps an episode takes, as far as is known.

    Args:
        share: evaluation steps for each step of learning, at most.
        rows: measurements at most.
        ref_point: ``(K,)`` replaces the environment's reference point.
        logged: rows of a run that goes on, up to where it goes on.
        by_clock: leave out measurements where they take more than a tenth of the time.

    Attributes:
        length: steps of an episode; ``None`` before the first was played.

    Raises:
        AgentError: a share outside [0, 1].
    """

    def __init__(
        self,
        share: float = SHARE,
        rows: int = ROWS,
        ref_point: Any = None,
        *,
        logged: Sequence[Mapping[str, Any]] | None = None,
        by_clock: bool = True,
    ) -> None:
        if not 0.0 <= share <= 1.0:
            raise AgentError(f"share of steps for evaluation is {share}; expected 0 to 1")
        self.share, self.rows, self.ref_point = float(share), int(rows), ref_point
        self.by_clock, self._of_run = by_clock, logged is not None
        self.history: list[dict[str, float]] = []
        self._idle: float | None = None  # hypervolume of doing nothing
        self.spent = 0
        self.length: float | None = None
        self._began = self._next = self._last = 0
        self._seconds = 0.0
        for row in logged or ():
            if "front/eval_steps" in row:
                self.spent, self._last = int(row["front/eval_steps"]), int(row["step"])
                self.length = row.get("front/episode_steps")
            self._idle = row.get("baseline/do_nothing/hypervolume", self._idle)

    def summary(self) -> str:
        """The hypervolume measured last, beside that of doing nothing; empty before the first."""
        known = [row["front/hypervolume"] for row in self.history if "front/hypervolume" in row]
        beside = "" if self._idle is None else f" (doing nothing {self._idle:.5g})"
        return f"hypervolume {known[-1]:.5g}{beside}" if known else ""

    def on_training_start(self, agent: Agent) -> None:
        """Measure the baselines, unless learning goes on."""
        self._agent, self._began = agent, 0 if self._of_run else agent.num_timesteps
        steps = agent.target_timesteps - self._began
        self._every = max(1, steps // self.rows)
        self._aim()
        self._evaluator = Evaluator(agent.problem, agent.seeds("evaluation"))
        if agent.num_timesteps == 0 and self.share > 0:
            self._measure_baselines(int(self.share * steps / 4))

    def _aim(self) -> None:
        """The next multiple of the interval."""
        self._next = self._began + ((self._agent.num_timesteps - self._began) // self._every + 1) * self._every

    def on_step(self, agent: Agent) -> bool:
        """Measure when it is time."""
        if self.share > 0 and agent.num_timesteps >= self._next:
            self._aim()
            if not self.by_clock or self._seconds <= SHARE * agent.seconds + 0.1:
                self._measure()
        return True

    def on_segment_end(self, agent: Agent) -> None:
        """A last row, where learning came to its end: before the agent is saved, so that the checkpoint counts it."""
        if self.share > 0 and self._last < agent.num_timesteps >= agent.target_timesteps:
            self._measure()

    # ---- measuring -------------------------------------------------------------------------------------

    def _measure(self) -> None:
        began, agent = time.perf_counter(), self._agent
        try:
            policies = agent._policies(None)
        except (NoPolicyError, RunError):  # too early
            return
        deterministic = agent._evaluates_deterministically
        exact = self._evaluator._exactly(policies, agent.discount, deterministic, False) if len(policies) else None
        if exact is not None:
            points, episodes, count = exact.mean, 0, len(policies)
        else:
            points, episodes, count = self._sampled(policies, deterministic)
        self._seconds += time.perf_counter() - began
        self._last = agent.num_timesteps
        row: dict[str, float] = {}
        if len(points):
            row = {**self._row("front", points), "front/policies": count, "front/episodes": episodes}
            self.history.append({"step": float(agent.num_timesteps), **row, "front/eval_steps": self.spent})
        self._log(row)

    def _log(self, row: Mapping[str, float]) -> None:
        """Log a row with what was spent; nothing where nothing was."""
        facts: dict[str, Any] = {"front/eval_steps": self.spent, "front/episode_steps": self.length}
        if row or self.spent:
            self._agent.logger.log({**row, **facts}, self._agent.num_timesteps)

    def _episode(self) -> float:
        """Steps of an episode; the time limit until some were played."""
        return self.length or float(self._agent.problem.horizon or 1)

    def _sampled(self, policies: PolicySet, deterministic: bool) -> tuple[FloatArray, int, int]:
        """Mean returns of as many policies as can be afforded ``(m, K)``, the episodes of each, and m."""
        left = int(self.share * (self._agent.num_timesteps - self._began)) - self.spent
        episodes = int(np.clip(left / (max(len(policies), 1) * self._episode()), 1, EPISODES))
        count = int(min(len(policies), left // (episodes * self._episode())))
        if count < 1:
            return np.zeros((0, self._agent.k)), 0, 0
        chosen = np.unique(np.linspace(0, len(policies) - 1, count).round().astype(np.int64))
        some = Subset(policies, chosen)
        return self._played(some, episodes, left, deterministic), episodes, len(chosen)

    def _played(self, policies: PolicySet, episodes: int, limit: int, deterministic: bool, part: int = 0) -> FloatArray:
        """Mean returns of the policies of which all episodes ended within ``limit`` steps: others would be biased."""
        agent, jobs = self._agent, np.tile(np.arange(len(policies)), episodes)
        env = agent.problem.measuring(min(agent.config.eval_envs, len(jobs)))
        # A branch of the seeds that no other evaluation of the agent grows on, told by the step.
        seed = np.random.SeedSequence(agent.seeds("evaluation").entropy, spawn_key=(1, 0, agent.num_timesteps, part))
        try:
            returns, _, steps = roll_out(
                env, agent.problem, policies, jobs, agent.discount, seed, deterministic, limit=limit
            )
        finally:
            env.close()
        self.spent += steps
        agent._evaluator.steps += steps
        means = returns.reshape(episodes, len(policies), agent.k).mean(axis=0)
        ended = np.isfinite(means).all(axis=1)
        if ended.all():
            self.length = max(1.0, steps / len(jobs))
        return np.asarray(means[ended])

    def _measure_baselines(self, limit: int) -> None:
        agent = self._agent
        episodes = int(np.clip(limit / (2 * self._episode()), 1, 2 * EPISODES))
        row: dict[str, float] = {}
        for i, name in enumerate(BASELINES):
            one = Subset(Baselines(agent.problem), np.array([i]))
            exact = self._evaluator._exactly(one, agent.discount, False, False)
            points = self._played(one, episodes, limit // 2, False, i) if exact is None else exact.mean
            if len(points):
                row |= self._row(f"baseline/{name}", points)
        self._idle = row.get("baseline/do_nothing/hypervolume")
        self._log(row)

    def _row(self, head: str, points: FloatArray) -> dict[str, float]:
        """What is logged about mean returns ``(n, K)``."""
        spec = self._agent.spec
        best = points[nondominated_mask(points)]
        row: dict[str, float] = {f"{head}/points": float(len(best))}
        ref_point = spec.ref_point if self.ref_point is None else self.ref_point
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if ref_point is not None:
                row[f"{head}/hypervolume"] = float(hypervolume(best, np.asarray(ref_point, dtype=np.float64)))
            if spec.return_scale is not None:
                row[f"{head}/expected_utility"] = float(expected_utility(spec.normalise(best)))
        for k, name in enumerate(spec.names):
            row[f"{head}/min/{name}"], row[f"{head}/max/{name}"] = float(best[:, k].min()), float(best[:, k].max())
        return row


class TimedCheckpoint(Callback):
    """Saves the agent every few minutes between boundaries, so that a run which is killed loses no more than that.

    Args:
        folder: where; each save replaces the last.
        minutes: between saves.
    """

    def __init__(self, folder: str | Path, minutes: float = MINUTES) -> None:
        if not minutes > 0:
            raise AgentError(f"minutes between saves are {minutes}; expected more than 0")
        self.folder, self.minutes = Path(folder), float(minutes)
        self._last = 0.0

    def on_training_start(self, agent: Agent) -> None:
        """Start the clock."""
        self._last = time.monotonic()

    def on_step(self, agent: Agent) -> bool:
        """Save when it is time."""
        if time.monotonic() - self._last >= 60.0 * self.minutes:
            agent.save(self.folder)
            self._last = time.monotonic()
        return True
