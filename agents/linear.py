"""One policy per weight, each learned by a stable-baselines3 algorithm on the weighted sum of rewards.

For each weight w: maximise E Σ γᵗ w·rₜ. Weights are given, spread over the simplex, or chosen one after another where
they can still gain most (optimistic linear support, Roijers & Whiteson 2017). A new weight starts from the parameters
of the nearest weight solved before.
"""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium import spaces

from morl.agents.base import Agent, Array
from morl.agents.core.config import AgentConfig, option
from morl.agents.core.errors import NoPolicyError
from morl.agents.core.info import AlgoInfo
from morl.agents.core.policies import Decision, Memory, PolicySet
from morl.agents.core.preferences import LinearSupport, training_grid
from morl.agents.core.stateful import below
from morl.agents.neural import sb3_budget
from morl.envs.vector.worker import end_with_parent
from morl.spec import AgentError, FloatArray

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

Arrays = dict[str, Array]


@dataclass(frozen=True)
class LinearConfig(AgentConfig):
    """Options of :class:`LinearScalarization`."""

    algorithm: str = option(
        "auto",
        "stable-baselines3 algorithm; auto is PPO",
        choices=("auto", "A2C", "DDPG", "DQN", "PPO", "SAC", "TD3"),
    )
    selection: str = option(
        "grid", "how weights are chosen: an even grid, or optimistic linear support", choices=("grid", "ols")
    )
    n_weights: int = option(6, "weights", low=1)
    weights: tuple[tuple[float, ...], ...] | None = option(None, "explicit weights instead")
    scaled: bool = option(True, "weights are of objectives on their return scale; false: of raw returns")
    steps_per_weight: int | None = option(None, "steps for each weight; None shares total_timesteps evenly", low=1)
    warm_start: bool = option(False, "start from the nearest solved weight; quicker, but it may have stopped exploring")
    warm_radius: float = option(0.5, "how near it must be, as the sum of absolute differences", low=0.0, high=2.0)
    processes: int = option(1, "weights learned at the same time, each in a process of its own", low=1)
    n_envs: int = option(8, "copies of the environment stepped together", low=1)
    sb3: dict[str, Any] | None = option(  # noqa: RUF009
        None, 'arguments of the stable-baselines3 class, such as {"n_steps": 64}; what is left out fits the steps'
    )
    scale_observations: bool = option(True, "scale bounded vector observations to [-1, 1]")
    normalise: bool = option(True, "PPO, A2C: running scale of rewards and of vector observations without bounds")
    support_episodes: int = option(10, "episodes that value a policy for linear support", low=1)


