"""How GPI-LS learns and acts with continuous actions: a TD3 conditioned on the preference. Needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.core.exploration import Persistent
from morl.agents.core.policies import PolicySet
from morl.agents.gpi_learners import GPIPolicies, candidates
from morl.agents.neural.flat import Adam, Target
from morl.agents.neural.networks import Perceptron, Trunk, seeded
from morl.agents.neural.parameters import load_module, module_arrays
from morl.agents.neural.twins import Twins, smaller
from morl.spec import FloatArray


class BoxLearner:
    """Conditioned TD3: an actor ``π(s, w)`` and twin critics ``Q(s, a, w)`` (Fujimoto et al. 2018).

    The slow copy of the actor, which targets need anyway, is also what is measured and reported: single updates shake
    it less. While learning, the actor itself acts.

    Args:
        agent: owner of the config, seeds and spaces.
    """

    POLICY_NOISE, NOISE_LIMIT, DELAY = 0.2, 0.5, 2

    def __init__(self, agent: Any) -> None:
        c = agent.config
        self.agent, self.encoder = agent, agent.encoder
        self.size = int(np.prod(agent.actions.space.shape))
        # With normalised layers the actor of the half-cheetah ran to extreme actions for every preference.
        self.twins = Twins(agent, agent.encoder.size + self.size, 1, c.box_lr, layer_norm=False)
        with seeded(agent.integer_seed("network", 2)):
            self.actor = Actor(agent.encoder.size, agent.k, self.size, c.hidden, c.mix)
        self.optimizer = Adam(self.actor, c.box_lr)
        self.target = Target(self.actor, self.optimizer.values)
        self.count = 0

    def explorer(self, n: int) -> Persistent:
        """Exploration of n copies: uniform in the beginning, normal noise on the actor's actions afterwards."""
        return Persistent(self.agent.actions.space, n, longest=1)

    def explore(
        self, noise: Persistent, encoded: Array, weights: Array, wild: bool, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        """Actions for the environment, and the same in ``[-1, 1]`` as they are remembered."""
        if wild:
            unit = noise.step(None, 1.0, rng)[0]
        else:
            size = self.agent.config.action_noise
            shaken = self.actor.act(encoded, weights) + rng.normal(0, size, (len(encoded), self.size))
            unit = np.clip(shaken, -1.0, 1.0).astype(np.float32)
        return unit, unit

    def update(self, batch: dict[str, Tensor], weights: Tensor, rng: np.random.Generator) -> None:
        """One update of the critics, and every second time of the actor."""
        shake = torch.from_numpy(rng.standard_normal((len(weights), self.size), dtype=np.float32))
        with torch.no_grad():
            shake = (shake * self.POLICY_NOISE).clamp(-self.NOISE_LIMIT, self.NOISE_LIMIT)
            action = (self.target.net(batch["after"], weights) + shake).clamp(-1, 1)
            first, second = self.twins.targets.values(torch.cat([batch["after"], action], dim=1), weights)
            ahead = smaller(first[:, 0], second[:, 0], weights)
            goal = batch["reward"] + self.twins.discount * batch["going"][:, None] * ahead
        self.twins.fit(torch.cat([batch["obs"], batch["action"]], dim=1), None, weights, goal)
        self.count += 1
        if self.count % self.DELAY == 0:
            self._improve(batch["obs"], weights)
            self.twins.follow()
            self.target.follow(self.agent.config.tau)

    def _improve(self, obs: Tensor, weights: Tensor) -> None:
        actions = self.actor(obs, weights)
        values = self.twins.nets.first.values(torch.cat([obs, actions], dim=1), weights)[:, 0]
        # A loss of order one whatever the unit of the objectives.
        unit = (weights * self.twins.unit).norm(dim=1, keepdim=True).clamp(min=1e-8)
        self.optimizer.step(-(values * (weights / unit)).sum(dim=1).mean())

    def policies(self, preferences: FloatArray, practised: FloatArray) -> PolicySet:
        """GPI policies."""
        return GPIPolicies(self, self.encoder, preferences, practised)

    def gpi(self, encoded: Array, weights: Array, practised: Array) -> Array:
        """The practised actor's action that the critic likes best for each row's weight, in ``[-1, 1]``."""
        n, m = len(encoded), len(practised)
        flat_obs, tried = candidates(encoded, weights, practised)
        actions = self.target.net.act(flat_obs, tried)
        asked = np.repeat(weights, m + 1, axis=0)
        with torch.inference_mode():
            inputs = torch.from_numpy(np.concatenate([flat_obs, actions], axis=1))
            values = self.twins.nets.first.values(inputs, torch.from_numpy(asked))[:, 0].numpy()
        best = (values * asked).sum(axis=1).reshape(n, m + 1).argmax(axis=1)
        return np.asarray(actions.reshape(n, m + 1, -1)[np.arange(n), best])

    def arrays(self) -> dict[str, Array]:
        """State for a checkpoint."""
        return {
            **self.twins.arrays(),
            **module_arrays(self.actor, "actor"),
            **module_arrays(self.target.net, "actor_target"),
            **self.optimizer.arrays("actor_adam"),
            "count": np.array([self.count]),
        }

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        self.twins.restore(arrays)
        load_module(self.actor, arrays, "actor")
        load_module(self.target.net, arrays, "actor_target")
        self.optimizer.restore(arrays, "actor_adam")
        self.count = int(arrays["count"][0])


class Actor(nn.Module):
    """A conditioned deterministic actor with actions in ``[-1, 1]``.

    What goes into tanh is divided by its mean size where that exceeds 1 (Wang, Wu, Vuong & Ross 2020, "Striving for
    simplicity and performance in off-policy DRL"). Otherwise early critics, which are nearly linear in the action,
    push it to where tanh is flat, for every preference alike, and it takes very long to come back.
    """

    def __init__(self, inputs: int, k: int, outputs: int, hidden: tuple[int, ...], mix: str) -> None:
        super().__init__()
        self.trunk = Trunk(inputs, hidden, preference=k, mix=mix)
        self.head = nn.Linear(self.trunk.size, outputs)
        self._body = Perceptron(self.trunk, self.head)

    def forward(self, observations: Tensor, weights: Tensor) -> Tensor:
        """Actions ``(n, outputs)``."""
        raw = self._body(observations, weights)
        return torch.tanh(raw / raw.abs().mean(dim=1, keepdim=True).clamp(min=1.0))

    def act(self, encoded: Array, weights: Array) -> Array:
        """Actions ``(n, outputs)`` for rows ``(n, inputs)`` and weights ``(n, K)``."""
        with torch.inference_mode():
            out: Tensor = self(torch.from_numpy(encoded), torch.from_numpy(weights))
        return out.numpy()
