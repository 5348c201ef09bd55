"""Proximal policy optimisation of several policies side by side, each for weights of its own, and what is kept of them.

Base of algorithms that discover a front policy by policy. Each *member* of an ensemble learns in environments of its
own; the algorithm says for which weights, from which kept policy it starts, and when. Policies that are not dominated
by what others earned are kept as they were then.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.collector import Collector
from morl.agents.core.config import option
from morl.agents.core.errors import warn
from morl.agents.core.policies import PolicySet, Subset
from morl.agents.core.preferences import simplex_grid, to_scaled
from morl.agents.neural.actor_critic import ActorCritic
from morl.agents.neural.deployed import Network
from morl.agents.neural.ensemble import Ensemble
from morl.agents.neural.ppo import Experience, PPOAgent, PPOConfig, PPOPolicies, flat, weighted_advantages
from morl.agents.neural.schedules import at
from morl.agents.neural.training import adam, seeded, set_learning_rate, to_numpy
from morl.pareto.archive import ParetoArchive
from morl.spec import AgentError, FloatArray, IntArray

STEPS_EACH = 50_000
"""Steps asked for, per policy: with fewer, fewer policies learn."""
LEAST_UPDATES = 10
"""Fewer updates than this per policy teach little."""
LEAST_EPISODES = 4
"""A policy is kept after so many episodes: fewer say too little about it."""


@dataclass(frozen=True)
class PopulationConfig(PPOConfig):
    """Options of agents that learn several policies side by side."""

    n_envs: int = option(48, "parallel environments, shared out among the policies", low=1)
    n_policies: int = option(6, "policies learned side by side; fewer where the steps suffice for fewer only", low=2)
    first_stage: float = option(
        0.6, "share of the steps in which policies learn for weights spread evenly", low=0.0, high=1.0
    )
    front_policies: int = option(40, "policies kept for the front, at most", low=1)


class Kept:
    """Policies that are not dominated, each with a number of its own for ever.

    Args:
        k: objectives.
        size: numbers in a row.
        capacity: policies at most.
    """

    def __init__(self, k: int, size: int, capacity: int) -> None:
        self.k, self.size, self.capacity = k, size, capacity
        self.archive = ParetoArchive(k, capacity)
        self.next = 0

    def __len__(self) -> int:
        return len(self.archive)

    @property
    def returns(self) -> FloatArray:
        """What each earned ``(n, K)``."""
        return self.archive.values

    @property
    def rows(self) -> Array:
        """The policies ``(n, size)``."""
        return np.array([row for _, row in self.archive.payloads], dtype=np.float32).reshape(-1, self.size)

    @property
    def numbers(self) -> IntArray:
        """Their numbers ``(n,)``."""
        return np.array([number for number, _ in self.archive.payloads], dtype=np.int64)

    def offer(self, returns: FloatArray, row: Array) -> bool:
        """Keep a policy unless others dominate it, and let go what it dominates."""
        self.next += 1
        return self.archive.add(returns, (self.next - 1, row))

    def arrays(self) -> dict[str, Array]:
        """Everything, as named arrays."""
        return {"returns": self.returns, "rows": self.rows, "numbers": self.numbers, "next": np.array([self.next])}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.archive = ParetoArchive(self.k, self.capacity)
        for value, row, number in zip(arrays["returns"], arrays["rows"], arrays["numbers"], strict=True):
            self.archive.add(value, (int(number), np.array(row)))
        self.next = int(arrays["next"][0])


class PopulationPPO(PPOAgent):
    """Base of agents that learn several policies side by side.

    Attributes:
        net: the policies that learn.
        weights: ``(m, K)`` what each learns for: weights of returns in :attr:`unit`.
        returns: ``(m, K)`` running mean of what each earned lately.
        episodes: ``(m,)`` episodes behind it, since the policy was last replaced.
        kept: policies that are not dominated, as they were when they earned it.
    """

    net: Ensemble

    def _setup(self) -> None:
        self._prepare()
        options, c = (self.network_options("tanh"), "concat"), self.config
        if self.problem.is_vector and self.problem.env.num_envs < self.k:
            raise AgentError(
                f"{self.info.name} learns at least {self.k} policies side by side, each in environments of its own; "
                f"{self.problem.id} was given as {self.problem.env.num_envs}: give at least {self.k}"
            )

        def make(number: int) -> ActorCritic:
            with seeded(self.integer_seed("network", number)):
                return ActorCritic(self.rows, self.k, self.actions.space, *options, c.log_std_init).to(self.device)

        self.members = self.k  # at least; the steps asked for settle how many there are
        self.net = Ensemble(make, self.members, self.k)
        self.optimizer = adam(self.net, at(c.learning_rate, 0.0), eps=1e-5)
        self.kept = Kept(self.k, self.net.row(0).size, c.front_policies)
        self._first_stage = 0  # steps of the first stage; 0: not begun
        self._begin_members()
        self._keeps("members", "_first_stage", "weights", "returns", "episodes")
        self._keeps(net=self.net, adam=self.optimizer, kept=self.kept)

    def _begin_members(self) -> None:
        """Weights spread evenly over the simplex, nothing earned yet."""
        self.weights: FloatArray = simplex_grid(self.k, self.members)
        self.returns: FloatArray = np.zeros((self.members, self.k))
        self.episodes: IntArray = np.zeros(self.members, dtype=np.int64)

    def _grow(self, members: int) -> None:
        """Let this many policies learn."""
        self.members = members
        self.net.grow(members)
        self.optimizer.param_groups[0]["params"] = [self.net.rows]
        self.optimizer.state.clear()
        self._begin_members()

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        members = facts.get("members")
        if isinstance(members, int) and self.members < members <= max(self.config.n_policies, self.k):
            self._grow(members)
        super()._restore(arrays, facts)

    # ---- budget ----------------------------------------------------------------------------------------------

    def _share_out(self) -> None:
        """Settle how many policies learn, and for how long in the first stage; say where the steps are too few."""
        steps, name = self.target_timesteps, self.info.name
        wanted = self.config.n_policies
        if self.problem.is_vector:
            wanted = min(wanted, self.problem.env.num_envs)
        if "n_policies" not in self.given:
            wanted = min(wanted, steps // STEPS_EACH)
        grid = len(simplex_grid(self.k, max(wanted, self.k)))  # not every number can be spread evenly
        if grid > self.members:
            self._grow(grid)
        self._first_stage = max(1, round(self.config.first_stage * steps))
        least = LEAST_UPDATES * 512 * self.members
        if steps < least:
            warn(
                f"{name}: {steps:,} steps are too few for {self.members} policies and a second stage that extends "
                f"their front; use at least {least:,} steps, or fewer policies (n_policies)"
            )

    def _part_of_second_stage(self, parts: int) -> int:
        """Steps of one of so many parts, but enough for some updates of each policy."""
        updates = LEAST_UPDATES // 2 * self._rollout_size(self.members)
        return int(max((1 - self.config.first_stage) * self.target_timesteps / parts, updates))

    @property
    def in_first_stage(self) -> bool:
        """Whether policies still learn for weights spread evenly."""
        return self.num_timesteps < self._first_stage or self._first_stage == 0

    # ---- learning --------------------------------------------------------------------------------------------

    @abstractmethod
    def _plan(self) -> int:
        """Before each rollout: set :attr:`weights`, replace policies; returns the step at which to plan anew."""

    def _learn(self, until: int) -> None:
        rng = self.rng("explore", self._segment)
        if self._first_stage == 0:
            self._share_out()
        n_envs = max(self.config.n_envs, self.members)
        with self.problem.collecting(n_envs, self.segment_seed()) as collector:
            self._member = np.arange(collector.n) * self.members // collector.n
            self._whole = np.ones(collector.n, dtype=bool)  # whose episode began under the policy that plays it
            while self.num_timesteps < until:
                left = max(1, min(until, self._plan()) - self.num_timesteps)
                self._round(collector, self._rollout_steps(left, collector.n, self.members), rng)

    def _round(self, collector: Collector, steps: int, rng: np.random.Generator) -> None:
        """A rollout, keeping policies that others do not dominate, and an update."""
        before, counted = collector.steps, self.episodes.copy()
        played = self._collect(collector, self._member.copy(), steps, rng)
        if not self.in_first_stage:
            self._offer(np.flatnonzero((self.episodes > counted) & (self.episodes >= LEAST_EPISODES)))
        self._improve(played, rng)
        self.advance(collector.steps - before)

    def _offer(self, members: IntArray) -> None:
        """Offer policies as they are, with what they earned."""
        for i in members:
            self.kept.offer(self.returns[i], self.net.row(int(i)))

    def _front_begun(self, longer: int) -> bool:
        """Keep what the first stage has found; where no episode has ended, make it ``longer`` by so many steps."""
        self._offer(np.flatnonzero(self.episodes > 0))
        if len(self.kept) == 0:
            warn(
                f"{self.info.name}: no episode has ended in {self.num_timesteps:,} steps, so that nothing is known to "
                "extend; use fewer parallel environments (n_envs) or more steps"
            )
            self._first_stage = self.num_timesteps + longer
        return len(self.kept) > 0

    def _replace(self, member: int, row: Array, returns: FloatArray) -> None:
        """Let a kept policy take a member's place."""
        self.net.set_row(member, row)
        self.returns[member], self.episodes[member] = returns, 0
        self._whole[self._member == member] = False

    def _draw(self, rows: IntArray, rng: np.random.Generator) -> IntArray:
        self._whole[rows] = True
        return np.asarray(self._member[rows])

    def _episodes_ended(self, rows: IntArray, condition: IntArray, returns: FloatArray) -> None:
        whole = self._whole[rows]
        for member, earned in zip(condition[whole], returns[whole], strict=True):
            self.episodes[member] += 1
            self.returns[member] += max(0.2, 1 / self.episodes[member]) * (earned - self.returns[member])

    def _improve(self, played: Experience, rng: np.random.Generator) -> None:
        """Some epochs of gradient steps on a rollout, of all policies at once."""
        c, rows, member = self.config, played.rows, flat(played.condition)
        own = [rows[member[rows] == i] for i in range(self.members)]
        advantage = flat(played.advantages(self.discount, c.gae_lambda))
        target = advantage + flat(played.values)
        weighted = np.zeros(len(advantage))
        for i, mine in enumerate(own):
            self.net.update_units(i, self._tensor(target[mine]))
        for i, mine in enumerate(own):
            weighted[mine] = weighted_advantages(advantage[mine], self.weights[i], self.unit)
        batch = {
            "obs": flat(played.obs),
            "actions": flat(played.rollout.actions),
            "old_log_prob": flat(played.log_prob),
            "advantage": weighted,
            "returns": to_numpy(self.net.normalise(member, self._tensor(target))),
        }
        data = {name: self._tensor(array) for name, array in batch.items()}
        set_learning_rate(self.optimizer, at(c.learning_rate, self.progress))
        for index in self._minibatches_of(own, rng):
            loss = self.loss(**{name: value[index] for name, value in data.items()})
            self.net.step(loss, self.optimizer, c.max_grad_norm)

    def _minibatches_of(self, own: list[IntArray], rng: np.random.Generator) -> Iterator[Tensor]:
        """Indices ``(m, B)``: ``n_epochs`` passes in random order over the rows of each member.

        Where one has fewer rows than others, others leave out some of theirs, other ones in each pass.
        """
        most = min(len(mine) for mine in own)
        for _ in range(self.config.n_epochs):
            order = np.stack([rng.permutation(mine)[:most] for mine in own])
            for part in np.array_split(order, max(1, round(most / self.config.batch_size)), axis=1):
                yield torch.from_numpy(part).to(self.device)

    def loss(self, obs: Tensor, actions: Tensor, old_log_prob: Tensor, advantage: Tensor, returns: Tensor) -> Tensor:
        """The clipped losses of m policies for ``(m, B, ...)`` steps, summed over policies.

        Args:
            obs: standardised observations as rows ``(m, B, size)``.
            actions: as chosen.
            old_log_prob: ``(m, B)`` log π_old(a|s).
            advantage: ``(m, B)`` ω·Â, each policy's for its own weights.
            returns: ``(m, B, K)`` in the units of each value head.
        """
        log_prob, entropy, values = self.net(obs, actions)
        surrogate = self._surrogate(log_prob, old_log_prob, advantage).mean(dim=1)
        error = (values - returns).square().mean(dim=(1, 2))
        entropy = at(self._entropy, self.progress) * entropy.mean(dim=1)
        loss: Tensor = (-surrogate + self.config.vf_coef * error - entropy).sum()
        return loss

    # ---- acting ----------------------------------------------------------------------------------------------

    @property
    def unit(self) -> FloatArray:
        """Standard deviation of all policies' returns per objective ``(K,)``: the unit of weights."""
        mean, std = (to_numpy(self.net.values_of(name)).astype(np.float64) for name in ("mean", "std"))
        return np.asarray(np.sqrt((std**2).mean(axis=0) + mean.var(axis=0)))

    def _see(self, observations: Any, learn: bool = False) -> Array:
        # A kept policy stays what it was only where its observations are standardised as they were.
        return super()._see(observations, learn and self.in_first_stage)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        rows = np.concatenate([self.kept.rows, [self.net.row(i) for i in range(self.members)]])
        names = [f"policy {i}" for i in self.kept.numbers] + [f"learning {i}" for i in range(self.members)]
        drawn = preferences is None and self.problem.model is None
        everyone = PopulationPolicies(self, self.net.of_rows(rows), names, drawn)
        if preferences is None:
            return everyone
        if len(self.kept) == 0 and not self.episodes.all():  # returns are not known yet
            gain = -np.abs(to_scaled(preferences, self.unit)[:, None] - self.weights).sum(axis=2)
            return Subset(everyone, gain.argmax(axis=1))
        known = np.concatenate([self.kept.returns, np.where(self.episodes[:, None] > 0, self.returns, -np.inf)])
        worth = np.where(np.isfinite(known).all(axis=1), np.nan_to_num(preferences) @ np.nan_to_num(known).T, -np.inf)
        return Subset(everyone, worth.argmax(axis=1))

    def status(self) -> dict[str, float]:
        """Policies kept, and the best recent return of each objective."""
        tried = self.episodes > 0
        known = np.concatenate([self.kept.returns, self.returns[tried]])
        if not len(known):
            return {}
        best = {f"best {name}": float(x) for name, x in zip(self.spec.names, known.max(axis=0), strict=True)}
        return {"policies": float(len(self.kept)), **best}


