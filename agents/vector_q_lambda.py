"""On-policy vector Q(λ) for all linear preferences: many environments, no replay, no target network.

Every environment follows its own weight w, ε-greedily, for one episode. After T steps of all of them the λ-returns::

    G_t = r_t + γ [ (1 − λ) Q(s', a*) + λ G_{t+1} ],      a* = argmax_a w · Q(s', a, w)

are regressed on, ``Q(s_t, a_t, w) → G_t``, one objective beside the other. That this is stable without replay and
target networks, given normalised layers and many environments, is Gallici et al. (2024, "PQN"), whose λ-returns are
those of Peng & Williams (1996); vector values conditioned on the weight are Abels et al. (2019).

Two things make it find rewards that are paid late and seldom. Exploration holds its random actions for a while (see
:mod:`morl.agents.core.exploration`). And the best episodes so far are remembered by their *vector* of returns: one
that is good for a weight, whoever played it, is imitated for that weight where the network expects less than it
showed::

    (w·Rₜ − w·Q(s_t, a_t, w))₊ > 0   ⇒   Q(s_t, a_t, w) → Rₜ

which is self-imitation (Oh et al. 2018) with one memory for all weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.collector import Collector, take
from morl.agents.core.config import Annealed, option
from morl.agents.core.episodes import Episode, EpisodeRecorder, ReturnArchive
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.memory import require
from morl.agents.neural.conditioned import ConditionedQ, TaskOptions, WeightOptions, greedy
from morl.agents.neural.conditioning import CONDITIONING
from morl.agents.neural.networks import of_actions
from morl.agents.neural.policy_kwargs import NetworkConfig
from morl.agents.neural.sharing import SharingOptions
from morl.spec import FloatArray

ROUNDS = 200
"""Rounds of steps and updates that the steps asked for should suffice for: each improves on what the last one found."""

UPDATES = 6_400
"""Updates that the steps asked for should suffice for, with up to :data:`MOST_EPOCHS` passes over each round."""

MOST_EPOCHS = 4

_FEWEST = 16
"""Parallel environments at least, unless the caller says."""


@dataclass(frozen=True)
class VectorQLambdaConfig(NetworkConfig, Annealed, WeightOptions, TaskOptions, SharingOptions):
    """Options of :class:`VectorQLambda`."""

    net_arch: tuple[int, ...] = option((128, 128), "width of each layer")
    conditioning: str = option("concat", "how the weight enters the network", choices=CONDITIONING)
    layer_norm: bool = option(True, "normalise each layer; without it learning is not stable")
    learning_rate: float | tuple[float, ...] = option((1e-3, 1e-4), "Adam's step size, or first and last", low=0.0)
    n_steps: int = option(32, "steps of every environment per round", low=1)
    minibatches: int = option(8, "updates per round and epoch", low=1)
    n_epochs: int | None = option(
        None,
        f"passes over each round's steps; None is as many as make {UPDATES:,} updates, at most {MOST_EPOCHS}",
        low=1,
    )
    lam: float = option(0.9, "λ of the returns", low=0.0, high=1.0)
    cut: bool = option(False, "stop λ-returns at exploratory actions (Watkins)")
    epsilon_end: float = option(0.02, "the same when exploration has come down", low=0.0, high=1.0)
    exploration: float = option(0.35, "fraction of the steps over which it comes down", low=0.0, high=1.0)
    persistence: int = option(16, "longest run of one exploratory action; 1 draws every step anew", low=1)
    concentration: float = option(0.6, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)
    imitation: float = option(0.25, "rows from remembered episodes, as a share of the fresh ones", low=0.0)
    remembered: int = option(200, "episodes remembered", low=2)
    max_age: int | None = option(None, "rounds after which an episode is forgotten; for random returns", low=1)
    front_weights: int = option(100, "weights whose policies are reported", low=1)
    n_envs: int = option(
        256, f"parallel environments; unless given fewer, where there would not be {ROUNDS} rounds", low=1
    )


class VectorQLambda(ConditionedQ):
    """Learns the convex coverage set with one network from fresh experience only."""

    info = AlgoInfo(
        name="VectorQLambda",
        summary="one network for all linear preferences, without replay, many environments: the fastest per second",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Gallici et al. 2024 (PQN); Abels et al. 2019; Peng & Williams 1996",
        formula="Q(s,a,w) → r + γ[(1−λ) Q(s',a*,w) + λG'],  a* = argmax_a w·Q(s',a,w)",
        avoid="steps are expensive (use Envelope), or non-convex regions of the front matter (use PCN)",
    )
    Config = VectorQLambdaConfig

    def _setup(self) -> None:
        super()._setup()
        self.archive = ReturnArchive(self.k, self.config.remembered, per_cell=2)
        self.rounds = 0
        self._keeps("rounds", archive=self.archive)

    def add_demonstrations(self, episodes: Sequence[Episode]) -> None:
        """Offer episodes from elsewhere, for example those of :meth:`ParetoEvolution.episodes`, to be imitated."""
        self.archive.extend([replace(episode) for episode in episodes], self.rounds)
        self.archive.trim()

    @property
    def parallel_envs(self) -> int:
        """Environments stepped together: ``n_envs``, or so few that there is time for many rounds."""
        c = self.config
        fit = max(_FEWEST, self.target_timesteps // (ROUNDS * c.n_steps))
        return int(c.n_envs if "n_envs" in self.given else min(c.n_envs, fit))

    @property
    def n_epochs(self) -> int:
        """Passes over each round's steps."""
        c = self.config
        once = max(1.0, c.minibatches * self.target_timesteps / (self.parallel_envs * c.n_steps))
        return int(c.n_epochs or min(MOST_EPOCHS, max(1, round(UPDATES / once))))

    def _learn(self, until: int) -> None:
        rng = self.rng("explore", self._segment)
        with self.problem.collecting(self.parallel_envs, self.segment_seed()) as collector:
            recorder = EpisodeRecorder(collector.n, self.rows, self.discount)
            explorer = Persistent(self.actions.space, collector.n, longest=self.config.persistence)
            weights = self.training_weights(collector.n, rng)
            while self.num_timesteps < until:
                before = collector.steps
                batch = self._collect(collector, recorder, explorer, weights, rng)
                self.archive.trim(None if self.config.max_age is None else self.rounds - self.config.max_age)
                self._update(batch, rng)
                self.rounds += 1
                self.advance(collector.steps - before)

    def _collect(
        self,
        collector: Collector,
        recorder: EpisodeRecorder,
        explorer: Persistent,
        weights: Array,
        rng: np.random.Generator,
    ) -> tuple[Array, Array, Array, Array]:
        """One round: encoded observations, weights, actions ``(m, ...)`` and λ-returns ``(m, K)``, row by row."""
        c, n, k = self.config, collector.n, self.k
        epsilon, everyone = c.epsilon_at(self.progress), np.arange(n)
        require(c.n_steps * n * self.rows.nbytes, f"a round of {c.n_steps} × {n} steps", "lower n_steps or n_envs")
        obs = np.zeros((c.n_steps, n, self.rows.size), self.rows.dtype)
        used = np.zeros((c.n_steps, n, k), np.float32)
        actions = np.zeros((c.n_steps, n), np.int64)
        rewards, after = np.zeros((c.n_steps, n, k)), np.zeros((c.n_steps, n, k))
        begins, follows = np.zeros((c.n_steps + 1, n, k)), np.zeros((c.n_steps, n), bool)
        valid, strays = np.zeros((c.n_steps, n), bool), np.zeros((c.n_steps, n), bool)
        for t in range(c.n_steps):
            obs[t], used[t] = self.rows(collector.obs), weights
            values = self.values(obs[t], weights)
            best = greedy(values, weights)
            begins[t] = values[everyone, best]
            actions[t], _ = explorer.step(best, epsilon, rng)
            strays[t] = actions[t] != best
            out = collector.step(actions[t])
            rewards[t, out.env], valid[t, out.env] = out.rewards, True
            if c.imitation > 0:
                self.archive.extend(recorder.record(out, None if c.max_age else self.archive.wants), self.rounds)
            ended = out.terminated | out.truncated
            follows[t, out.env] = ~ended
            if out.truncated.any():  # cut, not over: what would have followed still counts
                rows = np.flatnonzero(out.truncated)
                cut = self.rows(take(out.next_obs, rows))
                after[t, out.env[rows]] = self._greedy_values(cut, weights[out.env[rows]])
            if ended.any():
                rows = out.env[ended]
                explorer.stop(rows)
                weights[rows] = self.training_weights(len(rows), rng)
        begins[c.n_steps] = self._greedy_values(self.rows(collector.obs), weights)
        returns = lambda_returns(rewards, begins[1:], after, follows, self.discount, c.lam, strays if c.cut else None)
        return obs[valid], used[valid], actions[valid], returns[valid].astype(np.float32)

    def _greedy_values(self, encoded: Array, weights: Array) -> Array:
        values = self.values(encoded, weights)
        return np.asarray(values[np.arange(len(values)), greedy(values, weights)])

    def losses(self, obs: Tensor, weights: Tensor, actions: Tensor, returns: Tensor) -> Tensor:
        """(G_k − Q_k(s, a, w))² of each objective ``(K,)``, in normalised units, for λ-returns ``(n, K)``."""
        predicted = of_actions(self.net(obs, weights), actions)
        return (self.net.head.normalise(returns) - predicted).square().mean(dim=0) / self.k

    def _update(self, batch: tuple[Array, Array, Array, Array], rng: np.random.Generator) -> None:
        """Several gradient steps on one round of experience, and on remembered episodes that show more."""
        c = self.config
        self.net.update_units(self._tensor(batch[3]))
        shown = self._imitable(round(c.imitation * len(batch[0])), rng)
        if shown is not None:
            batch = tuple(np.concatenate(pair) for pair in zip(batch, shown, strict=True))  # type: ignore[assignment]
        obs, weights, actions, returns = (self._tensor(part) for part in batch)
        self._follow_schedules()
        for _ in range(self.n_epochs):
            order = self._tensor(rng.permutation(len(actions)))
            for i in order.chunk(c.minibatches):
                self._descend(self.losses(obs[i], weights[i], actions[i], returns[i]))

    def _imitable(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array] | None:
        """At most ``n`` steps of remembered episodes that show more than is expected; as :meth:`_collect` has them."""
        if n == 0 or not len(self.archive):
            return None
        data = self.archive.dataset()
        weights = self.training_weights(n, rng)
        best = data.best[(weights @ data.remaining[data.starts[data.best]].T).argmax(axis=1)]
        rows = data.starts[best] + (rng.random(n) * data.lengths[best]).astype(np.int64)
        obs, actions, shown = data.observations[rows], data.actions[rows], data.remaining[rows]
        expected = self.values(obs, weights)[np.arange(n), actions]
        more = ((shown - expected) * weights).sum(axis=1) > 0
        return obs[more], weights[more], actions[more], shown[more].astype(np.float32)

    def status(self) -> dict[str, float]:
        """The probability of beginning to explore."""
        return {"epsilon": self.config.epsilon_at(self.progress), **self.balance.report()}


