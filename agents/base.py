"""What every agent has in common: the interface of stable-baselines3, for many objectives.

A subclass says how it learns (:meth:`Agent._learn`), which policies it offers (:meth:`Agent._policies`) and what it
keeps (:meth:`~morl.agents.core.stateful.Stateful._keeps`); seeds, callbacks, prediction, evaluation, fronts, files,
interrupts and errors are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from morl.agents.core import checkpoint
from morl.agents.core.acting import PolicyHandle, act
from morl.agents.core.actions import ActionMap
from morl.agents.core.checks import check_arguments, check_observations, check_seed
from morl.agents.core.config import AgentConfig, make_config, option_names, to_dict, tuned_options
from morl.agents.core.evaluation import Evaluation, Evaluator
from morl.agents.core.fronts import as_front, from_facts, to_facts
from morl.agents.core.info import AlgoInfo
from morl.agents.core.logger import Logger, NullLogger
from morl.agents.core.memory import allocating
from morl.agents.core.option_names import present_names, warn_of_former_names
from morl.agents.core.policies import PolicySet, Subset
from morl.agents.core.preferences import raw_weights
from morl.agents.core.problem import Problem
from morl.agents.core.restoring import facts_of, restored
from morl.agents.core.stateful import Stateful
from morl.agents.core.training import Training
from morl.counts import as_count
from morl.pareto.front import Front
from morl.pareto.indicators import nondominated_mask
from morl.spec import AgentError, FloatArray

Array = np.ndarray[Any, Any]
Preference = ArrayLike | Mapping[str, float] | Sequence[Mapping[str, float]]
"""Weights on the simplex, by position or by objectives' names (:func:`~morl.agents.core.preferences.raw_weights`)."""

_PURPOSES = {"train": 0, "evaluation": 1, "network": 2, "explore": 3, "predict": 4, "sample": 5, "worker": 6}


