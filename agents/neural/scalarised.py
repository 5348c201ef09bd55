"""stable-baselines3 models of weighted sums of rewards, and their policies, frozen to act.

One :class:`Scalarised` says how the models of an agent are made: max E Σ γᵗ w·r_t by one algorithm, with rollouts that
fit the steps. Import lazily: needs torch and stable-baselines3.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from torch import Tensor

from morl.agents.core.collector import take
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.problem import Problem
from morl.agents.core.rows import is_image
from morl.agents.core.running import Normaliser, unscaled
from morl.agents.core.sb3_observations import ChannelsFirst, sb3_encoder
from morl.agents.neural import sb3, sb3_budget
from morl.agents.neural.deployed import Network, encoded
from morl.agents.neural.features import channels_first
from morl.agents.neural.network_options import for_stable_baselines3
from morl.agents.neural.scalar_env import ScalarVecEnv
from morl.agents.neural.training import load_module
from morl.spec import FloatArray

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


@dataclass(frozen=True)
class Scalarised:
    """How models are made.

    Args:
        algorithm: of stable-baselines3.
        options: arguments of its class.
        fixed: names of those that must not be fitted to the steps.
        n_envs: parallel environments.
        scale_observations: scale bounded vector observations to [−1, 1].
        normalise: running scale of rewards and of observations without bounds (on-policy algorithms).
        discount: γ.
        networks: ``policy_kwargs``: built-in classes by name.
        own: the caller's own classes of those.
        device: where networks compute.
    """

    algorithm: str
    options: Mapping[str, Any]
    fixed: tuple[str, ...]
    n_envs: int
    scale_observations: bool
    normalise: bool
    discount: float
    networks: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, type[Any]] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def normalised(self) -> bool:
        """Whether rewards and observations are standardised: replay would keep those of an older scale."""
        return self.normalise and self.algorithm in sb3_budget.ON_POLICY

    def model(
        self, problem: Problem, weight: FloatArray, budget: int, seed: int, *, replay: int | None = None
    ) -> BaseAlgorithm:
        """A fresh model that maximises ``weight · r`` within ``budget`` steps.

        Args:
            problem: the environment.
            weight: ``(K,)`` on raw rewards.
            budget: steps, over all parallel environments, that rollouts are to fit.
            seed: of the first parameters.
            replay: rows of the replay buffer at most.
        """
        options = sb3_budget.fitted(self.algorithm, self.options, self.fixed, self.n_envs, budget)
        if self.algorithm not in sb3_budget.ON_POLICY and replay is not None:
            options["buffer_size"] = min(int(options.get("buffer_size", 1_000_000)), replay)
        return self._build(problem, self.n_envs, weight, options, seed)

    def template(self, problem: Problem) -> BasePolicy:
        """A policy to copy and load parameters into."""
        options = sb3_budget.fitted(self.algorithm, self.options, self.fixed, 1, 10**6)
        if self.algorithm in sb3_budget.ON_POLICY:  # it never learns: no room for rollouts
            options |= {"n_steps": 8} | ({"batch_size": 8} if self.algorithm == "PPO" else {})
        else:
            options["buffer_size"] = 1
        model = self._build(problem, 1, np.full(problem.spec.k, 1.0 / problem.spec.k), options, 0)
        close(model, problem)
        policy: BasePolicy = model.policy
        return policy

    def _build(self, problem: Problem, n_envs: int, weight: FloatArray, options: Any, seed: int) -> BaseAlgorithm:
        env = ScalarVecEnv(problem, n_envs, weight, self.scale_observations, self.normalised)
        given = {**(options.get("policy_kwargs") or {}), **self.networks}
        networks = for_stable_baselines3(given, self.own, env.observation_space)
        options = {**options, **({"policy_kwargs": networks} if networks else {})}
        return sb3.build(self.algorithm, env, self.discount, seed, options, self.device)

    def actor(self, problem: Problem, template: BasePolicy, arrays: Mapping[str, Array], prefix: str) -> Actor:
        """What acts with saved parameters (see :func:`morl.agents.neural.sb3.model_arrays`)."""
        policy = copy.deepcopy(template)
        load_module(policy, arrays, f"{prefix}.policy")
        normaliser = None
        if self.normalised:
            entries = unscaled(problem.observation_space) if self.scale_observations else None
            normaliser = Normaliser(entries, 1, problem.discount)
            normaliser.restore(arrays, f"{prefix}.normaliser")
        return Actor(policy, normaliser)


def close(model: BaseAlgorithm, problem: Problem) -> None:
    """Close a model's environments, unless they are the caller's own."""
    env = model.get_env()
    if env is not None and not (problem.is_vector and problem.recipe is None):
        env.close()


@dataclass(frozen=True)
class Actor:
    """A policy of stable-baselines3 and what standardises its observations."""

    policy: BasePolicy
    normaliser: Normaliser | None

    @classmethod
    def of(cls, model: BaseAlgorithm) -> Actor:
        """What acts for a model that is still learning."""
        return cls(model.policy, sb3.normaliser_of(model))


class ActorPolicies(PolicySet):
    """The policies of several actors.

    Args:
        space: the environment's observation space.
        actors: the actors.
        scaled: whether they see scaled observations (see :class:`morl.agents.neural.scalar_env.ScalarVecEnv`).
        preferences: ``(m, K)`` or ``None``.
    """

    stochastic = True

    def __init__(
        self, space: spaces.Space[Any], actors: Sequence[Actor], scaled: bool, preferences: FloatArray | None = None
    ) -> None:
        self.actors, self.preferences = actors, preferences
        self._encode = sb3_encoder(space, scaled)

    def __len__(self) -> int:
        return len(self.actors)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One network call per actor."""
        seen = decision.observations if self._encode is None else self._encode(decision.observations)
        out: Array | None = None
        for i in np.unique(decision.which):
            rows = np.flatnonzero(decision.which == i)
            actor, inputs = self.actors[int(i)], take(seen, rows)
            if actor.normaliser is not None and self._encode is not None:
                inputs = actor.normaliser(inputs)
            if decision.deterministic:
                actions, _ = actor.policy.predict(inputs, deterministic=True)
            else:
                with sb3.isolated_randomness(int(decision.rng.integers(2**31))):
                    actions, _ = actor.policy.predict(inputs, deterministic=False)
            if out is None:
                out = np.zeros((len(decision.which), *actions.shape[1:]), dtype=actions.dtype)
            out[rows] = actions
        assert out is not None
        return out, decision.memory

    def network(self, number: int) -> Network:
        """The most likely actions in tensors."""
        actor = self.actors[number]

        def act(seen: Any, weights: Tensor, accrued: Tensor, time: Tensor) -> Tensor:
            chosen: Tensor = actor.policy._predict(seen, deterministic=True)
            return chosen

        return Network(act, self._in_tensors(actor), [actor.policy])

    def _in_tensors(self, actor: Actor) -> Any:
        """What the actor is given, in tensors."""
        if self._encode is None:
            return sb3.in_tensors(actor.policy.observation_space)
        if isinstance(self._encode, ChannelsFirst):
            return self._channels_first(self._encode.given)
        rows, normaliser = encoded(self._encode), actor.normaliser
        if normaliser is None or normaliser.entries is None:
            return rows
        return lambda observation: normaliser.in_tensors(rows(observation))

    def _channels_first(self, space: spaces.Space[Any]) -> Any:
        """What :class:`~morl.agents.core.sb3_observations.ChannelsFirst` does, for tensors."""
        if isinstance(space, spaces.Dict):
            parts = {name: self._channels_first(part) for name, part in space.spaces.items()}
            return lambda observation: {name: one(observation[name]) for name, one in parts.items()}
        shape = tuple(space.shape or ())
        return (lambda image: channels_first(image, shape)) if is_image(space) else (lambda values: values)