def lambda_returns(
    rewards: FloatArray,
    next_values: FloatArray,
    cut_values: FloatArray,
    follows: Array,
    discount: float,
    lam: float,
    strays: Array | None = None,
) -> FloatArray:
    """λ-returns ``(T, n, K)`` (Peng & Williams 1996).

    Args:
        rewards: ``(T, n, K)``.
        next_values: ``(T, n, K)`` greedy value of the state that follows within the same episode.
        cut_values: ``(T, n, K)`` value of the successor where the episode was truncated, else 0.
        follows: ``(T, n)`` true where the episode goes on after the step.
        discount: γ.
        lam: λ.
        strays: ``(T, n)`` true where the action was not greedy; returns then stop before it (Watkins 1989).

    >>> r, v = np.ones((2, 1, 1)), np.full((2, 1, 1), 10.0)
    >>> lambda_returns(r, v, 0 * v, np.array([[True], [False]]), 0.5, 1.0).ravel().tolist()
    [1.5, 1.0]
    """
    steps = len(rewards)
    out = np.empty_like(rewards)
    ahead = next_values[-1]
    for t in range(steps - 1, -1, -1):
        mixed = (1.0 - lam) * next_values[t] + lam * ahead
        if strays is not None and t + 1 < steps:
            mixed = np.where(strays[t + 1][:, None], next_values[t], mixed)
        out[t] = rewards[t] + discount * np.where(follows[t][:, None], mixed, cut_values[t])
        ahead = out[t]
    return out