class Agent(Stateful, ABC):
    """Base of every agent.

    Args:
        env: an id, an environment with vector rewards, or a vector environment.
        config: a ``Config``, or a mapping of options.
        seed: random seed of everything that the agent draws; ``None`` chooses one (and ``seed`` names it).
        tuned: take over the options that the package ships for this algorithm on this environment, where neither
            ``config`` nor ``options`` say otherwise.
        options: single options of ``Config``, by name.

    Raises:
        AgentError: the environment's spaces do not suit the algorithm.
        UnknownNameError: an option that does not exist.

    Attributes:
        given: the options that the caller chose.
        tuned: the options taken over from those that the package ships.
        num_timesteps: environment steps learned from.
        eval_steps: environment steps spent on evaluation.
        logger: receives numbers while learning; set it to any :class:`morl.agents.core.logger.Logger`.
    """

    info: ClassVar[AlgoInfo]
    Config: ClassVar[type[AgentConfig]] = AgentConfig
    _unset: ClassVar[Mapping[str, float]] = {}  # arrays in which this NaN or inf (of any sign) says "not known yet"
    _widening: ClassVar[frozenset[str]] = frozenset()  # arrays that grow along other axes than the first

    config: Any
    run: str | None = None  # identity of the run that the agent belongs to

    def __init__(
        self,
        env: Any,
        config: AgentConfig | Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        tuned: bool = True,
        **options: Any,
    ) -> None:
        name = self.info.name
        if isinstance(config, AgentConfig):
            config = to_dict(config)
        check_arguments(name, env, config)
        known = option_names(self.Config)
        named = {**(config or {}), **options}
        warn_of_former_names(name, known, named)
        named = present_names(name, known, named)
        self.config = make_config(self.Config, named, name)
        self.problem = Problem(env, self.config.discount, self.info)
        assert self.problem.actions is not None
        self.actions: ActionMap = self.problem.actions
        self.given: dict[str, Any] = {key: getattr(self.config, key) for key in named}
        shipped = tuned_options(name, self.problem.registered) if tuned else {}
        self.tuned: dict[str, Any] = self._tuned(shipped, self.given, self.problem.spec.k) if shipped else {}
        self.config = make_config(self.Config, {**self.given, **self.tuned}, name)
        self.spec, self.k, self.discount = self.problem.spec, self.problem.spec.k, self.problem.discount
        self.observation_space, self.action_space = self.problem.observation_space, self.problem.action_space
        check_observations(self.info, self.problem)
        self.seed = check_seed(seed)
        self.logger: Logger = NullLogger()
        self.num_timesteps = 0
        self.target_timesteps = 0
        self._training = Training(self)
        self._segment = 0
        self._evaluator = Evaluator(self.problem, self.seeds("evaluation"), self.config.eval_envs)
        self._rng_predict = self.rng("predict")
        self._measured: Front | None = None
        self._saved_front: Mapping[str, Any] | None = None
        with allocating(name):
            self._setup()

    # ---- what a subclass says --------------------------------------------------------------------------

    def _setup(self) -> None:  # nothing to allocate is a fine answer
        """Allocate what learning needs. The environment is known; nothing is learned yet."""

    @abstractmethod
    def _learn(self, until: int) -> None:
        """Begin episodes anew (seeded by :meth:`segment_seed`) and learn until ``num_timesteps >= until``.

        Call :meth:`advance` after each round of steps and updates. Everything that is carried to the next call must
        be kept (:meth:`_keeps`): a new call must not depend on anything else.
        """

    @abstractmethod
    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        """The policies for weights ``(m, K)``; for ``None`` all policies that the agent would put on its front."""

    @classmethod
    def _tuned(cls, options: Mapping[str, Any], given: Mapping[str, Any], k: int) -> dict[str, Any]:
        """What is taken over of the options tuned for an environment, beside the ones given (which win)."""
        return {name: value for name, value in options.items() if name not in given}

    def status(self) -> dict[str, float]:
        """A few numbers about the progress of learning, for logs and progress bars. Must not run a policy."""
        return {}

    def _provenance(self) -> dict[str, Any]:
        """More facts for the front's provenance."""
        return {}

    # ---- seeds -----------------------------------------------------------------------------------------

    def seeds(self, purpose: str, *index: int) -> np.random.SeedSequence:
        """The seeds of one purpose: a branch of the tree that grows from ``seed``."""
        return np.random.SeedSequence(self.seed, spawn_key=(_PURPOSES[purpose], *index))

    def rng(self, purpose: str, *index: int) -> np.random.Generator:
        """A generator on :meth:`seeds`."""
        return np.random.default_rng(self.seeds(purpose, *index))

    def integer_seed(self, purpose: str, *index: int) -> int:
        """A 31-bit seed on :meth:`seeds`, for libraries that want an integer."""
        return int(self.seeds(purpose, *index).generate_state(1)[0] & 0x7FFFFFFF)

    def segment_seed(self) -> int:
        """Seed of the episodes that begin in this call of ``_learn``."""
        return self.integer_seed("train", self._segment)

    # ---- learning --------------------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """Fraction of the requested steps that are done, in ``[0, 1]``, for schedules."""
        return min(1.0, self.num_timesteps / max(1, self.target_timesteps))

    def learn(
        self,
        total_timesteps: float | str,
        callback: Any = None,
        log_interval: int | None = None,
        progress_bar: bool = False,
    ) -> Self:
        """Learn from ``total_timesteps`` more environment steps.

        Args:
            total_timesteps: steps, summed over parallel environments; ``100_000``, ``1e5`` and ``"100k"`` are the same.
            callback: a :class:`Callback`, a function of the agent (``False`` stops), or a list of them.
            log_interval: environment steps between rows sent to ``logger``; ``None`` sends none.
            progress_bar: show a bar on stderr, with the hypervolume where it can be computed exactly.

        Raises:
            EnvError: a reward that is not a finite vector of length K. What was learned is kept.
            LearningInterrupted: Ctrl-C. What was learned is kept, and the message says what it is.
        """
        total_timesteps = as_count(total_timesteps, "total_timesteps", 1, AgentError)
        self._training.run(total_timesteps, callback, log_interval, progress_bar)
        return self

    def advance(self, steps: int) -> None:
        """Count ``steps`` environment steps, log, call callbacks, and stop where one of them (or Ctrl-C) says so."""
        self._training.advance(steps)

    @property
    def seconds(self) -> float:
        """Wall-clock spent in :meth:`learn`, without compilation and without evaluation by callbacks."""
        return self._training.watch.seconds

    @property
    def compile_seconds(self) -> float:
        """Wall-clock spent on compilation in :meth:`learn`: once per machine, later processes load the result."""
        return self._training.watch.compiled

    # ---- acting ----------------------------------------------------------------------------------------

    def predict(
        self,
        observation: Any,
        state: Mapping[str, Array] | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
        *,
        preference: Preference | None = None,
        raw: bool = False,
        accrued: ArrayLike | None = None,
    ) -> tuple[Any, dict[str, Array] | None]:
        """Actions for an observation, or for a batch of them.

        Once a front has been measured (:meth:`front`), the policy that acts for a preference is the measured one that
        is best for it; before, and after more learning, it is what the agent has learned for that preference.

        Args:
            observation: ``(...)`` or ``(n, ...)``.
            state: what the last call returned; ``None`` at the beginning of an episode.
            episode_start: ``(n,)`` true where an episode has just begun; its state is forgotten.
            deterministic: take the most likely action.
            preference: weights ``(K,)`` or ``(n, K)`` on the simplex (integers are welcome), or a mapping of
                objective names to weights; equal ones by default. They weigh the objectives on their return scale:
                best is the policy with the largest ``Σ w_k J_k / (high_k − low_k)``, or ``Σ w_k J_k`` where the
                environment states no ``return_scale``.
            raw: the weights are of raw returns, ``Σ w_k J_k``, whatever the return scale is.
            accrued: ``(K,)`` or ``(n, K)`` discounted reward since the episode began, which policies that optimise
                the return of each single episode need.

        Returns:
            Actions, and the state for the next call (``None`` where policies need none).

        Raises:
            SpecError: a preference off the simplex or of the wrong length.
            AgentError: an observation of the wrong shape, a preference given to an agent with one policy only, or
                ``accrued`` missing where it is needed.
        """
        policies = self._for_preference(preference, raw)
        return act(self, policies, None, observation, state, episode_start, deterministic, accrued)

    def _for_preference(self, preference: Preference | None, raw: bool = False) -> PolicySet:
        """The policies for a caller's preferences: measured ones where there are any."""
        if not self.info.multi_policy:
            if preference is not None:
                raise AgentError(f"{self.info.name} has one policy, made for its utility; leave preference out")
            return self._policies(None)
        given = np.full((1, self.k), 1.0 / self.k) if preference is None else preference
        weights = raw_weights(given, self.spec, raw=raw)
        front = self.measured
        if front is None or not front.policies:
            return self._policies(weights)
        handles: tuple[PolicyHandle, ...] = front.policies
        best = (weights @ front.points.T).argmax(axis=1)
        return Subset(handles[0].policies, np.array([handles[i].number for i in best]))

    @property
    def measured(self) -> Front | None:
        """The front that :meth:`front` measured last, while it is of the present policies; saved with the agent."""
        if self._saved_front is not None:  # rebuilt on first use: numbering the policies can take a while
            facts, self._saved_front = self._saved_front, None
            self._measured = from_facts(self, facts)
        return self._measured

    def _forget_front(self) -> None:
        self._measured = self._saved_front = None

    # ---- measuring -------------------------------------------------------------------------------------

    @property
    def eval_steps(self) -> int:
        """Environment steps spent on evaluation so far."""
        return self._evaluator.steps

    @property
    def _evaluates_deterministically(self) -> bool:
        """Whether fronts are measured with the most likely actions (true) or with drawn ones."""
        return True

    def evaluate(
        self,
        preference: Preference | None = None,
        episodes: int = 100,
        *,
        raw: bool = False,
        discount: float | None = None,
        seed: int | None = None,
        distributions: bool = False,
        exact: bool | None = None,
    ) -> Evaluation:
        """Measure the policies that :meth:`predict` plays for given preferences (or the agent's only policy).

        Preferences are as in :meth:`predict`, everything else as in :meth:`Evaluator.evaluate`.
        """
        return self._evaluator.evaluate(
            self._for_preference(preference, raw),
            episodes,
            discount=discount,
            seed=seed,
            deterministic=self._evaluates_deterministically,
            distributions=distributions,
            exact=exact,
        )

    def front(
        self,
        episodes: int = 100,
        seed: int | None = None,
        *,
        discount: float | None = None,
        exact: bool | None = None,
        budget: int | None = None,
    ) -> Front:
        """The agent's policies, measured afresh, without those that others dominate.

        Where values are sampled, half of the episodes choose which policies are reported, and the other half say
        what those are worth: a lucky draw does not stay on the front.

        The front is kept as :attr:`measured`, and :meth:`predict` plays its policies, until the agent learns more.
        (A front under another discount than the agent's own is not kept.) Its ``weights`` are on the return scale.

        Args:
            episodes: episodes per policy where sampling is needed (exact where the environment has a model).
            seed: seed of the sampled episodes; a fresh one per call by default.
            discount: γ of the reported returns; the environment's (or the config's) by default.
            exact: as in :meth:`Evaluator.evaluate`.
            budget: environment steps to spend; fewer episodes are played where they take more.
        """
        policies = self._policies(None)
        seeds = [None, None] if seed is None else np.random.SeedSequence(seed).spawn(2)
        first = max(1, episodes // 2)
        how: dict[str, Any] = {"discount": discount, "deterministic": self._evaluates_deterministically, "exact": exact}
        spent, half = self._evaluator.steps, None if budget is None else budget // 2
        result = self._evaluator.evaluate(policies, first, seed=seeds[0], budget=half, **how)
        kept = np.flatnonzero(nondominated_mask(result.mean))
        if not result.exact:
            chosen = Subset(policies, kept)
            left = None if budget is None else budget - (self._evaluator.steps - spent)
            result = self._evaluator.evaluate(chosen, max(1, episodes - first), seed=seeds[1], budget=left, **how)
            again = np.flatnonzero(nondominated_mask(result.mean))
            rows, kept = again, kept[again]
        else:
            rows = kept
        return self._keep(as_front(self, result, rows, policies, kept, self._evaluator.steps - spent))

    def point(
        self, preference: Preference | None = None, episodes: int = 100, seed: int | None = None, *, raw: bool = False
    ) -> Front:
        """What :meth:`evaluate` finds for one preference, as a front of one point."""
        policies, spent = self._for_preference(preference, raw), self._evaluator.steps
        result = self.evaluate(preference, episodes, seed=seed, raw=raw)
        one = np.zeros(1, dtype=np.int64)
        return as_front(self, result, one, policies, one, self._evaluator.steps - spent)

    def _keep(self, front: Front) -> Front:
        """Remember a front of the present policies, under the agent's own discount."""
        if front.discount == self.discount and len(front):
            self._measured, self._saved_front = front, None
        return front

    # ---- files -----------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write everything needed to go on learning into the folder ``path`` (see :mod:`morl.agents.core.checkpoint`).

        Raises:
            RunError: a parameter is NaN or infinite, or the folder cannot be written; a checkpoint there stays.
        """
        arrays, facts = self._state()
        return checkpoint.save(path, {**facts_of(self), "facts": facts}, arrays, self._unset)

    def _measured_facts(self) -> Mapping[str, Any] | None:
        """The measured front, as a checkpoint keeps it."""
        return to_facts(self._measured) if self._saved_front is None else self._saved_front

    @classmethod
    def load(cls, path: str | Path, env: Any, **own: Any) -> Self:
        """An agent as it was saved.

        Args:
            path: the folder written by :meth:`save`.
            env: the environment (or its id) to act and go on learning in.
            own: what no file holds, a function as ``utility`` and classes in ``policy_kwargs``, or another ``device``.

        Raises:
            RunError: no checkpoint there, damaged beyond the previous one, or of another algorithm or environment.
        """
        return restored(cls, path, env, **own)
