"""A new objective for an agent that has learned others: its network stays as it is, and a head is added.

Values of the K known objectives, Q(s, a, v) of the policies π_v that an agent has learned for weights v, are also
*successor features* (Barreto et al. 2017): they say what each known policy earns of anything that is a weighted sum of
the known rewards. A further reward is learned for the same policies, by evaluating them, not by changing them::

    Q_new(s, a, v) → r_new + γ Q_new⁻(s', argmax_a' v·Q(s', a', v), v)

on the trunk's features φ(s, v) and the observation, so that nothing of what is known changes by one bit. For weights w
of all K + 1 objectives the agent acts by generalised policy improvement over the known policies::

    argmax_a max_v w · (Q(s, a, v), Q_new(s, a, v))

which for exact values is at least as good as the best of them. It combines what the known policies do; what none of
them ever does cannot be learned this way, and is what learning anew is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from morl.agents.base import Agent, Array
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.exploration import Persistent
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import reported_weights
from morl.agents.core.rows import Rows
from morl.agents.neural.conditioned import ConditionedQ, best_known, greedy
from morl.agents.neural.networks import PopArt, Trunk, VectorNet, of_actions
from morl.agents.neural.off_policy import Batch, EpsilonConfig, OffPolicy
from morl.agents.neural.training import follow, gradient_step, seeded, target_of, to_numpy
from morl.spec import AgentError, FloatArray


@dataclass(frozen=True)
class NewObjectiveConfig(EpsilonConfig):
    """Options of :class:`NewObjective`."""

    net_arch: tuple[int, ...] = option((64,), "width of each layer of the new head")
    epsilon: float = option(0.3, "probability of exploring, at the beginning", low=0.0, high=1.0)
    known_policies: int = option(30, "known policies that are evaluated and combined, about", low=1)
    batch_weights: int = option(4, "known policies that each transition is evaluated for", low=1)


class NewHead(nn.Module):
    """Values of one objective, on the features of a known trunk and on the observation.

    Args:
        trunk: takes observations, and the known features as further inputs.
        n_actions: A.
    """

    def __init__(self, trunk: Trunk, n_actions: int) -> None:
        super().__init__()
        self.trunk, self.head = trunk, PopArt(trunk.size, 1, n_actions)

    def forward(self, obs: Tensor, known: Tensor) -> Tensor:
        """Normalised values ``(n, A, 1)`` of rows ``(n, ...)`` and known features ``(n, size)``."""
        out: Tensor = self.head(self.trunk(obs, None, known))
        return out


class NewObjective(OffPolicy):
    """Adds an objective to an agent with one conditioned network (Envelope, VectorQLambda), for discrete actions.

    Args:
        env: has the objectives of the source's environment, in their order, and one more; the same spaces.
        source: what has been learned; it is copied and never changed. To be given again to ``load``.
        config, options: as for :class:`morl.agents.Agent`.

    Raises:
        AgentError: a source of another kind, or an environment that does not extend its own.
    """

    info = AlgoInfo(
        name="NewObjective",
        summary="a further objective on the frozen network of an agent; known policies are combined for it",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete",),
        observations=("discrete", "vector"),
        paper="Barreto et al. 2017, Successor features for transfer in reinforcement learning",
        formula="argmax_a max_v w·(Q(s,a,v), Q_new(s,a,v));  Q_new → r_new + γ Q_new⁻(s', π_v(s'), v)",
        avoid="the new objective asks for what no known policy does (learn anew)",
    )
    Config = NewObjectiveConfig

    def __init__(
        self,
        env: Any,
        config: AgentConfig | Mapping[str, Any] | None = None,
        *,
        source: Agent,
        **options: Any,
    ) -> None:
        if not isinstance(source, ConditionedQ) or not isinstance(source.net, VectorNet):
            raise AgentError(
                f"source is {source.info.name}; expected Envelope or VectorQLambda with sharing 'hard', whose trunk "
                "a head can be added to"
            )
        self.source = source
        super().__init__(env, config, **options)

    def _setup(self) -> None:
        self._require_extended()
        assert isinstance(self.actions.space, spaces.Discrete)
        assert isinstance(self.source.net, VectorNet)
        self.n_actions = int(self.actions.space.n)
        self.rows = Rows(self.observation_space, self.problem.id)
        self._remember((), np.int64)
        self.known = target_of(self.source.net).to(self.device)
        self.policies: Array = reported_weights(self.config.known_policies, self.source.spec).astype(np.float32)
        with seeded(self.integer_seed("network", 0)):
            trunk = self.one_network().trunk(self.rows, more=self.known.trunk.size)
            self.head = NewHead(trunk, self.n_actions).to(self.device)
        self.target = target_of(self.head)
        self.optimizer = self._adam(self.head, self.config.learning_rate)
        self._keeps("policies", known=self.known, head=self.head, target=self.target, adam=self.optimizer)

    def _require_extended(self) -> None:
        source = self.source
        for what, mine, others in (
            ("objectives", self.spec.names[:-1], source.spec.names),
            ("observations", self.observation_space, source.observation_space),
            ("actions", self.action_space, source.action_space),
            ("discount", self.discount, source.discount),
        ):
            if mine != others:
                more = ", and one more at the end" if what == "objectives" else ""
                given = self.spec.names if what == "objectives" else mine
                raise AgentError(f"{self.problem.id} has {what} {given}; expected the source's {others}{more}")

    # ---- the update ------------------------------------------------------------------------------------

    def loss(self, batch: Batch, policies: Tensor) -> Tensor:
        """(r_new + γ Q_new⁻(s', π_v(s'), v) − Q_new(s, a, v))² in normalised units.

        Args:
            batch: n transitions.
            policies: v ``(n, K)`` of the known objectives, one for each.
        """
        with torch.no_grad():
            following = self.known.trunk(batch.next_obs, policies)
            known = self.known.head.denormalise(self.known.head(following))
            best = (known * policies[:, None]).sum(dim=2).argmax(dim=1)
            ahead = of_actions(self.target.head.denormalise(self.target(batch.next_obs, following)), best)
            goal = batch.rewards[:, -1:] + self.discount * batch.not_terminated * ahead
            features = self.known.trunk(batch.obs, policies)
        self.head.head.update(goal, [self.target.head])
        predicted = of_actions(self.head(batch.obs, features), batch.actions)
        return nn.functional.mse_loss(predicted, self.head.head.normalise(goal))

    def _update(self, batch: Batch, rng: np.random.Generator) -> None:
        m = self.config.batch_weights
        repeated = Batch(*(part.repeat_interleave(m, dim=0) for part in batch))
        gradient_step(self.loss(repeated, self._tensor(self._draw(m * len(batch.obs), rng))), self.optimizer)
        follow(self.target, self.head, self.config.tau)

    # ---- acting ----------------------------------------------------------------------------------------

    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        """Known policies, by their weights ``(n, K)`` of the known objectives."""
        return self.policies[rng.integers(len(self.policies), size=n)]

    def _exploration(self, n: int) -> Persistent:
        return Persistent(self.actions.space, n, longest=self.config.persistence)

    def _explore(self, exploration: Persistent, obs: Array, weights: Array, rng: np.random.Generator) -> Array:
        best = greedy(self.known_values(obs, weights)[..., :-1], weights)
        return exploration.step(best, self.config.epsilon_at(self.progress), rng)[0]

    def known_values(self, obs: Array, policies: Array) -> Array:
        """Values ``(n, A, K + 1)`` of known policies, for rows ``(n, size)`` and their weights ``(n, K)``."""
        rows = self._tensor(obs)
        with torch.inference_mode():
            features = self.known.trunk(rows, self._tensor(policies))
            known = self.known.head.denormalise(self.known.head(features))
            return to_numpy(torch.cat([known, self.head.head.denormalise(self.head(rows, features))], dim=2))

    def values(self, obs: Array, weights: Array) -> Array:
        """Values ``(n, A, K + 1)``, after each action of the known policy that is best for weights ``(n, K + 1)``."""
        n, m = len(obs), len(self.policies)
        found = self.known_values(np.repeat(obs, m, axis=0), np.tile(self.policies, (n, 1)))
        return best_known(found.reshape(n, m, self.n_actions, -1), weights)

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        weights = reported_weights(self.config.front_weights, self.spec) if preferences is None else preferences
        return CombinedPolicies(self, weights)


class CombinedPolicies(PolicySet):
    """Generalised policy improvement over the known policies, one policy per weight.

    Args:
        agent: knows them.
        weights: ``(m, K + 1)``.
    """

    def __init__(self, agent: NewObjective, weights: FloatArray) -> None:
        self.agent = agent
        self.preferences = np.asarray(weights, dtype=np.float64)

    def __len__(self) -> int:
        return len(self.preferences)  # type: ignore[arg-type]

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One forward pass for all rows and known policies."""
        assert self.preferences is not None
        return greedy(self.action_values(decision), self.preferences[decision.which]), decision.memory

    def action_values(self, decision: Decision) -> Array:
        """As :meth:`NewObjective.values`."""
        assert self.preferences is not None
        return self.agent.values(self.agent.rows(decision.observations), self.preferences[decision.which])
