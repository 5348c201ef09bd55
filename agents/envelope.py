"""Envelope Q-learning: one network for all linear preferences, from a replay buffer.

Yang, Sun & Narasimhan (2019), "A generalized algorithm for multi-objective RL and policy adaptation". The target for
weight w may use what the network knows for any other weight of the batch::

    (a*, w*) = argmax_{a, w'} w · Q(s', a, w'),        y = r + γ Q⁻(s', a*, w*)
    L = (1 − β) ‖y − Q(s, a, w)‖² + β (w·y − w·Q(s, a, w))²

Each transition is paired with several weights. ``Q(s', ·, w')`` does not depend on which w asks, so it is computed once
per transition and weight and maximised over by every w: N·M network rows for N transitions and M weights, not N·M².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morl.agents.base import Array
from morl.agents.collector import Collector
from morl.agents.conditioned import ConditionedQ, greedy, share_statistics, training_weights
from morl.agents.config import AgentConfig, option
from morl.agents.exploration import Persistent
from morl.agents.info import AlgoInfo
from morl.agents.networks import load_module, module_arrays, polyak
from morl.agents.replay import ReplayBuffer


@dataclass(frozen=True)
class EnvelopeConfig(AgentConfig):
    """Options of :class:`Envelope`."""

    hidden: tuple[int, ...] = option((128, 128), "width of each layer")
    mix: str = option("concat", "how the weight enters the network", choices=("concat", "film"))
    layer_norm: bool = option(True, "normalise each layer")
    lr: float = option(5e-4, "Adam's step size", low=0.0)
    batch: int = option(128, "transitions per update", low=1)
    batch_weights: int = option(4, "weights that each transition is paired with", low=1)
    buffer: int = option(200_000, "transitions remembered", low=1)
    start: int = option(1000, "steps before the first update", low=0)
    train_every: int = option(16, "environment steps (over all copies) per update", low=1)
    homotopy: float = option(
        0.5, "β at the end of learning: pull of the scalar loss; it begins at 0", low=0.0, high=1.0
    )
    tau: float = option(0.005, "share by which the target network follows after each update", low=0.0, high=1.0)
    epsilon: float = option(1.0, "probability of beginning to explore, at the beginning", low=0.0, high=1.0)
    epsilon_end: float = option(0.05, "the same when exploration has come down", low=0.0, high=1.0)
    exploration: float = option(0.5, "fraction of the steps over which it comes down", low=0.0, high=1.0)
    persistence: int = option(8, "longest run of one exploratory action; 1 draws every step anew", low=1)
    concentration: float = option(1.0, "of the Dirichlet weights trained on; 1 is uniform", low=1e-3)
    front_weights: int = option(100, "weights whose policies are reported", low=1)
    n_envs: int = option(16, "copies of the environment stepped together", low=1)


class Envelope(ConditionedQ):
    """Learns all convex trade-offs with one network; every transition teaches every weight."""

    info = AlgoInfo(
        name="Envelope",
        summary="one network for all linear preferences, from a replay buffer: sparing with environment steps",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Yang, Sun & Narasimhan 2019, A generalized algorithm for multi-objective RL and policy adaptation",
        formula="Q(s,a,w) → r + γ Q⁻(s', argmax_{a,w'} w·Q(s',a,w'))",
        avoid="trade-offs in dents of the front matter (use PCN), or steps cost nothing (VectorQLambda is faster)",
    )
    Config = EnvelopeConfig

    def _setup(self) -> None:
        super()._setup()
        self.target = self._network(0)
        self.updates = 0
        size, k = self.encoder.size, self.k
        self.buffer = ReplayBuffer(
            self.config.buffer,
            {
                "obs": ((size,), np.float32),
                "action": ((), np.int64),
                "reward": ((k,), np.float32),
                "after": ((size,), np.float32),
                "going": ((), np.float32),
            },
        )

    def _learn(self, until: int) -> None:
        c, rng = self.config, self.rng("explore", self._segment)
        env = self.problem.training(c.n_envs)
        collector = Collector(env, self.spec, self.discount, self.problem.id)
        collector.reset(self.segment_seed())
        explorer = Persistent(self.action_space, collector.n, longest=c.persistence)
        weights = training_weights(collector.n, self.spec, rng, c.concentration).astype(np.float32)
        while self.num_timesteps < until:
            before = collector.steps
            best = greedy(self.values(self.encoder(collector.obs), weights), weights) + self.offset
            actions, _ = explorer.step(best, self._epsilon(), rng)
            out = collector.step(actions)
            self.buffer.add(
                obs=self.encoder(out.obs),
                action=out.actions - self.offset,
                reward=out.rewards,
                after=self.encoder(out.next_obs),
                going=~out.terminated,  # a truncated episode would have gone on
            )
            rows = out.env[out.terminated | out.truncated]
            if len(rows):
                explorer.stop(rows)
                weights[rows] = training_weights(len(rows), self.spec, rng, c.concentration)
            steps = collector.steps - before
            done, total = self.num_timesteps, self.num_timesteps + steps
            if total >= c.start:
                for _ in range(total // c.train_every - done // c.train_every):
                    self._update(rng)
            self.advance(steps)
        if not self.problem.is_vector:
            env.close()

    def _epsilon(self) -> float:
        c = self.config
        done = min(1.0, self.progress / c.exploration) if c.exploration > 0 else 1.0
        return float(c.epsilon + (c.epsilon_end - c.epsilon) * done)

    def _update(self, rng: np.random.Generator) -> None:
        c = self.config
        batch = {name: torch.from_numpy(rows) for name, rows in self.buffer.sample(c.batch, rng).items()}
        drawn = training_weights(c.batch_weights, self.spec, rng, c.concentration)
        weights = torch.from_numpy(drawn.astype(np.float32))
        n, m = c.batch, c.batch_weights
        repeated = weights.repeat(n, 1)  # row i·m + j: transition i, weight j
        with torch.no_grad():
            after = batch["after"].repeat_interleave(m, dim=0)
            values = self._envelope(after, repeated, weights)
            ahead = batch["reward"][:, None] + self.discount * batch["going"][:, None, None] * values
            self.net.head.update(ahead)
            share_statistics(self.net.head, self.target.head)
            target = self.net.head.normalise(ahead).float().view(n * m, self.k)
        out = self.net(batch["obs"].repeat_interleave(m, dim=0), repeated)
        chosen = out[torch.arange(n * m), batch["action"].repeat_interleave(m)]
        error = target - chosen
        beta = c.homotopy * self.progress
        # In normalised units the weight of an objective is w·σ, rescaled so that both losses have one size.
        size = repeated * self.net.head.std.float()
        scalar = (size * error).sum(dim=1) / size.norm(dim=1).clamp(min=1e-8)
        loss = (1 - beta) * (error**2).mean() + beta * (scalar**2).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimizer.step()
        polyak(self.target, self.net, c.tau)
        self.updates += 1

    def _envelope(self, after: Tensor, repeated: Tensor, weights: Tensor) -> Tensor:
        """Values ``(n, m, K)`` of the successors for each of the m weights, maximised over actions and weights."""
        m = len(weights)
        n = len(after) // m
        online = self.net.values(after, repeated).view(n, m * self.n_actions, self.k)
        frozen = self.target.values(after, repeated).view(n, m * self.n_actions, self.k)
        best = torch.matmul(online, weights.T).argmax(dim=1)  # (n, m) entries of the joint (weight, action) axis
        return frozen.gather(1, best[:, :, None].expand(n, m, self.k))

    def status(self) -> dict[str, float]:
        """Updates so far and the probability of beginning to explore."""
        return {"updates": self.updates, "epsilon": self._epsilon()}

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, facts = super()._state()
        return {**arrays, **module_arrays(self.target, "target"), **self.buffer.state()}, {
            **facts,
            "updates": self.updates,
        }

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:
        super()._restore(arrays, facts)
        load_module(self.target, arrays, "target")
        self.buffer.restore(arrays)
        self.updates = int(facts["updates"])