@dataclass(frozen=True)
class Task:
    """All that a process needs to solve one weight.

    Args:
        imported: comes first, as the recipe may need modules that were made from files.
        recipe: makes the environment again.
        info: the algorithm whose actions are meant.
        made: how models are made.
        weight: ``(K,)``.
        start: parameters to begin with, or none.
        again: they are of the same weight, and its count of steps goes on.
        steps: to take.
        network_seed: of fresh parameters.
        train_seed: of episodes and exploration.
    """

    imported: Any
    recipe: Any
    info: AlgoInfo
    made: Scalarised
    weight: FloatArray
    start: Arrays
    again: bool
    steps: int
    network_seed: int
    train_seed: int


def solve(task: Task) -> tuple[int, Arrays]:
    """Solve one weight in a process of its own; returns the steps taken and the model's arrays."""
    import torch

    from morl.envs.registration import admit, make

    torch.set_num_threads(1)
    problem = Problem(make(admit(task.recipe)), task.made.discount, task.info)
    model = task.made.model(problem, task.weight, task.steps, task.network_seed, replay=2 * task.steps + 1)
    if task.start:
        begin_with(model, task.start, again=task.again)
    before = model.num_timesteps
    sb3.train(model, task.steps, task.train_seed, lambda n: None, task.steps, task.steps)
    steps, arrays = model.num_timesteps - before, sb3.model_arrays(model, "model")
    close(model, problem)
    return steps, arrays


def begin_with(model: BaseAlgorithm, arrays: Mapping[str, Array], *, again: bool) -> None:
    """Give a model saved parameters; its count of steps begins anew unless it goes on (``again``)."""
    sb3.load_model(model, arrays, "model")
    if not again:
        model.num_timesteps = model._n_updates = 0
