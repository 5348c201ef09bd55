"""Generalised policy improvement with linear support: which preference to train on next is itself decided.

Alegre, Bazzan, Roijers, Nowé & da Silva (2023), "Sample-efficient multi-objective learning via generalized policy
improvement prioritization". For discrete actions the agent acts for any w by what it knows for the weights in the
weight support M::

    GPI(s, w) = argmax_a max_{w' ∈ M ∪ {w}} w · Q(s, a, w')

After each iteration the policies for M are measured, the corner weights of the piecewise-linear surface over their
values are found, and the next to be trained on is the corner where the agent already earns most beyond that surface::

    w_next = argmax_{w ∈ corners}  w · v^GPI(w) − max_{v ∈ V} w · v

Each corner is measured once in its life, by a few counted episodes played in lock-step with all others. Measuring may
take ``measure_share`` of the steps of learning: where episodes are long, weights are chosen less often.

Critics are a pair, whose smaller utility is taken (Fujimoto et al. 2018). For continuous actions they learn beside a
conditioned actor (TD3), and the agent acts by ``π(s, w)`` alone: maximising over the actors of M as well costs M + 1
times as much and gains nothing there (the authors' own library turned it off).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import reported_weights
from morl.agents.core.rows import Rows
from morl.agents.neural.actors import Actor
from morl.agents.neural.balance import Balance
from morl.agents.neural.conditioned import best_known, greedy, training_weights
from morl.agents.neural.deployed import Act, Network, encoded_rows
from morl.agents.neural.networks import clipped_double, of_actions
from morl.agents.neural.off_policy import Batch, EpsilonConfig, OffPolicy
from morl.agents.neural.sharing import BalanceOptions, shared_parameters
from morl.agents.neural.training import (
    follow,
    gradient_step,
    seeded,
    target_of,
    to_numpy,
)
from morl.pareto.weights import corner_weights
from morl.spec import FloatArray


@dataclass(frozen=True)
class GPILSConfig(EpsilonConfig, BalanceOptions):
    """Options of :class:`GPILS`."""

    layer_norm: bool = option(True, "normalise each layer of the critics where actions are discrete")
    learning_rate: float | tuple[float, ...] = option(
        5e-4, "Adam's step size where actions are discrete, or first and last", low=0.0
    )
    learning_rate_continuous: float | tuple[float, ...] = option(
        1e-3, "Adam's step size where they are continuous, or first and last", low=0.0
    )
    train_freq: int | None = option(  # type: ignore[assignment]
        None,
        "environment steps (over all parallel environments) per update; None is 8, or 2 for continuous actions",
        low=1,
    )
    action_noise: float = option(0.1, "exploration noise of continuous actions, share of their half range", low=0.0)
    iteration: int = option(5000, "steps between choices of the weight to train on", low=1)
    share: float = option(0.5, "share of experience and updates for the newest weight", low=0.0, high=1.0)
    spread: float = option(0.0, "share for weights drawn anew over the whole simplex", low=0.0, high=1.0)
    eval_episodes: int = option(3, "episodes per policy when measuring weights (counted), as far as they fit", low=1)
    measure_share: float = option(
        0.1, "steps for measuring weights, per step of learning; the next choice waits until they are there", low=0.0
    )
    max_weights: int = option(50, "largest weight support; the least useful weights leave", low=2)


class GPILS(OffPolicy):
    """Learns the convex coverage set, training next on the preference with the largest expected improvement."""

    info = AlgoInfo(
        name="GPILS",
        summary="all linear preferences, training next on the one that can gain most; discrete and continuous actions",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Alegre, Bazzan, Roijers, Nowé & da Silva 2023, Sample-efficient MORL via GPI prioritization",
        formula="next w = argmax over corners of w·v_GPI(w) − max_{v∈V} w·v;  act: argmax_a max_{w'∈M} w·Q(s,a,w')",
        avoid="non-convex regions of the front matter (use PCN); noisy returns make measuring expensive",
    )
    Config = GPILSConfig

    def _setup(self) -> None:
        self.rows = Rows(self.observation_space, self.problem.id)
        self.balance = Balance(self.config.balance, self.k, self.config.loss_weights)
        if self.actions.continuous:
            size = int(np.prod(self.actions.space.shape or ()))
            self._remember((size,), np.float32)
            self.learner: DoubleQ | TD3 = TD3(self, size)
        else:
            self._remember((), np.int64)
            self.learner = DoubleQ(self, int(self.actions.space.n))  # type: ignore[attr-defined]
        k = self.k
        # The weight support M: corners of the simplex to begin with, the newest weight first.
        self.weights: FloatArray = np.eye(k)
        self.corners: FloatArray = np.zeros((0, k))
        self.corner_values: FloatArray = np.zeros((0, k))
        self.chosen_at = self.measuring_steps = 0  # step of the last choice; steps of measuring
        self._keeps("weights", "corners", "corner_values", "chosen_at", "measuring_steps")
        self.balance.to(self.device)
        self._keeps(balance=self.balance, **self.learner.modules(), **self.learner.optimizers())

    # ---- which weight to train on ----------------------------------------------------------------------

    def _after_step(self, total: int, rng: np.random.Generator) -> None:
        c, due = self.config, total - self.chosen_at >= self.config.iteration
        if due and self.measuring_steps <= c.measure_share * total and total < self.target_timesteps:
            self._select_next_weight()
            self.chosen_at = total

    def _select_next_weight(self) -> None:
        """Put the corner weight with the largest expected improvement first in the weight support."""
        c, k = self.config, self.k
        values = self._measure(self.weights)
        if len(self.weights) >= c.max_weights:
            keep = self._useful(values, c.max_weights - 1)
            self.weights, values = self.weights[keep], values[keep]
        corners = corner_weights(values)
        fresh = np.array([_distance(w, self.weights) > 1e-6 for w in corners], dtype=bool)
        corners = corners[fresh]
        if not len(corners):
            self.weights = np.roll(self.weights, -1, axis=0)  # nothing new: train on the known ones in turn
            return
        unseen = np.array([_distance(w, self.corners) > 1e-3 for w in corners], dtype=bool)
        if unseen.any():
            self.corner_values = np.concatenate([self.corner_values, self._measure(corners[unseen])])
            self.corners = np.concatenate([self.corners, corners[unseen]])
        nearest = np.array([int(np.abs(self.corners - w).max(axis=1).argmin()) for w in corners])
        known = np.concatenate([values, self.corner_values])
        gain = (corners * self.corner_values[nearest]).sum(axis=1) - (corners @ values.T).max(axis=1)
        # Equal improvements (at the beginning: none) are told apart by how much room the surface leaves.
        room = known.max(axis=0) @ corners.T - (corners @ values.T).max(axis=1)
        best = int(np.lexsort((room, gain.round(9)))[-1])
        self.weights = np.concatenate([corners[best].reshape(1, k), self.weights])

    def _measure(self, weights: FloatArray) -> FloatArray:
        c, policies = self.config, self._policies(weights)
        left = int(c.measure_share * self.num_timesteps) - self.measuring_steps
        result = self._evaluator.evaluate(policies, c.eval_episodes, exact=False, budget=left)
        self.measuring_steps += result.steps
        return result.mean

    def _useful(self, values: FloatArray, n: int) -> Array:
        """Numbers of the ``n`` weights to keep: those that are best for most weights, newest first."""
        grid = reported_weights(200, self.spec)
        wins = np.bincount((grid @ values.T).argmax(axis=1), minlength=len(values))
        order = np.lexsort((np.arange(len(values)), -wins))
        return np.sort(order[:n])

    # ---- acting and learning ---------------------------------------------------------------------------

    @property
    def train_freq(self) -> int:
        """Environment steps per update."""
        return int(self.config.train_freq or (2 if self.actions.continuous else 8))

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """The newest weight for a share of the rows, else any of the weight support; and for some rows any at all."""
        which = rng.integers(len(self.weights), size=n)
        which[rng.random(n) < self.config.share] = 0
        weights = self.weights[which]
        if self.config.spread:
            anew = rng.random(n) < self.config.spread
            weights[anew] = training_weights(int(anew.sum()), self.spec, rng)
        return weights.astype(np.float32)

    def _exploration(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=1 if self.actions.continuous else self.config.persistence)

    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        if self.num_timesteps < self.config.learning_starts:
            return exploration.step(None, 1.0, rng)[0]
        return self.learner.explore(exploration, obs, weights, rng)

    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        self.learner.update(batch, self._tensor(self._draw(len(batch.obs), rng)), rng)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        if preferences is None:
            grid = reported_weights(self.config.front_weights, self.spec)
            preferences = np.concatenate([self.weights, grid])
        return GPIPolicies(self, preferences)

    def status(self) -> dict[str, float]:
        """Size of the weight support, and updates so far."""
        return {"weights": len(self.weights), "updates": self.updates, **self.balance.report()}


def _distance(weight: FloatArray, others: FloatArray) -> float:
    return float(np.abs(others - weight).max(axis=1).min()) if len(others) else np.inf


class DoubleQ:
    """Twin critics ``Q(s, a, w)`` for discrete actions.

    Args:
        agent: owner of the config, seeds and spaces.
        n_actions: A.
    """

    def __init__(self, agent: GPILS, n_actions: int) -> None:
        c = agent.config
        self.agent, self.n_actions = agent, n_actions
        self.critics = agent.twin_critics(n_actions, layer_norm=c.layer_norm)
        self.targets = target_of(self.critics)
        self.optimizer, self._shared = agent._adam(self.critics, c.learning_rate), shared_parameters(self.critics)

    def losses(self, batch: Batch, weights: Tensor) -> Tensor:
        """Σ over both critics of (y_k − Q_k(s, a, w))², y = r + γ Q⁻(s', argmax_a min w·Q⁻(s', a, w), w)."""
        with torch.no_grad():
            values = self.targets.values(batch.next_obs, weights)  # (2, n, A, K)
            best = (values * weights[:, None]).sum(dim=-1).amin(dim=0).argmax(dim=1)
            ahead = clipped_double(of_actions(values, best), weights)
            goal = batch.rewards + self.agent.discount * batch.not_terminated * ahead
        self.critics.head.update(goal, [self.targets.head])
        return self.critics.squared_errors(batch.obs, weights, goal, batch.actions)

    def update(self, batch: Batch, weights: Tensor, rng: np.random.Generator) -> None:
        """One update for weights ``(n, K)``."""
        self.agent.balance.step(self.losses(batch, weights), self.optimizer, self._shared)
        follow(self.targets, self.critics, self.agent.config.tau)

    def values(self, encoded: Array, weights: Array) -> Array:
        """Values of the first critic, ``(n, A, K)``."""
        with torch.inference_mode():
            return to_numpy(self.critics.first_values(self.agent._tensor(encoded), self.agent._tensor(weights)))

    def explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        """ε-greedy actions."""
        best = greedy(self.values(obs, weights), weights)
        return exploration.step(best, self.agent.config.epsilon_at(self.agent.progress), rng)[0]

    def act(self, encoded: Array, weights: Array, support: Array) -> Array:
        """GPI, ``argmax_a max_{w'} w · Q(s, a, w')``: w' is each row's own weight, or one of the support ``(m, K)``.

        The own weight is one of them because the network is conditioned and may know it already.
        """
        n, m = len(encoded), len(support) + 1
        tried = np.concatenate([weights[:, None], np.broadcast_to(support, (n, *support.shape))], axis=1)
        q = self.values(np.repeat(encoded, m, axis=0), tried.reshape(n * m, -1))
        return greedy(best_known(q.reshape(n, m, self.n_actions, -1), weights), weights)

    def in_tensors(self, support: Tensor) -> tuple[Act, nn.Module]:
        """:meth:`act` for export, and the network that it uses."""

        def act(rows: Tensor, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            best = (self.critics.first_values(rows, weights) * weights[:, None]).sum(dim=2)
            for other in support:  # as many forward passes as there are weights in the support
                q = self.critics.first_values(rows, other.expand_as(weights))
                best = torch.maximum(best, (q * weights[:, None]).sum(dim=2))
            return best.argmax(dim=1)

        return act, self.critics

    def modules(self) -> dict[str, nn.Module]:
        """Networks by name, for a checkpoint."""
        return {"critics": self.critics, "critic_targets": self.targets}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimizers by name, for a checkpoint."""
        return {"critics_adam": self.optimizer}


