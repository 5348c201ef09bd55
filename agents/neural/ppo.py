"""Proximal policy optimisation (Schulman et al. 2017) on vector rewards: what its agents share. Needs torch.

An agent has a network that acts and values, says what a row of environments acts for (its *condition*: a preference,
or the number of a policy) and what the loss is. Playing rollouts, advantages per objective and walking through
minibatches are here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core import returns
from morl.agents.core.collector import Collector, Rollout, Transitions, take
from morl.agents.core.config import option
from morl.agents.core.memory import require
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.rows import Rows
from morl.agents.neural.deployed import encoded_rows
from morl.agents.neural.features import Parts
from morl.agents.neural.normalise import ObservationNormaliser
from morl.agents.neural.policy_kwargs import NetworkConfig, OwnNetworks
from morl.agents.neural.schedules import Schedule, at
from morl.agents.neural.training import resolve_device, to_numpy
from morl.pareto.front import Front
from morl.spec import FloatArray, IntArray


@dataclass(frozen=True)
class PPOConfig(NetworkConfig):
    """Options of agents that learn by proximal policy optimisation."""

    n_envs: int = option(32, "parallel environments", low=1)
    n_steps: int | None = option(None, "steps of each between updates; None fits the steps asked for", low=1)
    batch_size: int = option(256, "steps per gradient step", low=1)
    n_epochs: int = option(10, "passes over each rollout", low=1)
    learning_rate: float | tuple[float, ...] = option((1e-3, 0.0), "Adam's step size, or first and last", low=0.0)
    gae_lambda: float = option(0.95, "λ of the advantages", low=0.0, high=1.0)
    clip_range: float | tuple[float, ...] = option(
        0.2, "how far the policy may move per rollout; one number or first and last", low=0.0
    )
    ent_coef: float | tuple[float, ...] | None = option(
        None, "weight of the entropy; None: 0, for discrete actions (0.05, 0)", low=0.0
    )
    vf_coef: float = option(0.5, "weight of the error of the values", low=0.0)
    max_grad_norm: float = option(0.5, "largest norm of a gradient", low=0.0)
    log_std_init: float = option(-0.5, "log standard deviation of continuous actions, at the beginning")
    normalise_observations: bool = option(True, "standardise boxes of numbers by running statistics")
    eval_share: float = option(0.5, "steps that front() spends unless told, as a share of those learned from", low=0.0)


class Policy(Protocol):
    """A network that acts and values, for rows of observations and conditions."""

    def act(
        self, obs: Tensor, condition: Tensor, rng: np.random.Generator | None, /
    ) -> tuple[Array, FloatArray, FloatArray]:
        """Actions ``(n, ...)``, their log probabilities ``(n,)``, and values ``(n, K)`` in the unit of the returns."""

    def value(self, obs: Tensor, condition: Tensor, /) -> Tensor:
        """Values ``(n, K)`` in the unit of the returns."""

    def probabilities(self, obs: Tensor, condition: Tensor, /) -> FloatArray | None:
        """Of each action ``(n, A)`` where one of several is chosen; else ``None``."""


@dataclass(frozen=True)
class Experience:
    """A rollout of T steps of n environments, and what the network made of it; time first.

    Args:
        rollout: what the environments did; its observations are not kept.
        obs: standardised observations as rows, ``(T, n, size)``.
        condition: what each row acted for, ``(T, n, ...)``.
        log_prob: ``(T, n)`` log probabilities of the actions.
        values, next_values: ``(T, n, K)`` of the states before and after each step.
    """

    rollout: Rollout
    obs: Array
    condition: Array
    log_prob: FloatArray
    values: FloatArray
    next_values: FloatArray

    def advantages(self, discount: float, gae_lambda: float) -> FloatArray:
        """λ-advantages ``(T, n, K)``, one per objective; zero in rows that are no steps."""
        r = self.rollout
        found = returns.advantages(
            r.rewards, self.values, self.next_values, r.terminated, r.ended, discount, gae_lambda
        )
        return np.where(r.valid[..., None], found, 0.0)

    @property
    def rows(self) -> IntArray:
        """Which of the T n rows are steps."""
        return np.flatnonzero(self.rollout.valid.ravel())


class PPOAgent(OwnNetworks):
    """Base of agents that learn by proximal policy optimisation; ``_setup`` calls :meth:`_prepare` first."""

    net: Policy

    def _prepare(self) -> None:
        """Make what reads and standardises observations."""
        c = self.config
        usual: Schedule = 0.0 if self.actions.continuous else (0.05, 0.0)
        self._entropy: Schedule = usual if c.ent_coef is None else c.ent_coef
        self.device = resolve_device(c.device)
        self.rows = Rows(self.observation_space, self.problem.id)
        self.normaliser = ObservationNormaliser(self.rows)
        self._keeps(observations=self.normaliser)

    # ---- playing ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _draw(self, rows: IntArray, rng: np.random.Generator) -> Array:
        """Conditions ``(len(rows), ...)`` of environments ``rows`` whose episodes begin."""

    @abstractmethod
    def _episodes_ended(self, rows: IntArray, condition: Array, returns: FloatArray) -> None:
        """Episodes that ended in environments ``rows``: conditions ``(m, ...)`` and discounted returns ``(m, K)``."""

    def _rollout_steps(self, left: int, n: int, policies: int = 1) -> int:
        """Steps of each of n environments in the next rollout: equal rollouts over the ``left`` steps."""
        wanted = self.config.n_steps or max(1, self._rollout_size(policies) // n)
        each = -(-left // n)
        return int(-(-each // max(1, round(each / wanted))))

    def _rollout_size(self, policies: int) -> int:
        """Steps of all environments in a rollout, unless ``n_steps`` says: sixty updates of 512 to 4096 per policy."""
        if self.config.n_steps is not None:
            return int(self.config.n_steps * self.config.n_envs)
        return min(4096, max(512, self.target_timesteps // policies // 60)) * policies

    def _collect(self, collector: Collector, condition: Array, steps: int, rng: np.random.Generator) -> Experience:
        """Play; ``condition`` ``(n, ...)`` is drawn anew, in place, wherever an episode begins."""
        n, k = collector.n, self.k
        require(steps * n * (self.rows.nbytes + 40 * k), f"a rollout of {steps} × {n} steps", "lower n_steps")
        seen: list[Array] = []
        decided: list[tuple[Array, FloatArray, FloatArray]] = []
        cut: list[tuple[int, IntArray, Array, Array]] = []

        def act(observations: Any, accrued: FloatArray, time: IntArray) -> Array:
            seen.append(self._see(observations, learn=True))
            given = self._tensor(condition)
            actions, log_prob, values = self.net.act(self._tensor(seen[-1]), given, rng)
            decided.append((to_numpy(given), log_prob, values))
            return actions

        def after_step(out: Transitions) -> None:
            if out.truncated.any():
                last = np.flatnonzero(out.truncated)
                rows = out.env[last]
                cut.append((len(seen) - 1, rows, self._see(take(out.next_obs, last)), condition[rows]))
            over = np.flatnonzero(out.terminated | out.truncated)
            if len(over):
                earned = out.accrued[over] + self.discount ** out.time[over][:, None] * out.rewards[over]
                self._episodes_ended(out.env[over], condition[out.env[over]], earned)
            fresh = np.flatnonzero(collector.time == 0)
            if len(fresh):
                condition[fresh] = self._draw(fresh, rng)

        rollout = collector.rollout(act, steps, after_step, observations=False)
        following = self._values(self._see(collector.obs), condition)
        conditions, log_probs, values = (np.stack(parts) for parts in zip(*decided, strict=True))
        next_values = np.concatenate([values[1:], following[None]])
        for t, rows, last_obs, last_condition in cut:
            next_values[t, rows] = self._values(last_obs, last_condition)
        return Experience(rollout, np.stack(seen), conditions, log_probs, values, next_values)

    def _values(self, obs: Array, condition: Array) -> FloatArray:
        """V(s) ``(n, K)`` in the unit of the returns."""
        with torch.no_grad():
            return to_numpy(self.net.value(self._tensor(obs), self._tensor(condition))).astype(np.float64)

    # ---- improving -------------------------------------------------------------------------------------------

    def _minibatches(self, rows: IntArray, rng: np.random.Generator) -> Iterator[Tensor]:
        """Indices of minibatches: ``n_epochs`` passes over ``rows`` in random order."""
        for _ in range(self.config.n_epochs):
            order = rng.permutation(rows)
            for part in np.array_split(order, max(1, round(len(order) / self.config.batch_size))):
                yield torch.from_numpy(part).to(self.device)

    def _surrogate(self, log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
        """min(ρ A, clip(ρ, 1 ± ε) A) of each step, ρ = π / π_old."""
        ratio, clip = (log_prob - old_log_prob).exp(), at(self.config.clip_range, self.progress)
        return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)

    # ---- measuring -------------------------------------------------------------------------------------------

    def front(
        self,
        episodes: int | None = None,
        seed: int | None = None,
        *,
        discount: float | None = None,
        exact: bool | None = None,
        budget: int | None = None,
    ) -> Front:
        """As :meth:`morl.agents.Agent.front`; by default with up to 100 episodes, as many as ``eval_share`` pays for.

        Where there is no model, policies whose actions are the most likely ones are measured, and those whose actions
        are drawn.
        """
        if episodes is None and budget is None:
            budget = int(self.config.eval_share * self.num_timesteps)
        many = 100 if episodes is None else episodes
        return super().front(many, seed, discount=discount, exact=exact, budget=budget)

    # ---- observations and tensors ----------------------------------------------------------------------------

    def _see(self, observations: Any, learn: bool = False) -> Array:
        """Standardised observations as rows ``(n, size)``; with ``learn`` the statistics take them in."""
        rows = self.rows(observations)
        if not self.config.normalise_observations:
            return rows
        if learn:
            self.normaliser.observe(rows)
        return self.normaliser(rows)

    def _see_in_tensors(self) -> Callable[[Any], Tensor | Parts]:
        """:meth:`_see` without learning, for observations in tensors, for export."""
        read = encoded_rows(self.rows)
        if not self.config.normalise_observations:
            return read
        return lambda observation: self.normaliser.in_tensors(read(observation))

    def _tensor(self, array: Array) -> Tensor:
        tensor = torch.from_numpy(array)
        return (tensor.float() if tensor.dtype == torch.float64 else tensor).to(self.device)


class PPOPolicies(PolicySet):
    """Policies of one network, one per condition.

    Args:
        agent: sees and standardises observations.
        net: acts.
        preferences: ``(m, K)`` weights of raw returns that each is for, or ``None``.
        count: m.
        drawn: as many policies again, whose actions are drawn whatever is asked for: where always doing what is most
            likely never arrives, drawing does.
    """

    stochastic = True

    def __init__(
        self, agent: PPOAgent, net: Policy, preferences: FloatArray | None, count: int, drawn: bool = False
    ) -> None:
        self.agent, self.net, self._greedy, self._count = agent, net, count, count * (2 if drawn else 1)
        self.preferences = None if preferences is None else np.tile(preferences, (2 if drawn else 1, 1)).astype(float)

    def __len__(self) -> int:
        return self._count

    @abstractmethod
    def _condition(self, which: IntArray) -> Array:
        """What the network is given for policies ``which`` ``(n,)``, all of them below m."""

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows."""
        inputs, drawn = self._inputs(decision), decision.which >= self._greedy
        if not decision.deterministic or drawn.all():
            return self.net.act(*inputs, decision.rng)[0], decision.memory
        actions = self.net.act(*inputs, None)[0]
        if drawn.any():
            actions[drawn] = self.net.act(*inputs, decision.rng)[0][drawn]
        return actions, decision.memory

    def content(self, number: int) -> tuple[Any, ...]:
        """The preference, and whether actions are drawn even where the most likely ones are asked for."""
        return (*super().content(number), number >= self._greedy)

    def probabilities(self, decision: Decision) -> FloatArray | None:
        """Of one discrete action; ``None`` for others."""
        return self.net.probabilities(*self._inputs(decision))

    def _inputs(self, decision: Decision) -> tuple[Tensor, Tensor]:
        agent, which = self.agent, decision.which % self._greedy
        return agent._tensor(agent._see(decision.observations)), agent._tensor(self._condition(which))


def weighted_advantages(advantage: FloatArray, preference: FloatArray, unit: FloatArray) -> FloatArray:
    """ω·Â ``(n,)``: advantages normalised per objective, then weighted by ω ∝ w σ / unit.

    For one preference this is the advantage of the weighted sum of returns, but for a constant and a factor.

    Args:
        advantage: ``(n, K)``.
        preference: ``(n, K)`` or ``(K,)`` weights of returns in the unit.
        unit: ``(K,)``.
    """
    mean, std = advantage.mean(axis=0), advantage.std(axis=0)
    weight = np.broadcast_to(preference, advantage.shape) * std / unit
    weight = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray((weight * (advantage - mean) / np.maximum(std, 1e-12)).sum(axis=1))


def flat(array: Array) -> Array:
    """``(T, n, ...)`` as ``(T n, ...)``."""
    return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:])
