"""A stable-baselines3 model that goes on learning while its scalarisation is changed under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from morl.agents.base import Array
from morl.agents.core.policies import PolicySet
from morl.agents.neural import sb3, sb3_budget
from morl.agents.neural.policy_kwargs import OwnNetworks
from morl.agents.neural.scalarised import ActorPolicies, Scalarised
from morl.spec import FloatArray


class ScalarisedLearner:
    """Answers changing weights ``w`` by max E Σ γᵗ w·r_t, from where the last weight left it.

    Args:
        agent: whose problem and seeds are used.
        algorithm: of stable-baselines3.
        options: arguments of its class.
        n_steps: steps between two changes, which rollouts fit.
    """

    def __init__(self, agent: OwnNetworks, algorithm: str, options: Mapping[str, Any], n_steps: int) -> None:
        sb3_budget.check_actions(algorithm, agent.problem)
        self.agent = agent
        n_envs = sb3_budget.parallel_envs(agent.problem, agent.config.n_envs)
        c = agent.config
        made = Scalarised(
            algorithm, options, tuple(options), n_envs, True, True, agent.discount,
            c.policy_kwargs or {}, agent._own, c.device,
        )  # fmt: skip
        first, budget = np.full(agent.k, 1.0 / agent.k), sb3_budget.UPDATES * n_steps
        self._made = made
        self.model = made.model(agent.problem, first, budget, agent.integer_seed("network"), replay=50_000)
        self._template = made.template(agent.problem)

    def learn(self, weight: FloatArray, steps: int, segment: int, turn: int) -> int:
        """Learn for ``weight`` (on raw rewards); returns the environment steps taken."""
        env: Any = self.model.get_env()
        env.weight = weight
        before, agent = self.model.num_timesteps, self.agent
        seed = agent.integer_seed("train", segment, turn)
        sb3.train(self.model, steps, seed, lambda n: None, agent.target_timesteps, most=steps)
        return int(self.model.num_timesteps - before)

    def policy(self) -> dict[str, Array]:
        """The parameters that act, and what standardises their observations."""
        heads = ("model.policy.", "model.normaliser.")
        return {key: value for key, value in sb3.model_arrays(self.model, "model").items() if key.startswith(heads)}

    def policies(self, saved: list[dict[str, Array]]) -> PolicySet:
        """Saved policies as a set."""
        agent = self.agent
        actors = [self._made.actor(agent.problem, self._template, arrays, "model") for arrays in saved]
        return ActorPolicies(agent.observation_space, actors, scaled=True)

    def arrays(self) -> dict[str, Array]:
        """Parameters, optimisers and replay."""
        return sb3.model_arrays(self.model, "model", replay=True)

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of :meth:`arrays`."""
        sb3.load_model(self.model, arrays, "model")

    def close(self) -> None:
        """Nothing is held between calls: every call begins episodes anew."""
