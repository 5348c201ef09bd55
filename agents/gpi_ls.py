"""Generalised policy improvement with linear support: which preference to practise next is itself decided.

Alegre, Bazzan, Roijers, Nowé & da Silva (2023), "Sample-efficient multi-objective learning via generalized policy
improvement prioritization". For a set M of practised weights the agent acts for any w by::

    GPI(s, w) = argmax_a max_{w' ∈ M} w · Q(s, a, w')            (discrete)
    GPI(s, w) = π(s, w*),  w* = argmax_{w' ∈ M} w · Q(s, π(s, w'), w)   (continuous)

After each iteration the policies for M are measured, the corner weights of the piecewise-linear surface over their
values are found, and the corner where GPI already earns most beyond that surface is practised next. Each corner is
measured once in its life, by a few counted episodes played in lock-step with all others.

Critics are learned off-policy, two of them with the smaller scalarised value taken (Fujimoto et al. 2018); continuous
actions come from a conditioned TD3 actor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.agents.base import Agent, Array
from morl.agents.collector import Collector
from morl.agents.conditioned import reported_weights
from morl.agents.config import AgentConfig, option
from morl.agents.gpi_learners import BoxLearner, DiscreteLearner
from morl.agents.info import AlgoInfo
from morl.agents.observations import Encoder
from morl.agents.policies import PolicySet
from morl.agents.replay import ReplayBuffer
from morl.pareto.weights import corner_weights
from morl.spec import FloatArray


@dataclass(frozen=True)
class GPILSConfig(AgentConfig):
    """Options of :class:`GPILS`."""

    hidden: tuple[int, ...] = option((128, 128), "width of each layer")
    mix: str = option("concat", "how the weight enters the network", choices=("concat", "film"))
    layer_norm: bool = option(True, "normalise each layer of the critics")
    lr: float = option(5e-4, "Adam's step size", low=0.0)
    batch: int = option(128, "transitions per update", low=1)
    buffer: int = option(200_000, "transitions remembered", low=1)
    start: int = option(1000, "steps before the first update", low=0)
    train_every: int = option(8, "environment steps (over all copies) per update", low=1)
    tau: float = option(0.005, "share by which target networks follow after each update", low=0.0, high=1.0)
    epsilon: float = option(1.0, "probability of beginning to explore, at the beginning (discrete)", low=0.0, high=1.0)
    epsilon_end: float = option(0.05, "the same when exploration has come down", low=0.0, high=1.0)
    exploration: float = option(0.5, "fraction of the steps over which it comes down", low=0.0, high=1.0)
    persistence: int = option(8, "longest run of one exploratory action; 1 draws every step anew", low=1)
    action_noise: float = option(0.1, "exploration noise of continuous actions, share of their half range", low=0.0)
    iteration: int = option(5000, "steps between choices of the weight to practise", low=1)
    share: float = option(0.5, "share of experience and updates for the newest weight", low=0.0, high=1.0)
    eval_episodes: int = option(3, "episodes per policy when measuring weights (counted)", low=1)
    max_weights: int = option(50, "weights practised at most; the least useful leave", low=2)
    front_weights: int = option(60, "weights whose policies are reported", low=1)
    n_envs: int = option(8, "copies of the environment stepped together", low=1)


class GPILS(Agent):
    """Learns the convex coverage set, practising the preference with the largest possible gain."""

    info = AlgoInfo(
        name="GPILS",
        summary="all linear preferences, practising next the one that can gain most; discrete and continuous actions",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Alegre, Bazzan, Roijers, Nowé & da Silva 2023, Sample-efficient MORL via GPI prioritization",
        formula="next w = argmax over corners of w·v_GPI(w) − max_{v∈V} w·v;  act: argmax_a max_{w'∈M} w·Q(s,a,w')",
        avoid="trade-offs in dents of the front matter (use PCN); noisy returns make measuring dear",
    )
    Config = GPILSConfig

    def _setup(self) -> None:
        self.encoder = Encoder(self.observation_space)
        if isinstance(self.action_space, spaces.Discrete):
            self.learner: DiscreteLearner | BoxLearner = DiscreteLearner(self)
            action: tuple[tuple[int, ...], Any] = ((), np.int64)
        else:
            self.learner = BoxLearner(self)
            action = ((self.learner.size,), np.float32)
        k = self.k
        self.buffer = ReplayBuffer(
            self.config.buffer,
            {
                "obs": ((self.encoder.size,), np.float32),
                "action": action,
                "reward": ((k,), np.float32),
                "after": ((self.encoder.size,), np.float32),
                "going": ((), np.float32),
            },
        )
        # Practised weights: corners of the simplex to begin with, the newest one first.
        self.weights: FloatArray = np.eye(k)
        self.corners: FloatArray = np.zeros((0, k))
        self.corner_values: FloatArray = np.zeros((0, k))
        self.practised_at = 0
        self.updates = 0

    # ---- learning --------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        env = self.problem.training(c.n_envs)
        collector = Collector(env, self.spec, self.discount, self.problem.id)
        collector.reset(self.segment_seed())
        noise = self.learner.explorer(collector.n)
        weights = self._practise(collector.n, rng)
        while self.num_timesteps < until:
            before = collector.steps
            wild = self.num_timesteps < c.start
            actions, kept = self.learner.explore(noise, self.encoder(collector.obs), weights, wild, rng)
            out = collector.step(actions)
            self.buffer.add(
                obs=self.encoder(out.obs),
                action=kept[out.env],
                reward=out.rewards,
                after=self.encoder(out.next_obs),
                going=~out.terminated,  # a truncated episode would have gone on
            )
            rows = out.env[out.terminated | out.truncated]
            if len(rows):
                noise.stop(rows)
                weights[rows] = self._practise(len(rows), rng)
            steps = collector.steps - before
            total = self.num_timesteps + steps
            if total >= c.start:
                for _ in range(total // c.train_every - self.num_timesteps // c.train_every):
                    self.learner.update(self.buffer.sample(c.batch, rng), self._practise(c.batch, rng), rng)
                    self.updates += 1
            if total >= self.practised_at + c.iteration:
                self._choose()
                self.practised_at = total
            self.advance(steps)
        if not self.problem.is_vector:
            env.close()

    def _practise(self, n: int, rng: np.random.Generator) -> Array:
        """Weights ``(n, K)`` to act for or learn for: the newest for a share of the rows, else any practised one."""
        which = rng.integers(len(self.weights), size=n)
        which[rng.random(n) < self.config.share] = 0
        return self.weights[which].astype(np.float32)

    def _choose(self) -> None:
        """Measure the practised policies, then practise the corner where GPI promises most."""
        c, k = self.config, self.k
        values = self._measure(self.weights)
        if len(self.weights) >= c.max_weights:
            keep = self._useful(values, c.max_weights - 1)
            self.weights, values = self.weights[keep], values[keep]
        corners = corner_weights(values)
        fresh = np.array([_distance(w, self.weights) > 1e-6 for w in corners], dtype=bool)
        corners = corners[fresh]
        if not len(corners):
            self.weights = np.roll(self.weights, -1, axis=0)  # nothing new: practise the known ones in turn
            return
        unseen = np.array([_distance(w, self.corners) > 1e-3 for w in corners], dtype=bool)
        if unseen.any():
            self.corner_values = np.concatenate([self.corner_values, self._measure(corners[unseen])])
            self.corners = np.concatenate([self.corners, corners[unseen]])
        nearest = np.array([int(np.abs(self.corners - w).max(axis=1).argmin()) for w in corners])
        known = np.concatenate([values, self.corner_values])
        gain = (corners * self.corner_values[nearest]).sum(axis=1) - (corners @ values.T).max(axis=1)
        # Equal promises (at the beginning: none) are broken by how much room the surface leaves.
        room = known.max(axis=0) @ corners.T - (corners @ values.T).max(axis=1)
        best = int(np.lexsort((room, gain.round(9)))[-1])
        self.weights = np.concatenate([corners[best].reshape(1, k), self.weights])

    def _measure(self, weights: FloatArray) -> FloatArray:
        policies = self.learner.policies(weights, self.weights)
        return self._evaluator.evaluate(policies, self.config.eval_episodes, exact=False).mean

    def _useful(self, values: FloatArray, n: int) -> Array:
        """Numbers of the ``n`` practised weights to keep: those that are best for most weights, newest first."""
        grid = reported_weights(200, self.spec)
        wins = np.bincount((grid @ values.T).argmax(axis=1), minlength=len(values))
        order = np.lexsort((np.arange(len(values)), -wins))
        return np.sort(order[:n])

    # ---- policies --------------------------------------------------------------------------------------

    def epsilon(self) -> float:
        """Probability of beginning to explore (discrete actions)."""
        c = self.config
        done = min(1.0, self.progress / c.exploration) if c.exploration > 0 else 1.0
        return float(c.epsilon + (c.epsilon_end - c.epsilon) * done)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if preferences is None:
            grid = reported_weights(self.config.front_weights, self.spec)
            preferences = np.concatenate([self.weights, grid])
        return self.learner.policies(preferences, self.weights)

    def status(self) -> dict[str, float]:
        """Practised weights, and updates so far."""
        return {"weights": len(self.weights), "updates": self.updates}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays = {
            **self.learner.arrays(),
            **self.buffer.state(),
            "weights": self.weights,
            "corners": self.corners,
            "corner_values": self.corner_values,
        }
        return arrays, {"practised_at": self.practised_at, "updates": self.updates}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        self.learner.restore(arrays)
        self.buffer.restore(arrays)
        self.weights, self.corners = arrays["weights"].copy(), arrays["corners"].copy()
        self.corner_values = arrays["corner_values"].copy()
        self.practised_at, self.updates = int(facts["practised_at"]), int(facts["updates"])


def _distance(weight: FloatArray, others: FloatArray) -> float:
    return float(np.abs(others - weight).max(axis=1).min()) if len(others) else np.inf