class TD3:
    """An actor ``π(s, w)`` and twin critics ``Q(s, a, w)`` for continuous actions (Fujimoto et al. 2018).

    The target actor is also what is measured and reported: single updates shake it less. While learning, the actor
    itself acts.

    Args:
        agent: owner of the config, seeds and spaces.
        size: of an action.
    """

    TARGET_NOISE, NOISE_LIMIT, POLICY_DELAY, EXCESS = 0.2, 0.5, 2, 0.01

    def __init__(self, agent: GPILS, size: int) -> None:
        c = agent.config
        self.agent, self.size = agent, size
        # With normalised layers the actor of the half-cheetah ran to extreme actions for every preference.
        self.critics = agent.twin_critics(1, more=size, layer_norm=False)
        self.critic_targets = target_of(self.critics)
        with seeded(agent.integer_seed("network", 2)):
            trunk = agent.network_options().trunk(agent.rows, preference=agent.k, conditioning=c.conditioning)
            self.actor = Actor(trunk, size).to(agent.device)
        self.actor_target = target_of(self.actor)
        self.critics_adam = agent._adam(self.critics, c.learning_rate_continuous)
        self._shared = shared_parameters(self.critics)
        self.actor_adam = agent._adam(self.actor, c.learning_rate_continuous)

    def critic_losses(self, batch: Batch, weights: Tensor, noise: Tensor) -> Tensor:
        """Σ over both critics of (y_k − Q_k(s, a, w))², y = r + γ min_w·Q⁻(s', π⁻(s', w) + noise, w)."""
        with torch.no_grad():
            shift = (self.TARGET_NOISE * noise).clamp(-self.NOISE_LIMIT, self.NOISE_LIMIT)
            next_actions = (self.actor_target(batch.next_obs, weights) + shift).clamp(-1, 1)
            values = self.critic_targets.values(batch.next_obs, weights, next_actions)
            ahead = clipped_double(values[:, :, 0], weights)
            goal = batch.rewards + self.agent.discount * batch.not_terminated * ahead
        self.critics.head.update(goal, [self.critic_targets.head])
        return self.critics.squared_errors(batch.obs, weights, goal, batch.actions)

    def actor_loss(self, obs: Tensor, weights: Tensor) -> Tensor:
        """−w·Q(s, π(s, w), w), by the first critic, and what keeps actions off their ends.

        Of order one whatever the unit of the objectives.
        """
        actions, excess = self.actor.actions_and_excess(obs, weights)
        q = self.critics.first_values(obs, weights, actions)[:, 0]
        unit = (weights * self.critics.head.std).norm(dim=1, keepdim=True).clamp(min=1e-8)
        loss: Tensor = self.EXCESS * excess - (q * weights / unit).sum(dim=1).mean()
        return loss

    def update(self, batch: Batch, weights: Tensor, rng: np.random.Generator) -> None:
        """One update of the critics for weights ``(n, K)``, and every second time of actor and targets."""
        noise = self.agent._tensor(rng.standard_normal((len(weights), self.size), dtype=np.float32))
        self.agent.balance.step(self.critic_losses(batch, weights, noise), self.critics_adam, self._shared)
        if self.agent.updates % self.POLICY_DELAY == 1:
            gradient_step(self.actor_loss(batch.obs, weights), self.actor_adam)
            follow(self.critic_targets, self.critics, self.agent.config.tau)
            follow(self.actor_target, self.actor, self.agent.config.tau)

    def explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        """The actor's actions with normal noise."""
        noise = rng.normal(0, self.agent.config.action_noise, (len(obs), self.size))
        return np.clip(self._actions(self.actor, obs, weights) + noise, -1.0, 1.0).astype(np.float32)

    def act(self, encoded: Array, weights: Array, support: Array) -> Array:
        """Actions of the target actor; the support plays no part (see the module's description)."""
        return self._actions(self.actor_target, encoded, weights)

    def in_tensors(self, support: Tensor) -> tuple[Act, nn.Module]:
        """:meth:`act` for export, and the network that it uses."""
        return lambda rows, weights, accrued, time: self.actor_target(rows, weights), self.actor_target

    def _actions(self, actor: Actor, encoded: Array, weights: Array) -> Array:
        with torch.inference_mode():
            return to_numpy(actor(self.agent._tensor(encoded), self.agent._tensor(weights)))

    def modules(self) -> dict[str, nn.Module]:
        """Networks by name, for a checkpoint."""
        return {
            "critics": self.critics,
            "critic_targets": self.critic_targets,
            "actor": self.actor,
            "actor_target": self.actor_target,
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Optimizers by name, for a checkpoint."""
        return {"critics_adam": self.critics_adam, "actor_adam": self.actor_adam}


class GPIPolicies(PolicySet):
    """What :meth:`DoubleQ.act` or :meth:`TD3.act` does, one policy per preference.

    Args:
        agent: its weight support is copied, so that later learning adds none.
        weights: ``(m, K)``.
    """

    def __init__(self, agent: GPILS, weights: FloatArray) -> None:
        self.agent = agent
        self.preferences = np.asarray(weights, dtype=np.float64)
        self._inputs = self.preferences.astype(np.float32)
        self._support = np.array(agent.weights, dtype=np.float32)

    def __len__(self) -> int:
        return len(self._inputs)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows and weights."""
        agent = self.agent
        return agent.learner.act(
            agent.rows(decision.observations), self._inputs[decision.which], self._support
        ), decision.memory

    def action_values(self, decision: Decision) -> Array | None:
        """What the first critic says for the policy's own weight, where actions are numbered."""
        learner, weights = self.agent.learner, self._inputs[decision.which]
        return learner.values(self.agent.rows(decision.observations), weights) if isinstance(learner, DoubleQ) else None

    def network(self, number: int) -> Network:
        """The same in tensors."""
        act, net = self.agent.learner.in_tensors(torch.from_numpy(self._support))
        return Network(act, encoded_rows(self.agent.rows), [net], self._inputs[number], takes_weights=True)
