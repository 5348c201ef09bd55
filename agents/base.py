"""What every agent has in common: stable-baselines3's manners, for many objectives.

A subclass says how it learns (:meth:`Agent._learn`), which policies it offers (:meth:`Agent._policies`) and what it
keeps (:meth:`~morl.agents.core.stateful.Stateful._keeps`); seeds, callbacks, prediction, evaluation, fronts, files,
interrupts and errors are here.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from numpy.typing import ArrayLike

from morl.agents.core import checkpoint
from morl.agents.core.actions import ActionMap, one_line
from morl.agents.core.callbacks import Callback, CallbackList, ProgressBar, as_callback
from morl.agents.core.config import AgentConfig, make_config, to_dict, tuned_options
from morl.agents.core.errors import DivergedError, UtilityNeededError
from morl.agents.core.evaluation import Evaluation, Evaluator
from morl.agents.core.info import AlgoInfo
from morl.agents.core.logger import Logger, NullLogger
from morl.agents.core.memory import allocating
from morl.agents.core.observations import batch_of, count_rows, is_countable, unreadable
from morl.agents.core.policies import Decision, PolicySet, Subset
from morl.agents.core.preferences import raw_weights, return_range, to_scaled
from morl.agents.core.problem import Problem
from morl.agents.core.stateful import Stateful
from morl.agents.core.threads import one_thread
from morl.compile_time import Stopwatch
from morl.counts import as_count
from morl.envs.recorded import check_words
from morl.pareto.front import Front
from morl.pareto.indicators import nondominated_mask
from morl.spec import AgentError, FloatArray, IntArray, MorlError, RunError

Array = np.ndarray[Any, Any]
Preference = ArrayLike | Mapping[str, float] | Sequence[Mapping[str, float]]
"""Weights on the simplex, by position or by objectives' names (:func:`~morl.agents.core.preferences.raw_weights`)."""

_PURPOSES = {"train": 0, "evaluation": 1, "network": 2, "explore": 3, "predict": 4, "sample": 5, "worker": 6}


class LearningInterrupted(KeyboardInterrupt):
    """Ctrl-C during :meth:`Agent.learn`: the message says what was learned, and the agent can be used and saved."""


class _Stop(Exception):
    """A callback asked to stop."""


def _terminated(number: int, frame: Any) -> None:
    raise KeyboardInterrupt("terminated")


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM raise :class:`KeyboardInterrupt` as Ctrl-C does, unless somebody handles it already."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class PolicyHandle:
    """One policy of an agent, as found behind a point of its front: acts without being told a preference."""

    def __init__(self, agent: Agent, policies: PolicySet, number: int) -> None:
        self.agent, self.policies, self.number = agent, policies, number

    def predict(
        self,
        observation: Any,
        state: Mapping[str, Array] | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
        *,
        accrued: ArrayLike | None = None,
    ) -> tuple[Any, dict[str, Array] | None]:
        """As :meth:`Agent.predict`, for this policy."""
        return self.agent._act(self.policies, self.number, observation, state, episode_start, deterministic, accrued)

    def __repr__(self) -> str:
        return f"{self.agent.info.name} policy {self.number}"


