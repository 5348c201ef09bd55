"""What every agent has in common: stable-baselines3's manners, for many objectives.

A subclass says how it learns (:meth:`Agent._learn`), which policies it offers (:meth:`Agent._policies`) and what its
state is (:meth:`Agent._state`, :meth:`Agent._restore`); seeds, callbacks, prediction, evaluation, fronts, files,
interrupts and errors are here.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike

from morl.agents import checkpoint
from morl.agents.actions import ActionMap, one_line
from morl.agents.callbacks import Callback, CallbackList, ProgressBar, as_callback
from morl.agents.config import AgentConfig, make_config, to_dict
from morl.agents.errors import DivergedError
from morl.agents.evaluation import Evaluation, Evaluator
from morl.agents.info import AlgoInfo
from morl.agents.logger import Logger, NullLogger
from morl.agents.memory import allocating
from morl.agents.observations import batch_of, count_rows, is_countable, unreadable
from morl.agents.policies import PolicySet
from morl.agents.problem import Problem
from morl.envs.recorded import check_words
from morl.pareto.front import Front
from morl.pareto.indicators import nondominated_mask
from morl.spec import AgentError, FloatArray, MorlError, RunError, check_weights

Array = np.ndarray[Any, Any]

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


class Agent(ABC):
    """Base of every agent.

    Args:
        env: an id, an environment with vector rewards, or a vector environment.
        config: a ``Config``, or a mapping of options.
        seed: root of every random number the agent uses; ``None`` draws one (and :attr:`seed` names it).
        options: single options of ``Config``, by name.

    Raises:
        AgentError: the environment's spaces do not suit the algorithm.
        UnknownNameError: an option that does not exist.

    Attributes:
        num_timesteps: environment steps learned from.
        eval_steps: environment steps spent on evaluation.
        seconds: wall-clock spent in :meth:`learn`, evaluation by callbacks excluded.
        logger: receives numbers while learning; set it to any :class:`morl.agents.logger.Logger`.
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
        **options: Any,
    ) -> None:
        name = self.info.name
        if isinstance(config, AgentConfig):
            config = to_dict(config)
        self.config = make_config(self.Config, {**(config or {}), **options}, name)
        self.problem = Problem(env, self.config.discount, self.info)
        assert self.problem.actions is not None
        self.actions: ActionMap = self.problem.actions
        self.spec, self.k, self.discount = self.problem.spec, self.problem.spec.k, self.problem.discount
        self.observation_space, self.action_space = self.problem.observation_space, self.problem.action_space
        self._check_spaces()
        if seed is not None and (isinstance(seed, bool) or int(seed) != seed or seed < 0):
            raise AgentError(f"seed is {seed!r}; expected a non-negative integer or None")
        self.seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0]) if seed is None else int(seed)
        self.logger: Logger = NullLogger()
        self.num_timesteps = 0
        self.target_timesteps = 0
        self.seconds = 0.0
        self._segment = 0
        self._evaluator = Evaluator(self.problem, self.seeds("evaluation"), self.config.eval_envs)
        self._rng_predict = self.rng("predict")
        self._callbacks: CallbackList = CallbackList([])
        self._interrupted = False
        self._log_interval: int | None = None
        self._next_log = 0
        self._clock = 0.0
        with allocating(name):
            self._setup()

    # ---- what a subclass says --------------------------------------------------------------------------

    def _setup(self) -> None:  # noqa: B027  # nothing to allocate is a fine answer
        """Allocate what learning needs. The environment is known; nothing is learned yet."""

    @abstractmethod
    def _learn(self, until: int) -> None:
        """Begin episodes anew (seeded by :meth:`segment_seed`) and learn until ``num_timesteps >= until``.

        Call :meth:`advance` after each round of steps and updates. Everything that is carried to the next call must
        be in :meth:`_state`: a new call must not depend on anything else.
        """

    @abstractmethod
    def _policies(self, preferences: FloatArray | None) -> PolicySet:
        """The policies for weights ``(m, K)``; for ``None`` all policies that the agent would put on its front."""

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Arrays and JSON-able facts from which :meth:`_restore` rebuilds the agent exactly."""
        return {}, {}

    def _restore(self, arrays: dict[str, Array], facts: dict[str, Any]) -> None:  # noqa: B027
        """The inverse of :meth:`_state`."""

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
        total_timesteps: int,
        callback: Any = None,
        log_interval: int | None = None,
        progress_bar: bool = False,
    ) -> Self:
        """Learn from ``total_timesteps`` more environment steps.

        Args:
            total_timesteps: environment steps, over all copies.
            callback: a :class:`Callback`, a function of the agent (``False`` stops), or a list of them.
            log_interval: environment steps between rows sent to :attr:`logger`; ``None`` sends none.
            progress_bar: show a bar on stderr, with the hypervolume where it can be computed exactly.

        Raises:
            EnvError: a reward that is not a finite vector of length K. What was learned is kept.
            LearningInterrupted: Ctrl-C. What was learned is kept, and the message says what it is.
        """
        if isinstance(total_timesteps, bool) or int(total_timesteps) != total_timesteps or total_timesteps < 1:
            raise AgentError(f"total_timesteps is {total_timesteps!r}; expected a positive integer")
        extra: list[Callback] = [ProgressBar()] if progress_bar else []
        self._callbacks = CallbackList([*as_callback(callback).callbacks, *extra])
        self._log_interval = log_interval
        self._next_log = self.num_timesteps + (log_interval or 0)
        self._interrupted = False
        self.target_timesteps = self.num_timesteps + int(total_timesteps)
        every = self._callbacks.segment_every
        self._callbacks.on_training_start(self)
        self._clock = time.perf_counter()
        try:
            with self._orderly_interrupt(), allocating(self.info.name), self._one_thread():
                while self.num_timesteps < self.target_timesteps:
                    until = self.target_timesteps
                    if every:
                        until = min(until, (self.num_timesteps // every + 1) * every)
                    self._segment += 1
                    self._learn(until)
                    self._tick()
                    self._callbacks.on_segment_end(self)
                    self._clock = time.perf_counter()
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
        self._tick()
        if self._log_interval and self.num_timesteps >= self._next_log:
            self._next_log = self.num_timesteps + self._log_interval
            self.logger.log({"seconds": self.seconds, **self.status()}, self.num_timesteps)
        go_on = self._callbacks.on_step(self)
        self._clock = time.perf_counter()
        if self._interrupted:
            raise KeyboardInterrupt
        if not go_on:
            raise _Stop

    def _tick(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self._clock
        self._clock = now

    def _farewell(self, place: str | None) -> str:
        done = f"interrupted after {self.num_timesteps:,} of {self.target_timesteps:,} steps"
        known = ", ".join(f"{key} {value:.4g}" for key, value in self.status().items())
        kept = f"what {self.info.name} learned is kept{f' ({known})' if known else ''}"
        return f"{done}; {kept}: front(), predict() and save() work, learn() goes on"

    @staticmethod
    def _one_thread() -> contextlib.AbstractContextManager[None]:
        """Torch computes in one thread while learning, where it is used, so that results do not depend on their number.

        More threads round sums differently, and gain nothing for networks of the usual size.
        """
        if "torch" not in sys.modules:  # tables need none, and importing it takes seconds
            return contextlib.nullcontext()
        from morl.agents.parameters import one_thread

        return one_thread()

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
        preference: ArrayLike | None = None,
        accrued: ArrayLike | None = None,
    ) -> tuple[Any, dict[str, Array] | None]:
        """Actions for an observation, or for a batch of them.

        Args:
            observation: ``(...)`` or ``(n, ...)``.
            state: what the last call returned; ``None`` at the beginning of an episode.
            episode_start: ``(n,)`` true where an episode has just begun; its state is forgotten.
            deterministic: take the most likely action.
            preference: weights ``(K,)`` or ``(n, K)`` on the simplex (integers are welcome); equal ones by default.
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
            self._for_preference(preference), None, observation, state, episode_start, deterministic, accrued
        )

    def _for_preference(self, preference: ArrayLike | None) -> PolicySet:
        if not self.info.multi_policy:
            if preference is not None:
                raise AgentError(f"{self.info.name} has one policy, made for its utility; leave preference out")
            return self._policies(None)
        given = np.full((1, self.k), 1.0 / self.k) if preference is None else np.asarray(preference)
        rows = np.atleast_2d(given)
        return self._policies(np.stack([check_weights(row, self.k, "preference") for row in rows]))

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
        chosen, memory = policies.act(which, batch, memory, total, steps, self._rng_predict, deterministic)
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
        preference: ArrayLike | None = None,
        episodes: int = 100,
        *,
        discount: float | None = None,
        seed: int | None = None,
        distributions: bool = False,
        exact: bool | None = None,
    ) -> Evaluation:
        """Measure the policies for given preferences (or the agent's only policy); see :class:`Evaluator`."""
        return self._evaluator.evaluate(
            self._for_preference(preference),
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

        Args:
            episodes: episodes per policy where sampling is needed (exact where the environment has a model).
            seed: seed of the sampled episodes; a fresh one per call by default.
            discount: γ of the reported returns; the environment's (or the config's) by default.
            exact: as in :meth:`Evaluator.evaluate`.
        """
        policies = self._policies(None)
        seeds = [None, None] if seed is None else [seed, seed + 1]
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
            from morl.agents.policies import Subset

            chosen = Subset(policies, kept)
            result = self._evaluator.evaluate(chosen, max(1, episodes - first), seed=seeds[1], **how)
            again = np.flatnonzero(nondominated_mask(result.mean))
            rows, kept = again, kept[again]
        else:
            rows = kept
        return Front(
            result.mean[rows],
            objectives=self.spec.objectives,
            ref_point=self.spec.ref_point,
            discount=result.discount,
            policies=[PolicyHandle(self, policies, int(i)) for i in kept],
            weights=None if policies.preferences is None else policies.preferences[kept],
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
                "eval_steps": self._evaluator.steps - spent,
                "seconds": round(self.seconds, 6),
                **self._provenance(),
            },
        )

    # ---- files -----------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write everything needed to go on learning into the folder ``path`` (see :mod:`morl.agents.checkpoint`).

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
            "facts": facts,
            "run": self.run,
        }
        return checkpoint.save(path, meta, arrays, self._unset)

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
            agent = cls(env, meta["config"], seed=meta["seed"], **more)
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
            agent._segment, agent.seconds = _count(meta, "segment"), float(meta["seconds"])
            agent._evaluator.steps, agent._evaluator._calls = _count(meta, "eval_steps"), _count(meta, "eval_calls")
            agent.run = meta.get("run")
            agent._admit(saved)
        except RunError:
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


def load(path: str | Path, env: Any) -> Agent:
    """An agent of whatever algorithm was saved in ``path``; see :meth:`Agent.load`."""
    from morl.agents import registry

    name = checkpoint.load_meta(path).get("algorithm")
    try:
        kind = registry.get(str(name))
    except MorlError as error:
        raise RunError(f"checkpoint {str(path)!r} is of an algorithm that is not here: {error}") from None
    return kind.load(path, env)
