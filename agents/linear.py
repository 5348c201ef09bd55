"""One policy per weight, each learned by a stable-baselines3 algorithm on the weighted sum of rewards.

For each weight w::

    π_w = argmax_π  E Σ γᵗ w·r_t

Weights are given, spread over the simplex, or chosen one after another where they can still gain most (optimistic
linear support, Roijers & Whiteson 2017). With continuous actions a new weight starts from the parameters of the
nearest weight solved before, so that a policy which cannot be learned in the steps of one weight is learned in those
of several; with discrete ones each begins afresh, because a policy made for something else has often stopped exploring.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from morl.agents.base import Array
from morl.agents.core.config import option
from morl.agents.core.errors import NoPolicyError, warn
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import PolicySet
from morl.agents.core.preferences import training_grid
from morl.agents.core.stateful import below
from morl.agents.core.weight_plan import WeightPlan
from morl.agents.neural import sb3_budget
from morl.agents.neural.policy_kwargs import NetworkConfig, OwnNetworks
from morl.agents.neural.processes import prepared_context
from morl.engines.processes import end_with_parent, still_importing, why_died
from morl.spec import AgentError, FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

    from morl.agents.neural.scalarised import Actor, Scalarised, Task

Arrays = dict[str, Array]


@dataclass(frozen=True)
class LinearConfig(NetworkConfig):
    """Options of :class:`LinearScalarization`."""

    algorithm: str = option(
        "auto",
        "stable-baselines3 algorithm; auto is PPO",
        choices=("auto", "A2C", "DDPG", "DQN", "PPO", "SAC", "TD3"),
    )
    selection: str = option(
        "grid", "how weights are chosen: an even grid, or optimistic linear support", choices=("grid", "ols")
    )
    n_weights: int = option(6, "weights; fewer where the steps suffice for fewer only, unless it is set", low=1)
    weights: tuple[tuple[float, ...], ...] | None = option(None, "explicit weights instead")
    scaled: bool = option(True, "weights are of objectives on their return scale; false: of raw returns")
    steps_per_weight: int | None = option(
        None, "steps for each weight at most; None shares total_timesteps evenly", low=1
    )
    warm_start: bool | None = option(
        None, "start from the nearest solved weight; None does where actions are continuous"
    )
    warm_radius: float = option(2.0, "how near it must be, as the sum of absolute differences", low=0.0, high=2.0)
    processes: int = option(1, "weights learned at the same time, each in a process of its own", low=1)
    n_envs: int = option(8, "parallel environments", low=1)
    device: str = option("cpu", "where networks compute", choices=("auto", "cpu", "cuda", "mps"))
    sb3: dict[str, Any] | None = option(  # noqa: RUF009
        None, 'arguments of the stable-baselines3 class, such as {"n_steps": 64}; what is left out fits the steps'
    )
    scale_observations: bool = option(True, "scale bounded vector observations to [-1, 1]")
    normalise: bool = option(True, "PPO, A2C: running scale of rewards and of vector observations without bounds")
    support_episodes: int = option(10, "episodes that value a policy for linear support", low=1)


class LinearScalarization(OwnNetworks):
    """See the module's description.

    Every weight is learned within the steps asked for: they are shared out evenly, or among fewer weights, with a
    warning.
    """

    info: ClassVar[AlgoInfo] = AlgoInfo(
        name="LinearScalarization",
        summary="One stable-baselines3 policy per linear weight; the baseline everybody knows.",
        criterion=("SER",),
        policy_class="stationary deterministic",
        actions=("discrete", "continuous"),
        observations=("discrete", "vector"),
        paper="Roijers & Whiteson 2017",
        formula="π_w = argmax_π E Σ γ^t w·r_t  for each weight w",
        avoid="non-convex trade-offs matter, or many weights are wanted",
        several_actions=True,
    )
    Config = LinearConfig
    _unset: ClassVar[Mapping[str, float]] = {"plan.values": np.nan}

    @classmethod
    def _tuned(cls, options: Mapping[str, Any], given: Mapping[str, Any], k: int) -> dict[str, Any]:
        """Tuned options beside those given: none for another algorithm, and no weights where others are asked for."""
        taken = super()._tuned(options, given, k)
        asked, usual = given.get("algorithm", "auto"), options.get("algorithm", "auto")
        if asked != "auto" and asked != ("PPO" if usual == "auto" else usual):
            return {}
        weights = options.get("weights")
        if {"weights", "scaled", "n_weights", "selection"} & set(given) or (weights and len(weights[0]) != k):
            for name in ("weights", "scaled", "n_weights", "selection"):
                taken.pop(name, None)
        if given.get("sb3"):
            taken["sb3"] = {**options.get("sb3", {}), **given["sb3"]}
        return taken

    def _setup(self) -> None:
        c = self.config
        self.algorithm = "PPO" if c.algorithm == "auto" else c.algorithm
        sb3_budget.check_actions(self.algorithm, self.problem)
        if c.processes > 1 and self.problem.recipe is None:
            raise AgentError(
                f"processes={c.processes} needs an environment that its id alone makes again; {self.problem.id} is "
                "wrapped or has no id: set processes=1"
            )
        if c.processes > 1 and self._own:
            raise AgentError(
                f"processes={c.processes} takes built-in networks only, as a class is not sent: set processes=1"
            )
        self.solved: list[Arrays] = []
        self._fixed: list[str] = sorted(self.given.get("sb3") or {})  # arguments that stay as they are
        self._number = 0  # the weight being learned
        self._goal = 0  # its model's step count at which the next weight's turn comes
        self._model: BaseAlgorithm | None = None
        self._actors: dict[int, Actor] = {}
        self._template: Any = None
        self._n_envs = sb3_budget.parallel_envs(self.problem, c.n_envs)
        self._warm = self.actions.continuous if c.warm_start is None else c.warm_start
        grid = self._grid(c.n_weights)
        self.plan = WeightPlan(grid, len(grid) or c.n_weights, self._n_envs, c.steps_per_weight)
        self._keeps("_fixed", "_number", "_goal", plan=self.plan)

    def _grid(self, n: int) -> FloatArray:
        """The weights to solve, in order; none where linear support chooses them."""
        c = self.config
        if c.weights is None and c.selection == "ols":
            return np.zeros((0, self.k))
        return training_grid(c.weights, n, self.spec, c.scaled)

    @property
    def weights(self) -> FloatArray:
        """Raw weights taken up so far, ``(m, K)``."""
        return self.plan.weights

    @property
    def n_weights(self) -> int:
        """How many weights are solved in one round."""
        return self.plan.n_weights

    # ---- learning --------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        if self.plan.first_round == 0:
            self._share_out()
        if self.config.processes > 1:
            self._learn_parallel(until)
            return
        while self.num_timesteps < until:
            if self._model is None:
                self._begin_turn()
            self._work(until - self.num_timesteps)
            if self._left() <= 0:
                self._end_turn()

    def _share_out(self) -> None:
        """Divide the steps asked for among the weights, or among fewer of them, and say where they are too few."""
        c, steps, wanted = self.config, self.target_timesteps, self.n_weights
        least = sb3_budget.least_for(self.algorithm, c.sb3 or {}, self._fixed, self._n_envs)
        if c.weights is None and "n_weights" not in self.given and steps < wanted * least:
            self.plan.n_weights = n = max(self.k, steps // least)
            self.plan.grid = self._grid(n)
            self.plan.n_weights = len(self.plan.grid) or n
        self.plan.share_out(steps, self.num_timesteps)
        each, learned = self.plan.budget, self.n_weights
        fewer = "" if learned == wanted else f" {learned} are learned."
        told = ""
        if learned < wanted or each < min(least, c.steps_per_weight or least):
            lessen = " or a smaller n_steps" if "n_steps" in self._fixed else ""
            told = (
                f"{steps // wanted:,} steps for each of {wanted} weights are fewer than {sb3_budget.UPDATES} updates "
                f"of {self.algorithm}: little will be learned.{fewer} Use at least {least * wanted:,} steps, fewer "
                f"weights (n_weights), fewer parallel environments (n_envs){lessen}"
            )
        elif c.steps_per_weight and each < c.steps_per_weight:
            told = f"{steps:,} steps are {each:,} for each of {wanted} weights; asked for was {c.steps_per_weight:,}"
        if told:
            warn(told)

    def _left(self) -> int:
        """Steps left of the present turn."""
        assert self._model is not None
        return int(self._goal - self._model.num_timesteps)

    def _begin_turn(self) -> None:
        """Take up the next weight, or go on with one solved before where there is none left."""
        plan = self.plan
        plan.budget = plan.share(self.num_timesteps)
        weight = plan.next()
        if weight is None:
            self._number = plan.turn % len(plan.weights)
            self._model = self._begun(self._number, self.solved[self._number], again=True)
        else:
            start = self._start(weight)
            self._number = plan.enter(weight)
            self.solved.append({})
            self._model = self._begun(self._number, start, again=False)
        self._goal = self._model.num_timesteps + plan.budget

    def _begun(self, number: int, start: Arrays, *, again: bool) -> BaseAlgorithm:
        """A model for a weight, with parameters to begin with where there are any."""
        from morl.agents.neural.scalarised import begin_with

        plan, seed = self.plan, self._network_seed(number)
        replay = plan.budget * (2 + plan.turn // plan.n_weights) + 1
        model = self._made().model(self.problem, plan.weights[number], plan.budget, seed, replay=replay)
        if start:
            begin_with(model, start, again=again)
        return model

    def _start(self, weight: FloatArray) -> Arrays:
        """Parameters of the nearest solved weight, where a new one starts from there."""
        known = [i for i, arrays in enumerate(self.solved) if arrays] if self._warm else []
        near = self.plan.nearest(weight, known, self.config.warm_radius)
        return {} if near is None else self.solved[near]

    def _network_seed(self, number: int) -> int:
        return self.integer_seed("network", 0 if self._warm else number)

    def _made(self) -> Scalarised:
        """How models are made."""
        from morl.agents.neural.scalarised import Scalarised

        c, fixed = self.config, tuple(self._fixed)
        return Scalarised(
            self.algorithm, c.sb3 or {}, fixed, self._n_envs, c.scale_observations, c.normalise, self.discount,
            c.policy_kwargs or {}, self._own, c.device,
        )  # fmt: skip

    def _work(self, steps: int) -> None:
        from morl.agents.neural import sb3

        assert self._model is not None
        seed = self.integer_seed("train", self._segment, self.plan.turn)
        most = min(self._left(), self.target_timesteps - self.num_timesteps)
        sb3.train(self._model, max(1, min(steps, most)), seed, self.advance, self.plan.budget, most)

    def _end_turn(self) -> None:
        from morl.agents.neural import sb3
        from morl.agents.neural.scalarised import close

        assert self._model is not None
        self.solved[self._number] = sb3.model_arrays(self._model, "model")
        close(self._model, self.problem)
        self._model = None
        self._solved(self._number)

    def _solved(self, number: int) -> None:
        """A weight has been solved: measure it where linear support needs to know (counted as evaluation)."""
        self._actors.pop(number, None)
        self.plan.turn += 1
        if not len(self.plan.grid):
            result = self._evaluator.evaluate(self._acting_for([number]), self.config.support_episodes)
            self.plan.values[number] = result.mean[0]

    def _learn_parallel(self, until: int) -> None:
        """Solve several weights at once; a round of them is never split, so that a checkpoint lies between rounds."""
        from morl.agents.neural import scalarised

        if still_importing():
            raise AgentError(
                "a process that learns weights came upon learn() while importing the script; put the call under "
                'if __name__ == "__main__":'
            )
        workers, context = min(self.config.processes, self.n_weights), prepared_context()
        with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
            while self.num_timesteps < until:
                numbers = self.plan.next_ones(workers)
                self.solved += [{}] * (len(self.weights) - len(self.solved))
                try:
                    results = list(pool.map(scalarised.solve, self._tasks(numbers)))
                except BrokenProcessPool:
                    weights = ", ".join(str(self.weights[i].round(4).tolist()) for i in numbers)
                    raise AgentError(
                        f"a process learning one of the weights {weights} died ({why_died()}); weights of "
                        "earlier rounds are kept, learn() goes on from there"
                    ) from None
                for number, (_, arrays) in zip(numbers, results, strict=True):
                    self.solved[number] = arrays
                    self._solved(number)
                self.advance(sum(steps for steps, _ in results))

    def _tasks(self, numbers: list[int]) -> list[Task]:
        """All that processes need to solve weights, with the seeds that their turns would have in this one."""
        from morl.agents.neural.scalarised import Task
        from morl.envs.imports import Imported

        shares = self.plan.shares(len(numbers), self.num_timesteps, self.target_timesteps)
        return [
            Task(
                imported=Imported(),
                recipe=self.problem.recipe,
                info=self.info,
                made=self._made(),
                weight=self.weights[number],
                start=self.solved[number] or self._start(self.weights[number]),
                again=bool(self.solved[number]),
                steps=steps,
                network_seed=self._network_seed(number),
                train_seed=self.integer_seed("train", self._segment, self.plan.turn + i),
            )
            for i, (number, steps) in enumerate(zip(numbers, shares, strict=True))
        ]

    # ---- policies and state ----------------------------------------------------------------------------

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        # A weight taken up by a parallel round has no parameters until the round ends.
        learning = self._number if self._model is not None else -1
        numbers = [i for i, arrays in enumerate(self.solved) if arrays or i == learning]
        if not numbers:
            raise NoPolicyError("LinearScalarization has learned nothing yet; call learn first")
        if preferences is None:
            return self._acting_for(numbers)
        known = self.weights[numbers]
        return self._acting_for([numbers[int(np.abs(known - w).sum(axis=1).argmin())] for w in preferences])

    def _acting_for(self, numbers: list[int]) -> PolicySet:
        from morl.agents.neural.scalarised import ActorPolicies

        preferences = self.weights[numbers]
        actors = [self._actor(i) for i in numbers]
        return ActorPolicies(self.observation_space, actors, self.config.scale_observations, preferences)

    def _actor(self, number: int) -> Actor:
        """What acts for a solved weight, or for the one being learned."""
        from morl.agents.neural.scalarised import Actor

        if self._model is not None and number == self._number:
            return Actor.of(self._model)
        if self._template is None:
            self._template = self._made().template(self.problem)
        if number not in self._actors:
            self._actors[number] = self._made().actor(self.problem, self._template, self.solved[number], "model")
        return self._actors[number]

    def status(self) -> dict[str, float]:
        """Weights taken up so far."""
        return {"weights": float(len(self.weights))}

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        from morl.agents.neural import sb3

        arrays, facts = super()._state()
        for i, part in enumerate(self.solved):
            arrays.update({f"solved.{i}.{key}": value for key, value in part.items()})
        if self._model is not None:
            arrays.update(sb3.model_arrays(self._model, "current.model", replay=True))
        return arrays, {**facts, "learning": self._model is not None}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_alike
        from morl.agents.neural import sb3

        super()._restore(arrays, facts)
        if len(self.plan.grid) > self.n_weights:
            self.plan.grid = self._grid(self.n_weights)
        self.solved = [below(f"solved.{i}", arrays) for i in range(len(self.weights))]
        known = [i for i, part in enumerate(self.solved) if part]
        if known:
            fresh = sb3.model_arrays(self._begun(known[0], {}, again=False), "model")
            for i in known:
                require_alike(f"weight {i}", self.solved[i], fresh)
        if facts["learning"]:
            self._model = self._begun(self._number, {}, again=True)
            sb3.load_model(self._model, arrays, "current.model")
