"""Concave-augmented Pareto Q-learning: soft actor-critic for all preferences, dents of the front included.

Lu, Herman & Yu (2023), "Multi-objective reinforcement learning: convexity, stationarity and Pareto optimality". A
linear preference alone may have many optima, or jump over parts of the front; a strictly concave term of the policy
makes the answer unique and lets it move smoothly. The entropy of the policy serves as that term::

    y = r + γ [ Q⁻(s', a', w) − α log π(a'|s', w) · 1 ],      a' ~ π(·|s', w)
    max_π  E[ w · Q(s, a, w) − α log π(a|s, w) ]

Rewards and the entropy are in normalised units (each objective divided by its running scale), so α means the same for
every environment. Weights are drawn over the whole simplex, for acting and for learning alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.base import Agent, Array
from morl.agents.collector import Collector
from morl.agents.conditioned import reported_weights, training_weights
from morl.agents.config import AgentConfig, option
from morl.agents.exploration import Persistent
from morl.agents.gpi_learners import Twins, smaller, unit_to_box
from morl.agents.info import AlgoInfo
from morl.agents.networks import Trunk, load_module, load_optimizer, module_arrays, optimizer_arrays, seeded
from morl.agents.observations import Encoder
from morl.agents.policies import Memory, PolicySet
from morl.agents.replay import ReplayBuffer
from morl.spec import FloatArray, IntArray


@dataclass(frozen=True)
class CAPQLConfig(AgentConfig):
    """Options of :class:`CAPQL`."""

    hidden: tuple[int, ...] = option((256, 256), "width of each layer")
    mix: str = option("concat", "how the weight enters the networks", choices=("concat", "film"))
    layer_norm: bool = option(True, "normalise each layer of the critics")
    lr: float = option(3e-4, "Adam's step size", low=0.0)
    batch: int = option(128, "transitions per update", low=1)
    buffer: int = option(300_000, "transitions remembered", low=1)
    start: int = option(1000, "steps of random actions to begin with", low=0)
    train_every: int = option(1, "environment steps (over all copies) per update", low=1)
    tau: float = option(0.005, "share by which target networks follow after each update", low=0.0, high=1.0)
    alpha: float = option(0.05, "size of the concave term, in normalised units of return", low=0.0)
    persistence: int = option(1, "longest run of one random action in the beginning", low=1)
    concentration: float = option(1.0, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)
    front_weights: int = option(60, "weights whose policies are reported", low=1)
    n_envs: int = option(8, "copies of the environment stepped together", low=1)


class CAPQL(Agent):
    """Learns one stochastic actor for all preferences on continuous actions."""

    info = AlgoInfo(
        name="CAPQL",
        summary="one actor for all preferences on continuous actions; moves smoothly along the front",
        criterion=("SER",),
        policy_class="stationary stochastic (its mean action when acting deterministically)",
        actions=("continuous",),
        observations=("discrete", "vector"),
        paper="Lu, Herman & Yu 2023, Multi-objective RL: Convexity, Stationarity and Pareto Optimality",
        formula="max_π E[w·Q(s,a,w) − α log π(a|s,w)];  y = r + γ(Q⁻(s',a',w) − α log π(a'|s',w)·1)",
        avoid="actions are discrete (use Envelope or GPILS)",
    )
    Config = CAPQLConfig

    def _setup(self) -> None:
        c = self.config
        assert isinstance(self.action_space, spaces.Box)
        self.encoder, self.box = Encoder(self.observation_space), self.action_space
        self.size = int(np.prod(self.box.shape))
        self.twins = Twins(self, self.encoder.size + self.size, 1)
        with seeded(self.integer_seed("network", 2)):
            self.actor = GaussianActor(self.encoder.size, self.k, self.size, c.hidden, c.mix)
        self.optimizer = torch.optim.Adam(self.actor.parameters(), lr=c.lr, fused=True)
        self.updates = 0
        self.buffer = ReplayBuffer(
            c.buffer,
            {
                "obs": ((self.encoder.size,), np.float32),
                "action": ((self.size,), np.float32),
                "reward": ((self.k,), np.float32),
                "after": ((self.encoder.size,), np.float32),
                "going": ((), np.float32),
            },
        )

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        env = self.problem.training(c.n_envs)
        collector = Collector(env, self.spec, self.discount, self.problem.id)
        collector.reset(self.segment_seed())
        unit = spaces.Box(-1.0, 1.0, (self.size,), np.float32)
        wander = Persistent(unit, collector.n, longest=c.persistence)
        weights = self._weights(collector.n, rng)
        while self.num_timesteps < until:
            before = collector.steps
            if self.num_timesteps < c.start:
                actions = wander.step(None, 1.0, rng)[0]
            else:
                noise = rng.standard_normal((collector.n, self.size)).astype(np.float32)
                actions = self.act(self.encoder(collector.obs), weights, noise)
            out = collector.step(unit_to_box(actions, self.box))
            self.buffer.add(
                obs=self.encoder(out.obs),
                action=actions[out.env],
                reward=out.rewards,
                after=self.encoder(out.next_obs),
                going=~out.terminated,  # a truncated episode would have gone on
            )
            rows = out.env[out.terminated | out.truncated]
            if len(rows):
                weights[rows] = self._weights(len(rows), rng)
            steps = collector.steps - before
            done, total = self.num_timesteps, self.num_timesteps + steps
            if total >= c.start:
                for _ in range(total // c.train_every - done // c.train_every):
                    self._update(rng)
            self.advance(steps)
        if not self.problem.is_vector:
            env.close()

    def _weights(self, n: int, rng: np.random.Generator) -> Array:
        return training_weights(n, self.spec, rng, self.config.concentration).astype(np.float32)

    def _update(self, rng: np.random.Generator) -> None:
        c = self.config
        batch = {name: torch.from_numpy(rows) for name, rows in self.buffer.sample(c.batch, rng).items()}
        weights = torch.from_numpy(self._weights(c.batch, rng))
        noise = torch.from_numpy(rng.standard_normal((2, c.batch, self.size)).astype(np.float32))
        with torch.no_grad():
            actions, log_prob = self.actor.sample(batch["after"], weights, noise[0])
            inputs = torch.cat([batch["after"], actions], dim=1)
            first, second = (net.values(inputs, weights)[:, 0] for net in self.twins.targets)  # type: ignore[operator]
            # α in normalised units: an objective's share of the entropy is as large as its own returns are.
            bonus = c.alpha * log_prob[:, None] * self._unit()
            ahead = smaller(first, second, weights) - bonus
            goal = batch["reward"] + self.discount * batch["going"][:, None] * ahead
        self.twins.fit(torch.cat([batch["obs"], batch["action"]], dim=1), None, weights, goal)
        self._improve(batch["obs"], weights, noise[1])
        self.twins.follow()
        self.updates += 1

    def _unit(self) -> Tensor:
        """Standard deviation of each objective's returns ``(K,)``."""
        std: Tensor = self.twins.nets[0].head.std  # type: ignore[assignment]
        return std.float()

    def _improve(self, obs: Tensor, weights: Tensor, noise: Tensor) -> None:
        self.twins.nets.requires_grad_(False)
        actions, log_prob = self.actor.sample(obs, weights, noise)
        inputs = torch.cat([obs, actions], dim=1)
        first, second = (net.values(inputs, weights)[:, 0] for net in self.twins.nets)  # type: ignore[operator]
        value = (smaller(first, second, weights) * weights).sum(dim=1)
        size = (weights * self._unit()).sum(dim=1).clamp(min=1e-8)
        loss = (self.config.alpha * log_prob - value / size).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.twins.nets.requires_grad_(True)

    def act(self, encoded: Array, weights: Array, noise: Array | None) -> Array:
        """Actions in ``[-1, 1]``; without noise the mean ones."""
        with torch.inference_mode():
            obs, w = torch.from_numpy(encoded), torch.from_numpy(weights)
            if noise is None:
                return np.asarray(torch.tanh(self.actor(obs, w)[0]).numpy())
            return np.asarray(self.actor.sample(obs, w, torch.from_numpy(noise))[0].numpy())

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = reported_weights(self.config.front_weights, self.spec) if preferences is None else preferences
        return ActorPolicies(self, weights)

    def status(self) -> dict[str, float]:
        """Updates so far."""
        return {"updates": self.updates}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays = {
            **self.twins.arrays(),
            **module_arrays(self.actor, "actor"),
            **optimizer_arrays(self.optimizer, "actor_adam"),
            **self.buffer.state(),
        }
        return arrays, {"updates": self.updates}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        self.twins.restore(arrays)
        load_module(self.actor, arrays, "actor")
        load_optimizer(self.optimizer, arrays, "actor_adam")
        self.buffer.restore(arrays)
        self.updates = int(facts["updates"])


