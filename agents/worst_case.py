"""The worst objective, or CVaR across objectives, of the expected return: a game between a learner and the weights.

The worst normalised objective of a policy is the least weighted sum over all weights, so the best policy is one side
of a zero-sum game. The weights are moved multiplicatively towards what is doing badly while a scalarised learner keeps
answering them, and the *average* of its policies, drawn once per episode, is what solves the game (Freund & Schapire
1999; Park et al. 2024; Siddique et al. 2020)::

    w_i ∝ w_i exp(−η f_i(π_t)),     π_{t+1} ≈ argmax_π  w · f(π),     f_i = (J_i − low_i) / (high_i − low_i)

For CVaR_α with objective weights p the adversary's weights are kept below p_i / α: α → 0 is the worst objective,
α = 1 a plain weighted sum. No single deterministic policy reaches the average's value in general.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.errors import warn
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import is_integer_valued
from morl.agents.core.policies import Mixtures, PolicySet, TablePolicies
from morl.agents.core.stateful import Stateful, below
from morl.agents.neural.policy_kwargs import NetworkConfig, OwnNetworks
from morl.spec import AgentError, FloatArray
from morl.utility import CVaRAcross, parse_utility
from morl.utility import WorstCase as WorstUtility

ROUNDS = 20
"""Rounds for which the steps asked for are to suffice, where their length is not given."""


@dataclass(frozen=True)
class WorstCaseConfig(NetworkConfig):
    """Options of :class:`WorstCase`."""

    utility: str = option("worst", "worst, or cvar:α with optional p (see morl.utility)")
    learner: str = option(
        "auto",
        "what answers the weights: a table, or a stable-baselines3 algorithm",
        choices=("auto", "table", "A2C", "DDPG", "DQN", "PPO", "SAC", "TD3"),
    )
    n_steps: int = option(
        1000,
        f"steps between moves of the weights; fewer where {ROUNDS} rounds do not fit, unless set",
        low=1,
    )
    learning_rate: float = option(2.0, "step size η of the weights in the first round; it falls with 1/√round", low=0.0)
    warm_up_rounds: int = option(10, "rounds of learning under equal weights before the game begins", low=0)
    average: str = option(
        "best", "how policies are averaged: the best mixture of those measured, or equally", choices=("best", "uniform")
    )
    epsilon: float = option(0.3, "probability of exploring (table)", low=0.0, high=1.0)
    power: float = option(0.7, "step size n^-power at the n-th visit (table)", low=0.0, high=1.0)
    memory: int = option(100, "visits that count at most, so that old weights are forgotten (table)", low=1)
    eval_episodes: int = option(20, "episodes that measure a round's policy where there is no model", low=1)
    device: str = option("cpu", "where networks compute", choices=("auto", "cpu", "cuda", "mps"))
    sb3: dict[str, Any] | None = option(None, "arguments of the stable-baselines3 class")  # noqa: RUF009
    max_states: int = option(20_000, "rows of the table where the environment has no model", low=1)


class Learner(Protocol):
    """Something that keeps improving for weights that keep changing, and whose state can be saved."""

    def learn(self, weight: FloatArray, steps: int, segment: int, turn: int) -> int:
        """Learn for ``weight`` (on raw rewards); returns the environment steps taken."""

    def policy(self) -> dict[str, Array]:
        """The present policy as arrays."""

    def policies(self, saved: list[dict[str, Array]]) -> PolicySet:
        """Saved policies as a set."""

    def close(self) -> None:
        """Forget episodes in progress."""


class WorstCase(OwnNetworks):
    """See the module's description.

    Rounds that the caller does not size are as many as the steps suffice for, at least twenty.
    """

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="WorstCase",
        summary="The best worst objective (or CVaR across objectives) of the expected return, by a mixture.",
        criterion=("SER",),
        policy_class="mixture of stationary deterministic policies",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Park et al. 2024; Siddique, Weng & Zimmer 2020",
        formula="w_i ∝ w_i exp(−η f_i(π_t)),  π_{t+1} ≈ argmax w·f(π);  the average policy is the answer",
        avoid="every single episode must be good in all objectives: use ESRQLearning, EUPG or QuantileDQN",
        multi_policy=False,
    )
    Config = WorstCaseConfig

    def _setup(self) -> None:
        c = self.config
        if self.spec.return_scale is None:
            raise AgentError(
                f"{self.problem.id} has no return_scale, so its objectives cannot be compared; give its MOSpec one"
            )
        utility = parse_utility(c.utility, self.k, self.spec.objectives, self.spec.return_scale)
        self.utility = utility
        if isinstance(utility, WorstUtility):
            self.cap = np.ones(self.k)
        elif isinstance(utility, CVaRAcross):
            self.cap = np.minimum(utility.probabilities(self.k) / utility.alpha, 1.0)
        else:
            raise AgentError(f"WorstCase optimises 'worst' and 'cvar:α'; given was {c.utility!r}")
        low, high = (np.array(x) for x in self.spec.return_scale)
        self._low, self._span = low, high - low
        self.weight: FloatArray = np.full(self.k, 1.0 / self.k)
        self.members: list[dict[str, Array]] = []
        self.values: FloatArray = np.zeros((0, self.k))  # of the members
        self.rounds = 0
        kind = c.learner
        if kind == "auto":
            kind = "table" if not self.actions.continuous and is_integer_valued(self.observation_space) else "PPO"
        if kind == "table" and c.policy_kwargs:
            raise AgentError("WorstCase answers by a table here, which has no network: leave policy_kwargs out")
        self._fixed = sorted({"n_steps", "warm_up_rounds"} & set(self.given))  # what the caller chose
        self._planned = 0  # the number of steps that rounds were made for
        self._round, self._begins = c.n_steps, c.warm_up_rounds
        self.learner: Learner = TableLearner(self) if kind == "table" else self._network(kind)
        self._keeps("weight", "values", "rounds", "_fixed", "_planned", "_round", "_begins", learner=self.learner)

    def _network(self, algorithm: str) -> Learner:
        from morl.agents.neural.scalarised_learner import ScalarisedLearner

        return ScalarisedLearner(self, algorithm, self.config.sb3 or {}, self.config.n_steps)

    def _plan(self) -> None:
        """Let the steps of this call of :meth:`learn` suffice for enough rounds (once: a resumed call goes on)."""
        if self.target_timesteps <= self._planned:
            return
        c, left = self.config, self.target_timesteps - self.num_timesteps
        self._planned = self.target_timesteps
        self._round = c.n_steps if "n_steps" in self._fixed else min(c.n_steps, max(1, left // ROUNDS))
        if self.rounds == 0:
            rounds = -(-left // self._round)
            self._begins = c.warm_up_rounds if "warm_up_rounds" in self._fixed else min(c.warm_up_rounds, rounds // 2)
            if rounds - self._begins < 2:
                warn(
                    f"{left:,} steps are {rounds} rounds of {self._round:,}, and the weights begin to move after "
                    f"{self._begins}: use more steps, or smaller n_steps or warm_up_rounds"
                )

    def _learn(self, until: int) -> None:
        self._plan()
        with closing(self.learner):
            while self.num_timesteps < until:
                steps = min(self._round, until - self.num_timesteps)
                steps = self.learner.learn(self.weight / self._span, steps, self._segment, self.rounds)
                self.rounds += 1
                if self.rounds > self._begins:
                    self._move()
                self.advance(steps)

    def _move(self) -> None:
        """Measure the answer to the present weights, keep it, and move the weights against it."""
        policy = self.learner.policy()
        # Measuring is to take about as many steps as learning, where episodes are long.
        affordable = max(2, self._round // (self.problem.horizon or 1))
        episodes = min(self.config.eval_episodes, affordable)
        result = self._evaluator.evaluate(self.learner.policies([policy]), episodes)
        f = (result.mean[0] - self._low) / self._span
        self.members.append(policy)
        self.values = np.vstack([self.values, result.mean])
        rate = self.config.learning_rate / np.sqrt(len(self.members))
        moved = self.weight * np.exp(-rate * (f - f.min()))
        # A weight that has vanished could never come back: keep a trace of each.
        moved = np.maximum(moved / moved.sum(), 1e-4)
        self.weight = cap_simplex(moved / moved.sum(), self.cap)

    def mixture(self) -> FloatArray:
        """Probability ``(members,)`` of each policy kept so far."""
        n = len(self.members)
        if self.config.average == "uniform":
            return np.full(n, 1.0 / n)
        f = (self.values - self._low) / self._span
        return best_mixture(f, self.cap)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if not self.members:  # the game has not begun: the learner's present answer is all there is
            return Mixtures(self.learner.policies([self.learner.policy()]), np.ones((1, 1)))
        chances = self.mixture()
        used = np.flatnonzero(chances > 1e-12)
        inner = self.learner.policies([self.members[i] for i in used])
        return Mixtures(inner, (chances[used] / chances[used].sum())[None])

    def status(self) -> dict[str, float]:
        """The value of the game as the mixture's own measurements have it."""
        if not self.members:
            return {"rounds": float(self.rounds)}
        value = float(self.utility(self.mixture() @ self.values))
        return {"rounds": float(self.rounds), "utility": value}

    def _provenance(self) -> dict[str, Any]:
        return {"utility": self.config.utility}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        for i, member in enumerate(self.members):
            arrays.update({f"member.{i}.{key}": value for key, value in member.items()})
        return arrays, facts

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_alike

        super()._restore(arrays, facts)
        self.members = [below(f"member.{i}", arrays) for i in range(len(self.values))]
        for i, member in enumerate(self.members):
            require_alike(f"policy {i}", member, self.learner.policy())