class PopulationPolicies(PPOPolicies):
    """Members of an ensemble."""

    net: Ensemble
    whole = True

    def __init__(self, agent: PopulationPPO, members: Ensemble, names: list[str], drawn: bool) -> None:
        super().__init__(agent, members, None, len(members), drawn)
        self.names = names + [f"{name}, drawn" for name in names] * drawn

    def content(self, number: int) -> tuple[Any, ...]:
        """All numbers that the policy is computed from, and whether its actions are drawn whatever is asked for."""
        statistics = self.agent.normaliser.arrays() if self.agent.config.normalise_observations else {}
        row = self.net.row(number % self._greedy)
        return (self.agent.info.name, row, *(statistics[name] for name in sorted(statistics)), number >= self._greedy)

    def network(self, number: int) -> Network:
        """The most likely actions in tensors, or those drawn by noise from outside."""
        net = self.net.member(number % self._greedy)

        def act(obs: Any, weights: Tensor, accrued: Tensor, time: Tensor, *noise: Tensor) -> Tensor:
            equal = torch.full_like(weights, 1.0 / weights.shape[1])
            return net.choose(obs, equal, *map(net.choice.from_outside, noise))[0]

        drawn = net.choice.outside if number >= self._greedy else None
        return Network(act, self.agent._see_in_tensors(), [net], noise=drawn)

    def _condition(self, which: IntArray) -> IntArray:
        return which
