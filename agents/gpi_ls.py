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
import torch
from torch import Tensor

from morl.agents.base import Array
from morl.agents.conditioned_td3 import BoxLearner
from morl.agents.core.config import option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import PolicySet
from morl.agents.gpi_learners import DiscreteLearner
from morl.agents.neural.conditioned import reported_weights, training_weights
from morl.agents.neural.off_policy import EpsilonConfig, OffPolicy
from morl.pareto.weights import corner_weights
from morl.spec import FloatArray


@dataclass(frozen=True)
class GPILSConfig(EpsilonConfig):
    """Options of :class:`GPILS`."""

    layer_norm: bool = option(True, "normalise each layer of the critics where actions are discrete")
    lr: float = option(5e-4, "Adam's step size where actions are discrete", low=0.0)
    box_lr: float = option(1e-3, "Adam's step size where they are continuous", low=0.0)
    action_noise: float = option(0.1, "exploration noise of continuous actions, share of their half range", low=0.0)
    iteration: int = option(5000, "steps between choices of the weight to practise", low=1)
    share: float = option(0.5, "share of experience and updates for the newest weight", low=0.0, high=1.0)
    spread: float = option(0.0, "share for weights drawn anew over the whole simplex", low=0.0, high=1.0)
    eval_episodes: int = option(3, "episodes per policy when measuring weights (counted)", low=1)
    max_weights: int = option(50, "weights practised at most; the least useful leave", low=2)


class GPILS(OffPolicy):
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
        if not self.actions.continuous:
            self.learner: DiscreteLearner | BoxLearner = DiscreteLearner(self)
            self._remember((), np.int64)
        else:
            self.learner = BoxLearner(self)
            self._remember((self.learner.size,), np.float32)
        k = self.k
        # Practised weights: corners of the simplex to begin with, the newest one first.
        self.weights: FloatArray = np.eye(k)
        self.corners: FloatArray = np.zeros((0, k))
        self.corner_values: FloatArray = np.zeros((0, k))
        self.practised_at = 0

    # ---- learning --------------------------------------------------------------------------------------

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """The newest weight for a share of the rows, else any practised one; and for some rows any at all."""
        which = rng.integers(len(self.weights), size=n)
        which[rng.random(n) < self.config.share] = 0
        weights = self.weights[which]
        if self.config.spread:
            anew = rng.random(n) < self.config.spread
            weights[anew] = training_weights(int(anew.sum()), self.spec, rng)
        return weights.astype(np.float32)

    def _explorer(self, n: int) -> Persistent:
        return self.learner.explorer(n)

    def _explore(
        self, explorer: Persistent, encoded: Array, weights: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        wild = self.num_timesteps < self.config.start
        return self.learner.explore(explorer, encoded, weights, wild, rng)

    def _update(self, batch: dict[str, Tensor], rng: np.random.Generator) -> None:
        self.learner.update(batch, torch.from_numpy(self._draw(self.config.batch, rng)), rng)

    def _reconsider(self, total: int, rng: np.random.Generator) -> None:
        if total >= self.practised_at + self.config.iteration:
            self._choose()
            self.practised_at = total

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

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if preferences is None:
            grid = reported_weights(self.config.front_weights, self.spec)
            preferences = np.concatenate([self.weights, grid])
        return self.learner.policies(preferences, self.weights)

    def status(self) -> dict[str, float]:
        """Practised weights, and updates so far."""
        return {"weights": len(self.weights), "updates": self.updates}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        more = {
            **self.learner.arrays(),
            "weights": self.weights,
            "corners": self.corners,
            "corner_values": self.corner_values,
        }
        return {**arrays, **more}, {**facts, "practised_at": self.practised_at}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        self.learner.restore(arrays)
        self.weights, self.corners = arrays["weights"].copy(), arrays["corners"].copy()
        self.corner_values = arrays["corner_values"].copy()
        self.practised_at = int(facts["practised_at"])


def _distance(weight: FloatArray, others: FloatArray) -> float:
    return float(np.abs(others - weight).max(axis=1).min()) if len(others) else np.inf
