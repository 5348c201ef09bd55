"""How GPI-LS learns and acts with discrete actions: conditioned twin critics, and generalised policy improvement."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from torch import Tensor

from morl.agents.base import Array
from morl.agents.core.exploration import Persistent
from morl.agents.core.observations import Encoder
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.neural.conditioned import greedy
from morl.agents.neural.kernels import best_of_smaller
from morl.agents.neural.off_policy import TRANSITION
from morl.agents.neural.twins import Twins
from morl.spec import FloatArray


class DiscreteLearner:
    """Twin critics ``Q(s, a, w)`` for discrete actions.

    Args:
        agent: owner of the config, seeds and spaces.
    """

    def __init__(self, agent: Any) -> None:
        self.agent, self.encoder = agent, agent.encoder
        self.n_actions = int(agent.actions.space.n)
        c = agent.config
        self.twins = Twins(agent, agent.encoder.size, self.n_actions, c.lr, c.layer_norm)

    def explorer(self, n: int) -> Persistent:
        """Exploration of n copies."""
        return Persistent(self.agent.actions.space, n, longest=self.agent.config.persistence)

    def explore(
        self, noise: Persistent, encoded: Array, weights: Array, wild: bool, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Actions for the environment, and the same as they are remembered."""
        best = None if wild else greedy(self.values(encoded, weights), weights)
        actions, _ = noise.step(best, self.agent.config.epsilon_at(self.agent.progress), rng)
        return actions, actions

    def values(self, encoded: Array, weights: Array) -> Array:
        """Values of the first critic, ``(n, A, K)``."""
        return self.twins.online[0].values(encoded, weights)

    def update(self, batch: dict[str, Tensor], weights: Tensor, rng: np.random.Generator) -> None:
        """One update from remembered rows, for weights ``(n, K)``."""
        obs, action, reward, after, going = (batch[name].numpy() for name in TRANSITION)
        asked, frozen = weights.numpy(), self.twins.frozen
        rows = frozen[0].join(after, asked)
        first, second = (net.outputs(net.features(rows)) for net in frozen)
        ahead = np.zeros_like(asked)
        # Both critics are in the same units, so w·σ orders their outputs as w orders their values.
        best_of_smaller(first, second, asked * frozen[0].std, ahead)
        goal = reward + self.twins.discount * going[:, None] * frozen[0].in_returns(ahead)
        self.twins.learn(frozen[0].join(obs, asked), action, goal)
        self.twins.follow()

    def policies(self, preferences: FloatArray, practised: FloatArray) -> PolicySet:
        """GPI policies."""
        return GPIPolicies(self, self.encoder, preferences, practised)

    def gpi(self, encoded: Array, weights: Array, practised: Array) -> Array:
        """``argmax_a max_{w'} w · Q(s, a, w')`` for rows ``(n, size)`` and their weights ``(n, K)``."""
        flat = self.values(*candidates(encoded, weights, practised))
        scores = np.einsum("nmak,nk->nma", flat.reshape(len(encoded), -1, self.n_actions, flat.shape[-1]), weights)
        return np.asarray(scores.max(axis=1).argmax(axis=1))

    def arrays(self) -> dict[str, Array]:
        """State for a checkpoint."""
        return self.twins.arrays()

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.twins.restore(arrays)


def candidates(encoded: Array, weights: Array, practised: Array) -> tuple[Array, Array]:
    """Rows ``(n·(m+1), size)`` and the weights whose policies may act there: each row's own, then the m practised.

    The own weight is one of them because the network is conditioned and may know it already.
    """
    n, m = len(encoded), len(practised)
    every = np.concatenate([weights[:, None], np.broadcast_to(practised, (n, m, practised.shape[1]))], axis=1)
    return np.repeat(encoded, m + 1, axis=0), every.reshape(n * (m + 1), -1)


class Improves(Protocol):
    """A learner that acts by generalised policy improvement."""

    def gpi(self, encoded: Array, weights: Array, practised: Array) -> Array:
        """Actions for rows ``(n, size)`` and their weights ``(n, K)``, among the policies of practised weights."""


class GPIPolicies(PolicySet):
    """Generalised policy improvement over practised weights, one policy per preference.

    Args:
        learner: has ``gpi(encoded, weights, practised) -> actions``.
        encoder: turns observations into rows.
        weights: ``(m, K)``.
        practised: ``(p, K)``; copied, so that later learning adds none.
    """

    def __init__(self, learner: Improves, encoder: Encoder, weights: FloatArray, practised: FloatArray) -> None:
        self.learner, self.encoder = learner, encoder
        self.preferences = np.asarray(weights, dtype=np.float64)
        self._inputs = self.preferences.astype(np.float32)
        self._practised = np.array(practised, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._inputs)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows and practised weights."""
        encoded, weights = self.encoder(decision.observations), self._inputs[decision.which]
        return self.learner.gpi(encoded, weights, self._practised), decision.memory
