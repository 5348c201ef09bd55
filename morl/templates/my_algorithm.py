"""MyAlgorithm: an advantage actor-critic, one network for every linear preference w.

loss = −log π(a|s,w) w·A − c H(π(·|s,w)) + ½ |V(s,w) − (V + A)|²,  A = Σ_l (γλ)^l [r + γ V(s',w) − V(s,w)]_{t+l}
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from morl.agents import Agent, AgentConfig, AlgoInfo, Encoder, WeightedPolicies, option, register
from morl.agents.core.preferences import reported_weights, to_scaled
from morl.agents.core.returns import advantages


@dataclass(frozen=True)
class MyAlgorithmConfig(AgentConfig):
    n_envs: int = option(16, "parallel environments", low=1)
    n_steps: int = option(8, "steps of each between updates, all under one weight", low=1)
    learning_rate: float = option(3e-3, "Adam's step size", low=0.0)
    ent_coef: float = option(0.05, "weight c of the entropy, falling linearly to 0", low=0.0)


@register
class MyAlgorithm(Agent):
    info = AlgoInfo(
        "MyAlgorithm", "One actor-critic for all linear preferences.", ("SER",), "stationary deterministic",
        ("discrete",), ("discrete", "vector"), "Mnih et al. 2016; Abels et al. 2019", "∇ log π(a|s,w) w·A(s,a,w)",
    )  # fmt: skip
    Config = MyAlgorithmConfig

    def _setup(self) -> None:
        self.encoder, self.n_actions = Encoder(self.observation_space), self.actions.n
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.integer_seed("network"))
            layers = nn.Linear(self.encoder.size + self.k, 128), nn.Tanh(), nn.Linear(128, self.n_actions + self.k)
        self.net = nn.Sequential(*layers)
        self.optimizer = torch.optim.Adam(self.net.parameters(), self.config.learning_rate)
        self._keeps(net=self.net, adam=self.optimizer)

    def outputs(self, rows: Any, weights: Any) -> Any:  # logits (..., A) and values (..., K)
        inputs = torch.from_numpy(np.concatenate([rows, weights], axis=-1, dtype=np.float32))
        return self.net(inputs).split([self.n_actions, self.k], dim=-1)

    def loss(self, rows: Any, weights: Any, actions: Any, advantage: Any, target: Any) -> Any:
        logits, values = self.outputs(rows, weights)
        log = torch.log_softmax(logits, dim=1)
        gain = log[range(len(log)), actions] * torch.from_numpy((weights * advantage).sum(axis=1))
        entropy, error = -(log.exp() * log).sum(dim=1), (values - torch.from_numpy(target)).square().sum(dim=1)
        return (-gain - self.config.ent_coef * (1 - self.progress) * entropy + 0.5 * error).mean()

    def _learn(self, until: int) -> None:
        rng = self.rng("explore", self._segment)
        with self.problem.collecting(self.config.n_envs, self.segment_seed()) as collector:
            weights = np.empty((self.config.n_steps, collector.n, self.k))

            def act(observations: Any, accrued: Any, time: Any) -> Any:
                logits = self.outputs(self.encoder(observations), weights[0])[0].detach().numpy()
                return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from the softmax

            while self.num_timesteps < until:
                weights[:] = rng.dirichlet(np.ones(self.k), collector.n)
                batch = collector.rollout(act, self.config.n_steps)
                rows, successors = batch.encoded(self.encoder)
                values, following = (self.outputs(x, weights)[1].detach().numpy() for x in (rows, successors))
                rewards, ends = batch.rewards / self.spec.span, (batch.terminated, batch.truncated)
                advantage = advantages(rewards, values, following, *ends, self.discount, gae_lambda=0.9)
                parts = rows, weights, batch.actions, advantage, values + advantage
                self.optimizer.zero_grad()
                self.loss(*(part[batch.valid] for part in parts)).backward()
                self.optimizer.step()
                self.advance(batch.valid.sum())

    def _policies(self, preferences: Any) -> WeightedPolicies:
        def choose(observations: Any, raw: Any) -> Any:  # callers weigh raw returns, the network weighs scaled ones
            return self.outputs(self.encoder(observations), to_scaled(raw, self.spec.span))[0].argmax(dim=1).numpy()

        return WeightedPolicies(choose, reported_weights(60, self.spec) if preferences is None else preferences)