class Agent(Stateful, ABC):
    """Base of every agent.

    Args:
        env: an id, an environment with vector rewards, or a vector environment.
        config: a ``Config``, or a mapping of options.
        seed: root of every random number the agent uses; ``None`` draws one (and :attr:`seed` names it).
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
        named = {**(config or {}), **options}
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
        self._check_spaces()
        if seed is not None and (not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0):
            raise AgentError(f"seed is {seed!r}; expected a non-negative integer or None")
        self.seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0]) if seed is None else int(seed)
        self.logger: Logger = NullLogger()
        self.num_timesteps = 0
        self.target_timesteps = 0
        self._watch = Stopwatch()
        self._segment = 0
        self._evaluator = Evaluator(self.problem, self.seeds("evaluation"), self.config.eval_envs)
        self._rng_predict = self.rng("predict")
        self._callbacks: CallbackList = CallbackList([])
        self._interrupted = False
        self._log_interval: int | None = None
        self._next_log = 0
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

    # ---- checks ----------------------------------------------------------------------------------------

    def _check_spaces(self) -> None:
        name = self.info.name
        unread = unreadable(self.observation_space)
        if unread is not None:
            raise AgentError(
                f"{name} cannot read {type(unread).__name__} observations; {self.problem.id} has "
                f"{one_line(self.observation_space)}; use Box, Discrete, MultiDiscrete, "
                "MultiBinary, or Dicts and Tuples of them"
            )
        if "vector" not in self.info.observations and not is_countable(self.observation_space):
            raise AgentError(
                f"{name} is tabular and needs countable observations; {self.problem.id} has "
                f"{one_line(self.observation_space)}"
            )
        if self.info.needs_model and self.problem.model is None:
            raise AgentError(f"{name} needs a finite model; {self.problem.id} has no momdp()")

    # ---- seeds -----------------------------------------------------------------------------------------

    def seeds(self, purpose: str, *index: int) -> np.random.SeedSequence:
        """The seeds of one purpose: a branch of the tree that grows from :attr:`seed`."""
        return np.random.SeedSequence(self.seed, spawn_key=(_PURPOSES[purpose], *index))

    def rng(self, purpose: str, *index: int) -> np.random.Generator:
        """A generator on :meth:`seeds`."""
        return np.random.default_rng(self.seeds(purpose, *index))

    def integer_seed(self, purpose: str, *index: int) -> int:
        """A 31-bit seed on :meth:`seeds`, for libraries that want an integer."""
        return int(self.seeds(purpose, *index).generate_state(1)[0] & 0x7FFFFFFF)

    def segment_seed(self) -> int:
        """Seed of the episodes that begin in this call of :meth:`_learn`."""
        return self.integer_seed("train", self._segment)

    # ---- learning --------------------------------------------------------------------------------------

    @property
    def progress(self) -> float:
        """Fraction of the steps asked for that are done, in ``[0, 1]``, for schedules."""
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
            total_timesteps: environment steps, over all copies; ``100_000``, ``1e5`` and ``"100k"`` are the same.
            callback: a :class:`Callback`, a function of the agent (``False`` stops), or a list of them.
            log_interval: environment steps between rows sent to :attr:`logger`; ``None`` sends none.
            progress_bar: show a bar on stderr, with the hypervolume where it can be computed exactly.

        Raises:
            EnvError: a reward that is not a finite vector of length K. What was learned is kept.
            LearningInterrupted: Ctrl-C. What was learned is kept, and the message says what it is.
        """
        total_timesteps = as_count(total_timesteps, "total_timesteps", 1, AgentError)
        extra: list[Callback] = [ProgressBar()] if progress_bar else []
        self._callbacks = CallbackList([*as_callback(callback).callbacks, *extra])
        self._log_interval = log_interval
        self._next_log = self.num_timesteps + (log_interval or 0)
        self._interrupted = False
        self.target_timesteps = self.num_timesteps + total_timesteps
        every = self._callbacks.segment_every
        self._callbacks.on_training_start(self)
        self._watch.start()
        try:
            with self._orderly_interrupt(), allocating(self.info.name), one_thread():
                while self.num_timesteps < self.target_timesteps:
                    until = self.target_timesteps
                    if every:
                        until = min(until, (self.num_timesteps // every + 1) * every)
                    self._segment += 1
                    self._forget_front()
                    self._learn(until)
                    self._watch.stop()
                    self._callbacks.on_segment_end(self)
                    self._watch.start()
        except _Stop:
            self._callbacks.on_segment_end(self)
        except KeyboardInterrupt:
            raise LearningInterrupted(self._farewell(None)) from None
        except Exception as error:
            if isinstance(error, DivergedError):
                error.args = (f"{self.info.name} diverged after {self.num_timesteps:,} steps: {error}",)
            place = self._callbacks.on_failure(self, error)
            if place:
                error.add_note(f"what was learned in {self.num_timesteps:,} steps is in {place}")
            raise
        finally:
            self._callbacks.on_training_end(self)
        return self

    def advance(self, steps: int) -> None:
        """Count ``steps`` environment steps, log, call callbacks, and stop where one of them (or Ctrl-C) says so."""
        self.num_timesteps += int(steps)
        self._watch.stop()
        if self._log_interval and self.num_timesteps >= self._next_log:
            self._next_log = self.num_timesteps + self._log_interval
            self.logger.log({"seconds": self.seconds, **self.status()}, self.num_timesteps)
        go_on = self._callbacks.on_step(self)
        self._watch.start()
        if self._interrupted:
            raise KeyboardInterrupt
        if not go_on:
            raise _Stop
        self._forget_front()  # what a callback measured is about to change

    @property
    def seconds(self) -> float:
        """Wall-clock spent in :meth:`learn`, without compilation and without evaluation by callbacks."""
        return self._watch.seconds

    @property
    def compile_seconds(self) -> float:
        """Wall-clock spent on compilation in :meth:`learn`: once per machine, later processes load the result."""
        return self._watch.compiled

    def _farewell(self, place: str | None) -> str:
        done = f"interrupted after {self.num_timesteps:,} of {self.target_timesteps:,} steps"
        known = ", ".join(f"{key} {value:.4g}" for key, value in self.status().items())
        kept = f"what {self.info.name} learned is kept{f' ({known})' if known else ''}"
        return f"{done}; {kept}: front(), predict() and save() work, learn() goes on"

    @contextlib.contextmanager
    def _orderly_interrupt(self) -> Iterator[None]:
        """Let Ctrl-C (or SIGTERM) wait for the end of a round of steps and updates; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: Any) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        # Whoever handles SIGTERM in a way of their own keeps it.
        default = signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _terminated)
        numbers = (signal.SIGINT, signal.SIGTERM) if default else (signal.SIGINT,)
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if self._interrupted:
            raise KeyboardInterrupt

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
        return self._act(
            self._for_preference(preference, raw), None, observation, state, episode_start, deterministic, accrued
        )

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
        if self._saved_front is not None:  # rebuilt when it is asked for: numbering the policies can take a while
            facts, self._saved_front = self._saved_front, None
            self._measured = self._front_from(facts)
        return self._measured

    def _forget_front(self) -> None:
        self._measured = self._saved_front = None

    def _act(
        self,
        policies: PolicySet,
        number: int | None,
        observation: Any,
        state: Mapping[str, Array] | None,
        episode_start: ArrayLike | None,
        deterministic: bool,
        accrued: ArrayLike | None,
    ) -> tuple[Any, dict[str, Array] | None]:
        batch, was_batch = batch_of(self.observation_space, observation)
        n = count_rows(batch)
        if number is not None:
            which = np.full(n, number, dtype=np.int64)
        elif len(policies) in (1, n):
            which = np.arange(n, dtype=np.int64) % len(policies)
        else:
            raise AgentError(f"{len(policies)} preferences for {n} observations; expected 1 or {n}")
        if policies.needs_accrued and accrued is None:
            raise AgentError(
                f"{self.info.name} acts on the reward accrued so far; give predict(accrued=...) the discounted sum of "
                "rewards since the episode began (zeros at its start)"
            )
        total = np.zeros((n, self.k)) if accrued is None else np.atleast_2d(np.asarray(accrued, dtype=np.float64))
        if total.shape != (n, self.k):
            raise AgentError(f"accrued has shape {total.shape}; expected ({n}, {self.k})")
        memory, steps = self._memory(policies, which, state, episode_start)
        chosen, memory = policies.act(Decision(which, batch, memory, total, steps, self._rng_predict, deterministic))
        actions = self.actions.to_env(chosen)
        carried = {**memory, "time": steps + 1} if policies.needs_accrued or policies.has_memory else None
        if was_batch:
            return actions, carried
        return (int(actions[0]) if isinstance(self.action_space, spaces.Discrete) else actions[0]), carried

    def _memory(
        self, policies: PolicySet, which: Array, state: Mapping[str, Array] | None, episode_start: ArrayLike | None
    ) -> tuple[dict[str, Array], Array]:
        n = len(which)
        if state is None:
            return policies.start(which, self._rng_predict), np.zeros(n, dtype=np.int64)
        memory = {key: np.array(value) for key, value in state.items() if key != "time"}
        steps = np.array(state["time"])
        if len(steps) != n:
            raise AgentError(f"state has {len(steps)} rows for {n} observations; pass the one returned for them")
        if episode_start is not None:
            fresh = np.flatnonzero(np.broadcast_to(np.asarray(episode_start, dtype=bool), (n,)))
            if len(fresh):
                steps[fresh] = 0
                for key, value in policies.start(which[fresh], self._rng_predict).items():
                    memory[key][fresh] = value
        return memory, steps

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
        """
        policies = self._policies(None)
        seeds = [None, None] if seed is None else np.random.SeedSequence(seed).spawn(2)
        first = max(1, episodes // 2)
        how: dict[str, Any] = {
            "discount": discount,
            "deterministic": self._evaluates_deterministically,
            "exact": exact,
        }
        spent = self._evaluator.steps
        result = self._evaluator.evaluate(policies, first, seed=seeds[0], **how)
        kept = np.flatnonzero(nondominated_mask(result.mean))
        if not result.exact:
            chosen = Subset(policies, kept)
            result = self._evaluator.evaluate(chosen, max(1, episodes - first), seed=seeds[1], **how)
            again = np.flatnonzero(nondominated_mask(result.mean))
            rows, kept = again, kept[again]
        else:
            rows = kept
        return self._keep(self._as_front(result, rows, policies, kept, self._evaluator.steps - spent))

    def point(
        self, preference: Preference | None = None, episodes: int = 100, seed: int | None = None, *, raw: bool = False
    ) -> Front:
        """What :meth:`evaluate` finds for one preference, as a front of one point."""
        policies, spent = self._for_preference(preference, raw), self._evaluator.steps
        result = self.evaluate(preference, episodes, seed=seed, raw=raw)
        one = np.zeros(1, dtype=np.int64)
        return self._as_front(result, one, policies, one, self._evaluator.steps - spent)

    def _as_front(
        self, result: Evaluation, rows: IntArray, policies: PolicySet, numbers: IntArray, spent: int
    ) -> Front:
        """Rows of an evaluation as a front; ``numbers`` say which of the policies they are."""
        return Front(
            result.mean[rows],
            objectives=self.spec.objectives,
            ref_point=self.spec.ref_point,
            discount=result.discount,
            policies=[PolicyHandle(self, policies, int(i)) for i in numbers],
            weights=self._reported(policies, numbers),
            covariance=result.covariance[rows],
            episodes=result.episodes[rows],
            scale=self.spec.return_scale,
            provenance={
                "algorithm": self.info.name,
                "policy_class": self.info.policy_class,
                "criterion": self.info.criterion[0],
                "env": self.problem.id,
                "seed": self.seed,
                "steps": self.num_timesteps,
                "eval_steps": spent,
                "seconds": round(self.seconds, 6),
                "compile_seconds": round(self.compile_seconds, 6),
                **self._provenance(),
            },
        )

    def _reported(self, policies: PolicySet, kept: Array) -> FloatArray | None:
        """What stands behind each policy, as a caller would ask for it: a preference, or a command."""
        if policies.preferences is None:
            return None
        given = np.asarray(policies.preferences, dtype=np.float64)[kept]
        span = None if policies.commanded else return_range(self.spec)
        return given if span is None else to_scaled(given, span)

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
        meta = {
            "algorithm": self.info.name,
            "config": to_dict(self.config),
            "seed": self.seed,
            "env": self.problem.id,
            "objectives": [o.to_dict() for o in self.spec.objectives],
            "discount": self.discount,
            "num_timesteps": self.num_timesteps,
            "target_timesteps": self.target_timesteps,
            "segment": self._segment,
            "seconds": self.seconds,
            "eval_steps": self._evaluator.steps,
            "eval_calls": self._evaluator._calls,
            "measured": self._measured_facts(),
            "facts": facts,
            "run": self.run,
        }
        return checkpoint.save(path, meta, arrays, self._unset)

    def _measured_facts(self) -> Mapping[str, Any] | None:
        """The measured front, and which of the agent's policies its points are."""
        if self._saved_front is not None or self._measured is None or not self._measured.policies:
            return self._saved_front
        handles: tuple[PolicyHandle, ...] = self._measured.policies
        numbers = [handle.number for handle in handles]
        return {"front": self._measured.to_dict(), "numbers": numbers, "of": len(handles[0].policies)}

    def _front_from(self, facts: Mapping[str, Any]) -> Front | None:
        """The inverse of :meth:`_measured_facts`; ``None`` where the front does not fit the agent's policies."""
        policies = self._policies(None)
        front, numbers = Front.from_dict(facts["front"]), [int(i) for i in facts["numbers"]]
        fits = len(policies) == facts["of"] and all(0 <= i < len(policies) for i in numbers)
        if not fits or len(numbers) != len(front) or front.k != self.k:
            return None
        return front.replace(policies=tuple(PolicyHandle(self, policies, i) for i in numbers))

    @classmethod
    def load(cls, path: str | Path, env: Any) -> Self:
        """An agent as it was saved.

        Args:
            path: the folder written by :meth:`save`.
            env: the environment (or its id) to act and go on learning in.

        Raises:
            RunError: no checkpoint there, damaged beyond the previous one, or of another algorithm or environment.
        """
        return cls._load(path, env)

    @classmethod
    def _load(cls, path: str | Path, env: Any, **more: Any) -> Self:
        """As :meth:`load`, with further arguments for the constructor."""
        saved = checkpoint.load(path)
        meta, where = saved.meta, f"checkpoint {str(path)!r}"
        try:
            check_words(meta["config"], where)
            if meta["algorithm"] != cls.info.name:
                raise RunError(f"{where} is of {meta['algorithm']}; load it with morl.agents.load")
            agent = cls(env, meta["config"], seed=meta["seed"], tuned=False, **more)
            names = tuple(o["name"] for o in meta["objectives"])
            if names != agent.spec.names or meta["env"] != agent.problem.id:
                raise RunError(
                    f"{where} is of {meta['env']} ({', '.join(names)}); "
                    f"given was {agent.problem.id} ({', '.join(agent.spec.names)})"
                )
            agent.num_timesteps, agent.target_timesteps = (
                _count(meta, "num_timesteps"),
                _count(meta, "target_timesteps"),
            )
            agent._segment, agent._watch.seconds = _count(meta, "segment"), float(meta["seconds"])
            agent._evaluator.steps, agent._evaluator._calls = _count(meta, "eval_steps"), _count(meta, "eval_calls")
            agent.run = meta.get("run")
            agent._admit(saved)
            agent._saved_front = meta.get("measured")
        except (RunError, UtilityNeededError):
            raise
        except (MorlError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RunError(f"{where} does not fit {cls.info.name} in this environment ({what})") from None
        return agent

    def _admit(self, saved: checkpoint.Checkpoint) -> None:
        """Restore what was saved, once it has the names, dtypes and shapes that an agent of this config has.

        What a fresh agent has says what is expected: the same dtypes and row shapes, and as many rows or more. After
        restoring, the agent's state must be what was given, array for array: whatever was left out, left over,
        converted or stretched on the way in shows here.

        Raises:
            RunError: an array that does not fit, by name.
        """
        checkpoint.require_finite(saved.arrays, self._unset, "it is of no use")
        for name, expected in self._state()[0].items():
            if name in saved.arrays:
                _require_like(name, saved.arrays[name], expected, self._widening)
        self._restore(saved.arrays, saved.meta["facts"])
        again = self._state()[0]
        missing, surplus = sorted(again.keys() - saved.arrays.keys()), sorted(saved.arrays.keys() - again.keys())
        if surplus or (missing and saved.complete):
            raise RunError(
                f"checkpoint does not fit {self.info.name}: "
                + (f"it lacks {missing[0]}" if missing else f"{surplus[0]} is none of its arrays")
            )
        for name, given in saved.arrays.items():
            kept = np.asarray(again[name])
            if kept.dtype != given.dtype or kept.shape != given.shape:
                raise RunError(
                    f"checkpoint does not fit {self.info.name}: {name} is {given.dtype} {given.shape}; "
                    f"expected {kept.dtype} {kept.shape}"
                )


def _count(meta: Mapping[str, Any], name: str) -> int:
    value = meta[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise RunError(f"checkpoint has {name} = {value!r}; expected a non-negative integer")
    return value


def _require_like(name: str, given: Array, expected: Array, widening: Collection[str]) -> None:
    """Refuse an array that a fresh agent's array of that name cannot have become."""
    expected = np.asarray(expected)
    same = given.dtype == expected.dtype and given.ndim == expected.ndim
    if same and given.ndim and name not in widening:
        same = given.shape[1:] == expected.shape[1:] and given.shape[0] >= expected.shape[0]
    if not same:
        raise RunError(
            f"checkpoint does not fit: {name} is {given.dtype} {given.shape}; expected {expected.dtype} "
            f"{expected.shape} or more rows"
        )


def check_arguments(name: str, env: Any, config: Any) -> None:
    """Say what is wrong with arguments in another library's order before anything is made of them."""
    is_env = isinstance(config, gym.Env | VectorEnv)
    if isinstance(env, str) and (env.endswith("Policy") or is_env):
        raise AgentError(f"{name}({env!r}, ...): the environment comes first and no policy is named; write {name}(env)")
    if isinstance(env, type):
        raise AgentError(f"env is the class {env.__name__}; give an environment, {env.__name__}(), or an id")
    if config is not None and not isinstance(config, Mapping):
        kind = "a second environment" if is_env else repr(config)
        raise AgentError(f"config of {name} is {kind}; expected options by name, {name}(env, lr=1e-3) or a mapping")


def load(path: str | Path, env: Any, **more: Any) -> Agent:
    """An agent of whatever algorithm was saved in ``path``; see :meth:`Agent.load`, which ``more`` is for."""
    from morl.agents import registry

    name = checkpoint.load_meta(path).get("algorithm")
    try:
        kind = registry.get(str(name))
    except MorlError as error:
        raise RunError(f"checkpoint {str(path)!r} is of an algorithm that is not here: {error}") from None
    return kind.load(path, env, **more)