class LinearScalarization(Agent):
    """See the module's description."""

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
    _unset: ClassVar[Mapping[str, float]] = {"values": np.nan}

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
        continuous = self.actions.continuous
        if self.algorithm == "DQN" and continuous:
            raise AgentError(f"DQN needs discrete actions; {self.problem.id} has {self.action_space}. Use SAC or PPO")
        if self.algorithm == "DQN" and isinstance(self.actions.space, spaces.MultiDiscrete):
            raise AgentError(
                f"DQN takes one action at a time; {self.problem.id} has {self.action_space}. Use PPO or A2C"
            )
        if self.algorithm in ("SAC", "TD3", "DDPG") and not continuous:
            raise AgentError(
                f"{self.algorithm} needs continuous actions; {self.problem.id} has {self.action_space}. Use PPO or DQN"
            )
        if c.processes > 1 and self.problem.recipe is None:
            raise AgentError(
                f"processes={c.processes} needs an environment that its id alone makes again; {self.problem.id} is "
                "wrapped or has no id: set processes=1"
            )
        self.weights: list[FloatArray] = []
        self.values: list[FloatArray] = []
        self.solved: list[Arrays] = []
        self._turn = 0  # weights taken up so far, counting rounds over known ones
        self._budget = 0  # steps of the weight being learned
        self._first_round = 0  # step count at which every weight has had its turn
        self._fixed: list[str] = sorted(self.given.get("sb3") or {})  # arguments that stay as they are
        self._number = 0  # the weight being learned
        self._goal = 0  # its model's step count at which the next weight's turn comes
        self._model: BaseAlgorithm | None = None
        self._acting: dict[int, Any] = {}
        self._plan = self._given_weights()
        self._keeps("_turn", "_budget", "_first_round", "_fixed", "_number", "_goal")

    def _given_weights(self) -> list[FloatArray]:
        """The weights to solve, in order; empty where linear support chooses them."""
        c = self.config
        if c.weights is None and c.selection == "ols":
            return []
        return list(training_grid(c.weights, c.n_weights, self.spec, c.scaled))

    @property
    def n_weights(self) -> int:
        """How many weights are solved in one round."""
        return len(self._plan) or int(self.config.n_weights)

    # ---- learning --------------------------------------------------------------------------------------

    def _learn(self, until: int) -> None:
        if self._first_round == 0:
            self._first_round = self.target_timesteps
            self._budget = self._share()
            self._warn_of_a_small_budget()
        if self.config.processes > 1:
            self._learn_parallel(until)
            return
        while self.num_timesteps < until:
            if self._model is None:
                self._begin_turn()
            self._work(min(until - self.num_timesteps, self._left()))
            if self._left() <= 0:
                self._end_turn()

    def _share(self) -> int:
        """Steps for the next weight: an even share of what is left of the first round, and later as much again."""
        if self.config.steps_per_weight:
            return int(self.config.steps_per_weight)
        waiting = self.n_weights - self._turn
        if waiting <= 0:
            return self._budget
        return max(1, -(-(self._first_round - self.num_timesteps) // waiting))

    def _warn_of_a_small_budget(self) -> None:
        c, n_envs = self.config, self._copies()
        plenty = sb3_budget.fitted(self.algorithm, c.sb3 or {}, self._fixed, n_envs, 10**9)
        least = sb3_budget.least_budget(self.algorithm, plenty, self._fixed, n_envs)
        if self._budget >= least:
            return
        lessen = " or a smaller n_steps" if "n_steps" in self._fixed else ""
        enough = f"steps_per_weight={least:,}" if c.steps_per_weight else f"{least * self.n_weights:,} steps"
        warnings.warn(
            f"{self._budget:,} steps for each of {self.n_weights} weights are fewer than {sb3_budget.UPDATES} updates "
            f"of {self.algorithm}: little will be learned. Use at least {enough}, fewer weights (n_weights), fewer "
            f"copies (n_envs){lessen}",
            stacklevel=4,
        )

    def _copies(self) -> int:
        """Environments stepped together."""
        own = self.problem.is_vector and self.problem.recipe is None
        return int(self.problem.env.num_envs if own else self.config.n_envs)

    def _left(self) -> int:
        assert self._model is not None
        return int(self._goal - self._model.num_timesteps)

    def _begin_turn(self) -> None:
        """Take up the next weight, or go on with one solved before where there is none left."""
        number = self._turn % self.n_weights
        self._budget = self._share()
        weight = self._next_weight() if number >= len(self.weights) else None
        if weight is not None:
            self._number = len(self.weights)
            self._model = self._fresh_model(weight, self._number)
            self._enter(weight)
        else:
            self._number = self._turn % len(self.weights)
            self._model = self._build(self.weights[self._number], self.config.n_envs)
            self._put(self._model, self.solved[self._number])
        self._goal = self._model.num_timesteps + self._budget

    def _enter(self, weight: FloatArray) -> None:
        self.weights.append(weight)
        self.solved.append({})
        self.values.append(np.full(self.k, np.nan))

    def _next_weight(self) -> FloatArray | None:
        if self._plan:
            return self._plan[len(self.weights)]
        return self._support().next()

    def _support(self) -> LinearSupport:
        """What linear support knows: every weight that has been measured."""
        support = LinearSupport(self.k)
        for weight, value in zip(self.weights, self.values, strict=True):
            if np.isfinite(value).all():
                support.add(weight, value)
        return support

    def _nearest(self, weight: FloatArray) -> int | None:
        known = [i for i, arrays in enumerate(self.solved) if arrays]
        if not known:
            return None
        distances = [float(np.abs(self.weights[i] - weight).sum()) for i in known]
        # A policy that was made for something else has often stopped exploring: rather begin afresh.
        best = int(np.argmin(distances))
        return known[best] if distances[best] <= self.config.warm_radius else None

    def _fresh_model(self, weight: FloatArray, number: int) -> BaseAlgorithm:
        model = self._build(weight, self.config.n_envs, number)
        near = self._nearest(weight) if self.config.warm_start else None
        if near is not None:
            self._put(model, self.solved[near])
            model.num_timesteps = 0
            model._n_updates = 0
        return model

    def _work(self, steps: int) -> None:
        from morl.agents.neural import sb3

        assert self._model is not None
        seed = self.integer_seed("train", self._segment, self._turn)
        sb3.train(self._model, max(1, steps), seed, self.advance, self._budget)

    def _end_turn(self) -> None:
        from morl.agents.neural import sb3

        assert self._model is not None
        number = self._number
        self.solved[number] = sb3.model_arrays(self._model, "model")
        self._close()
        self._acting.pop(number, None)
        self._turn += 1
        self._value(number)

    def _value(self, number: int) -> None:
        """Measure a solved weight where linear support needs to know (counted as evaluation)."""
        if not self._plan:
            result = self._evaluator.evaluate(self._acting_for([number]), self.config.support_episodes)
            self.values[number] = result.mean[0]

    def _learn_parallel(self, until: int) -> None:
        """Solve several weights at once; a round of them is never split, so that a checkpoint lies between rounds."""
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # this process is still importing
            raise AgentError(
                "a process that learns weights came upon learn() while importing the script; put the call under "
                'if __name__ == "__main__":'
            )
        workers = min(self.config.processes, self.n_weights)
        with ProcessPoolExecutor(workers, mp_context=_prepared_context(), initializer=end_with_parent) as pool:
            while self.num_timesteps < until:
                self._budget = self._share()
                numbers = self._take_up(min(self.config.processes, self.n_weights))
                tasks = [self._task(number, self._turn + i) for i, number in enumerate(numbers)]
                try:
                    results = list(pool.map(solve_weight, tasks))
                except BrokenProcessPool:
                    weights = ", ".join(str(self.weights[i].round(4).tolist()) for i in numbers)
                    raise AgentError(
                        f"a process learning one of the weights {weights} died ({_why_died()}); weights of earlier "
                        "rounds are kept, learn() goes on from there"
                    ) from None
                for number, (_, arrays) in zip(numbers, results, strict=True):
                    self.solved[number] = arrays
                    self._acting.pop(number, None)
                    self._turn += 1
                    self._value(number)
                self.advance(sum(steps for steps, _ in results))

    def _take_up(self, most: int) -> list[int]:
        """Numbers of the weights of the next parallel round, entering new ones."""
        if self._turn % self.n_weights < len(self.weights):  # all are known: go round once more
            first = self._turn % self.n_weights
            return list(range(first, min(first + most, len(self.weights))))
        numbers: list[int] = []
        while len(numbers) < most and len(self.weights) < self.n_weights:
            weight = self._next_weight() if self._plan or not numbers else self._further_weight()
            if weight is None:
                break
            numbers.append(len(self.weights))
            self._enter(weight)
        return numbers or [self._turn % len(self.weights)]

    def _further_weight(self) -> FloatArray | None:
        """The next best corner that is not being solved already."""
        support = self._support()
        corners, gains = support.candidates()
        for corner, gain in zip(corners, gains, strict=True):
            if gain > support.epsilon and all(np.abs(corner - w).max() > 1e-9 for w in self.weights):
                return np.asarray(corner)
        return None

    def _task(self, number: int, turn: int) -> dict[str, Any]:
        """All that a process needs to solve a weight, with the seeds that its turn would have in this one."""
        from morl.agents.core.config import to_dict
        from morl.envs.imports import Imported

        weight = self.weights[number]
        near = self._nearest(weight) if self.config.warm_start else None
        return {
            "imported": Imported(),  # first, as the recipe may need modules that were made from files
            "recipe": self.problem.recipe,  # brings along the module that registers the environment
            "config": {
                **to_dict(self.config),
                "processes": 1,
                "weights": (tuple(weight),),
                "scaled": False,
                "discount": self.discount,
            },
            "seed": self.seed,
            "weight": weight,
            "number": number,
            "start": self.solved[number] or (self.solved[near] if near is not None else {}),
            "again": bool(self.solved[number]),
            "steps": self._budget,
            "fixed": self._fixed,
            "train_seed": self.integer_seed("train", self._segment, turn),
        }

    # ---- models ----------------------------------------------------------------------------------------

    def _build(self, weight: FloatArray, n_envs: int, number: int = 0, *, acting: bool = False) -> BaseAlgorithm:
        from morl.agents.neural import sb3

        options = sb3_budget.fitted(self.algorithm, self.config.sb3 or {}, self._fixed, self._copies(), self._budget)
        if acting and self.algorithm in sb3_budget.ON_POLICY:
            options["n_steps"] = 8  # of its one copy; it never learns
            if self.algorithm == "PPO":
                options["batch_size"] = 8
        if self.algorithm in ("DQN", "SAC", "TD3", "DDPG"):
            most = self._budget * (2 + self._turn // self.n_weights) + 1
            options["buffer_size"] = 1 if acting else min(int(options.get("buffer_size", 1_000_000)), most)
        normalised = self.config.normalise and self.algorithm in sb3_budget.ON_POLICY
        env = sb3.ScalarVecEnv(self.problem, n_envs, weight, self.config.scale_observations, normalised)
        seed = self.integer_seed("network", 0 if self.config.warm_start else number)
        return sb3.build(self.algorithm, env, self.discount, seed, options)

    def _put(self, model: BaseAlgorithm, arrays: Arrays) -> None:
        from morl.agents.neural import sb3

        sb3.load_model(model, arrays, "model")

    def _close(self) -> None:
        if self._model is not None:
            env = self._model.get_env()
            if env is not None and not self.problem.is_vector:
                env.close()
            self._model = None

    def _network(self, number: int) -> Any:
        """The SB3 model that acts for a solved weight; the one being learned where that is it."""
        if self._model is not None and number == self._number:
            return self._model
        if number not in self._acting:
            model = self._build(self.weights[number], 1, acting=True)
            self._put(model, self.solved[number])
            self._acting[number] = model
        return self._acting[number]

    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        # A weight taken up by a parallel round has no parameters until the round ends.
        learning = self._number if self._model is not None else -1
        numbers = [i for i, arrays in enumerate(self.solved) if arrays or i == learning]
        if not numbers:
            raise NoPolicyError("LinearScalarization has learned nothing yet; call learn first")
        if preferences is None:
            return self._acting_for(numbers)
        known = np.array([self.weights[i] for i in numbers])
        return self._acting_for([numbers[int(np.abs(known - w).sum(axis=1).argmin())] for w in preferences])

    def _acting_for(self, numbers: list[int]) -> PolicySet:
        models = [self._network(i) for i in numbers]
        preferences = np.array([self.weights[i] for i in numbers])
        return ModelPolicies(self.observation_space, models, self.config.scale_observations, preferences)

    def status(self) -> dict[str, float]:
        """Weights taken up so far."""
        return {"weights": float(len(self.weights))}

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        from morl.agents.neural import sb3

        arrays, facts = super()._state()
        arrays["weights"] = np.array(self.weights).reshape(-1, self.k)
        arrays["values"] = np.array(self.values).reshape(-1, self.k)
        for i, part in enumerate(self.solved):
            arrays.update({f"solved.{i}.{key}": value for key, value in part.items()})
        if self._model is not None:
            arrays.update(sb3.model_arrays(self._model, "current.model", replay=True))
        return arrays, {**facts, "learning": self._model is not None}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        from morl.agents.core.checkpoint import require_alike
        from morl.agents.neural import sb3

        super()._restore(arrays, facts)
        self.weights, self.values = list(arrays["weights"]), list(arrays["values"])
        self.solved = [below(f"solved.{i}", arrays) for i in range(len(self.weights))]
        known = [i for i, part in enumerate(self.solved) if part]
        if known:
            model = self._build(self.weights[known[0]], 1, acting=True)
            for i in known:
                require_alike(f"weight {i}", self.solved[i], sb3.model_arrays(model, "model"))
        if facts["learning"]:
            self._model = self._build(self.weights[self._number], self.config.n_envs)
            sb3.load_model(self._model, arrays, "current.model")


class ModelPolicies(PolicySet):
    """The policies of several SB3 models.

    Args:
        space: the environment's observation space.
        models: SB3 models.
        scaled: whether they see scaled observations (see :class:`morl.agents.neural.sb3.ScalarVecEnv`).
        preferences: ``(m, K)`` or ``None``.
    """

    stochastic = True

    def __init__(
        self, space: spaces.Space[Any], models: list[Any], scaled: bool, preferences: FloatArray | None = None
    ) -> None:
        from morl.agents.core.observations import sb3_encoder

        self.models, self.preferences = models, preferences
        self._encode = sb3_encoder(space, scaled)

    def __len__(self) -> int:
        return len(self.models)

    def act(self, decision: Decision) -> tuple[Array, Memory]:
        """One network call per model."""
        from morl.agents.core.collector import take
        from morl.agents.neural.sb3 import isolated_randomness, normaliser_of

        which, seen = decision.which, decision.observations
        if self._encode is not None:
            seen = self._encode(seen)
        out: Array | None = None
        for i in np.unique(which):
            rows = np.flatnonzero(which == i)
            model = self.models[int(i)]
            normaliser, inputs = normaliser_of(model), take(seen, rows)
            if normaliser is not None and self._encode is not None:
                inputs = normaliser(inputs)
            if decision.deterministic:
                actions, _ = model.predict(inputs, deterministic=True)
            else:
                with isolated_randomness(int(decision.rng.integers(2**31))):
                    actions, _ = model.predict(inputs, deterministic=False)
            if out is None:
                out = np.zeros((len(which), *actions.shape[1:]), dtype=actions.dtype)
            out[rows] = actions
        assert out is not None
        return out, decision.memory


def _unguarded() -> bool:
    """True where a new process that imports the script would run all of it once more."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        return path is not None and path.endswith(".py") and "__name__" not in Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _why_died() -> str:
    if not _unguarded():
        return "killed, or out of memory?"
    name = Path(str(sys.modules["__main__"].__file__)).name
    return f'each process imports {name}: put what it does under if __name__ == "__main__":'


def _prepared_context() -> BaseContext:
    """Where new processes come from: a server that has imported torch and stable-baselines3 and forks.

    Importing takes two seconds, a fork of the server some milliseconds. The server starts with the first round and
    lives as long as this process, so that later calls of ``learn``, of any agent, find it ready. (Forking this
    process itself would be unsafe: it may have threads.) Where there is no fork, every process imports for itself.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The first optimizer of a process imports torch._dynamo, which takes half of the two seconds.
    context.set_forkserver_preload(["morl.agents.neural.sb3", "morl.agents.linear", "morl.envs", "torch._dynamo"])
    return context


def solve_weight(task: dict[str, Any]) -> tuple[int, Arrays]:
    """Solve one weight in a process of its own; returns the steps taken and the model's arrays."""
    import torch

    from morl.agents.neural import sb3
    from morl.envs.registration import admit, make

    torch.set_num_threads(1)
    agent = LinearScalarization(make(admit(task["recipe"])), task["config"], seed=task["seed"], tuned=False)
    agent._budget, agent._fixed = int(task["steps"]), task["fixed"]
    model = agent._build(task["weight"], agent.config.n_envs, task["number"])
    before = 0
    if task["start"]:
        sb3.load_model(model, task["start"], "model")
        if task["again"]:
            before = model.num_timesteps
        else:
            model.num_timesteps, model._n_updates = 0, 0
    sb3.train(model, agent._budget, task["train_seed"], lambda n: None, agent._budget)
    steps = model.num_timesteps - before
    arrays = sb3.model_arrays(model, "model")
    env = model.get_env()
    if env is not None:
        env.close()
    return steps, arrays