def cap_simplex(weight: FloatArray, cap: FloatArray) -> FloatArray:
    """The nearest point (in relative entropy) of the simplex with every entry at most ``cap``.

    >>> cap_simplex(np.array([0.8, 0.1, 0.1]), np.array([0.5, 0.5, 0.5])).tolist()
    [0.5, 0.25, 0.25]
    """
    out = np.array(weight, dtype=np.float64)
    held = np.zeros(len(out), dtype=bool)
    for _ in range(len(out)):
        over = (out > cap) & ~held
        if not over.any():
            break
        held |= over
        out[held] = cap[held]
        free = ~held
        if not free.any():
            break
        out[free] *= (1.0 - cap[held].sum()) / out[free].sum()
    return out


def best_mixture(f: FloatArray, cap: FloatArray) -> FloatArray:
    """Probabilities ``(n,)`` that maximise min over capped weights of ``w · Σ p_i f_i`` (a linear program).

    Args:
        f: ``(n, K)`` normalised values of the policies.
        cap: ``(K,)`` largest weights of the adversary; ones give the worst objective.

    >>> best_mixture(np.array([[1.0, 0.0], [0.0, 1.0]]), np.ones(2)).tolist()
    [0.5, 0.5]
    """
    from scipy.optimize import linprog

    n, k = f.shape
    # The inner minimum over {w : Σw = 1, 0 <= w <= cap} is, by duality, max z − Σ cap_j y_j with z − y_j <= f_j.
    cost = np.concatenate([np.zeros(n), [-1.0], cap])
    below = np.concatenate([-f.T, np.ones((k, 1)), -np.eye(k)], axis=1)
    total = np.concatenate([np.ones(n), np.zeros(1 + k)])[None]
    bounds = [(0, None)] * n + [(None, None)] + [(0, None)] * k
    result = linprog(cost, A_ub=below, b_ub=np.zeros(k), A_eq=total, b_eq=[1.0], bounds=bounds, method="highs")
    if result.status != 0:
        return np.full(n, 1.0 / n)
    chances = np.maximum(result.x[:n], 0.0)
    return np.asarray(chances / chances.sum())