class GaussianActor(nn.Module):
    """A conditioned actor with normally distributed actions, squashed by tanh (Haarnoja et al. 2018)."""

    def __init__(self, inputs: int, k: int, outputs: int, hidden: tuple[int, ...], mix: str) -> None:
        super().__init__()
        self.trunk = Trunk(inputs, hidden, preference=k, mix=mix)
        self.head = nn.Linear(self.trunk.size, 2 * outputs)

    def forward(self, observations: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before tanh, ``(n, outputs)`` each."""
        mean, log_std = self.head(self.trunk(observations, weights)).chunk(2, dim=1)
        return mean, log_std.clamp(-20.0, 2.0)

    def sample(self, observations: Tensor, weights: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions in ``[-1, 1]`` made from standard normal ``noise``, and their log densities ``(n,)``."""
        mean, log_std = self(observations, weights)
        raw = mean + log_std.exp() * noise
        normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        # log(1 − tanh²x) in the form that does not underflow
        squash = 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
        return torch.tanh(raw), (normal - squash).sum(dim=1)


class ActorPolicies(PolicySet):
    """The actor under fixed weights, one policy per weight.

    Args:
        agent: owner of the actor.
        weights: ``(m, K)``.
    """

    stochastic = True

    def __init__(self, agent: CAPQL, weights: FloatArray) -> None:
        self.agent = agent
        self.preferences = np.asarray(weights, dtype=np.float64)
        self._inputs = self.preferences.astype(np.float32)

    def __len__(self) -> int:
        return len(self._inputs)

    def act(
        self,
        which: IntArray,
        observations: Any,
        memory: Memory,
        accrued: FloatArray,
        time: IntArray,
        rng: np.random.Generator,
        deterministic: bool,
    ) -> tuple[Array, Memory]:
        """One forward pass for all rows."""
        weights = self._inputs[which]
        noise = None if deterministic else rng.standard_normal((len(which), self.agent.size)).astype(np.float32)
        actions = self.agent.act(self.agent.encoder(observations), weights, noise)
        return unit_to_box(actions, self.agent.box), memory