class TableLearner(Stateful):
    """Q-learning in a table of value vectors, greedy for whatever the weights are now."""

    def __init__(self, agent: WorstCase) -> None:
        from morl.agents.tables.tabular import TabularProblem

        self.agent = agent
        self.tables = TabularProblem(agent.problem, agent.config.max_states)
        size = (self.tables.capacity, self.tables.width)
        self.q = np.zeros((1, *size, agent.k))
        self.visits = np.zeros(size, dtype=np.int64)
        self._stepper: Any = None
        self._open = ExitStack()  # environments that stay open from one turn to the next
        self._cursor = np.full(3, -1, dtype=np.int64)
        self._rng = np.random.default_rng(0)
        self._keeps("q", "visits", index=self.tables)

    def learn(self, weight: FloatArray, steps: int, segment: int, turn: int) -> int:
        """See :class:`Learner`."""
        from morl.agents.multi_weight_q import run

        agent, c = self.agent, self.agent.config
        np.minimum(self.visits, c.memory, out=self.visits)
        weights = weight[None]
        if self._cursor[1] == -1:
            self._rng = agent.rng("train", segment)
            self._cursor[1] = 0
        if self.tables.world is None or agent.problem.is_vector:
            return self._step(weights, steps, segment)
        run(
            self.tables.world, self.q, self.visits, weights, self.tables.n_actions,
            steps, c.epsilon, agent.discount, c.power, self._cursor, self._rng,
        )  # fmt: skip
        return steps

    def _step(self, weights: FloatArray, steps: int, segment: int) -> int:
        from morl.agents.multi_weight_q import choose, update
        from morl.agents.tables.tabular import Step, Stepper

        agent, c = self.agent, self.agent.config
        if self._stepper is None:
            collecting = agent.problem.collecting(c.n_envs, agent.segment_seed())
            self._stepper = Stepper(self.tables, self._open.enter_context(collecting))
        n_actions = self.tables.n_actions

        def act(env: int, state: int, accrued: FloatArray, time: int) -> int:
            return int(choose(self.q, self.visits, weights, n_actions, state, 0, c.epsilon, self._rng))

        def learn(x: Step) -> None:
            update(
                self.q, self.visits, weights, n_actions,
                x.state, x.action, x.reward, x.next_state, x.terminated, agent.discount, c.power,
            )  # fmt: skip

        taken = 0
        while taken < steps:
            taken += self._stepper.step(act, learn)
        return taken

    def policy(self) -> dict[str, Array]:
        """The greedy actions for the present weights."""
        weight = self.agent.weight / self.agent._span
        illegal = np.arange(self.tables.width) >= np.maximum(self.tables.n_actions, 1)[:, None]
        values = np.where(illegal, -np.inf, self.q[0] @ weight)
        return {"actions": values.argmax(axis=1)}

    def policies(self, saved: list[dict[str, Array]]) -> PolicySet:
        """See :class:`Learner`."""
        return TablePolicies(self.tables.index, np.stack([s["actions"] for s in saved]))

    def close(self) -> None:
        """Begin anew next time."""
        self._open.close()
        self._stepper = None
        self._cursor[:] = -1
