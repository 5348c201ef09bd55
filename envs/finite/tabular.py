"""Any finite MOMDP as a Gymnasium environment, single and vector, by table look-up.

The dynamics live in the model and nowhere else: these classes look up rows, draw outcomes and copy observations,
so that the exact front of the model is the exact front of the environment.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable, Mapping
from operator import index as as_index
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from morl.envs.actions import check_integer, check_integers
from morl.envs.batched import check_render_mode
from morl.envs.core import Info, MOEnv, accepts_gamma, check_options, reward_space
from morl.envs.finite.fitting import check_starts, fit_observations, fit_spec
from morl.envs.finite.tables import outcomes_of, tables_of
from morl.envs.vector.native import NativeVectorEnv
from morl.momdp import MOMDP
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MOSpec

if TYPE_CHECKING:
    from morl.pareto import Front

StateRenderer = Callable[[int, str], Any]
"""``renderer(state number, "rgb_array" or "ansi")`` draws a picture ``(h, w, 3)`` of uint8, or text."""

_BLOCK = 256
"""Uniform numbers drawn from the generator at once; one by one costs more than the rest of a step."""

_NO_LIMIT = int(np.iinfo(np.int64).max)

_PATIENCE = 20.0  # seconds for a front that nobody gave a time limit


class _Finite:
    """What the single and the vector environment of a model have in common."""

    mo_spec: MOSpec
    observations: np.ndarray[Any, Any]
    _model: MOMDP
    _renderer: StateRenderer | None
    front_policies: str | None = None
    """Policy class of :meth:`pareto_front` where the usual choice would not end in reasonable time."""

    def momdp(self, discount: float | None = None) -> MOMDP:
        """The exact model, under the environment's discount or another one.

        State numbers are those of ``observations``: ``observations[s]`` is what an agent sees in state s.
        """
        return self._model.with_discount(self.mo_spec.discount if discount is None else discount)

    @accepts_gamma
    def pareto_front(self, discount: float | None = None, policies: str | None = None, **options: Any) -> Front:
        """The exact Pareto front, computed from the model (see :func:`morl.exact.solve`).

        Args:
            discount: γ; the environment's own by default.
            policies: the policy class, ``"mixture"``, ``"stationary"``, ``"markov"`` or ``"history"``. By default
                stationary deterministic policies where all of them can be enumerated, else history-dependent ones
                (on deterministic models the two have the same front, up to going round in circles).
            options: passed on to the solver; after ``time_limit`` seconds, 20 by default, the answer is what is known
                by then, with its certificate and ``complete=False``.
        """
        from morl.exact import solve

        options.setdefault("time_limit", _PATIENCE)

        policies = policies or self.front_policies
        if policies is None:
            few = self._model.n_policies <= 1e6 and self._model.horizon is None
            policies = "stationary" if few else "history"
        front: Front = solve(self.momdp(discount), policies=policies, **options)
        return front.with_spec(self.mo_spec)

    def _draw(self, state: int, mode: str) -> Any:
        if self._renderer is not None:
            return self._renderer(state, mode)
        from morl.envs.rendering.card import draw_state

        return draw_state(self._model, state, mode)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy with its own episode; the model and its tables, which never change, are shared."""
        for name in ("_model", "observations", "_tables", "_cache", "_outcomes"):
            if name in self.__dict__:
                memo[id(self.__dict__[name])] = self.__dict__[name]
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin


class TabularEnv(_Finite, MOEnv[Any, Any]):
    """The single environment of a finite model.

    Args:
        momdp: the model; states without actions are terminal.
        spec: objectives, discount and scale.
        observations: ``(S, ...)`` what is seen in each state; ``None`` shows the state's number.
        observation_space: its space; derived from ``observations`` where ``None``.
        max_steps: time limit, after which ``truncated`` is set (never together with ``terminated``).
        render_mode: ``"rgb_array"`` or ``"ansi"``.
        renderer: draws one state; a plain card with the state's label where ``None``.

    Where states differ in their actions, ``info["action_mask"]`` marks the valid ones (int8, as ``Discrete.sample``
    takes it) and taking another one is an error.

    Raises:
        EnvError: spec or observations do not fit the model.

    >>> m = MOMDP.from_arrays([[[0.0, 1.0]], [[0.0, 1.0]]], [[[1.0, -1.0]], [[0.0, 0.0]]], discount=1.0,
    ...                       terminal=[False, True], objectives=["gain", "cost"])
    >>> env = TabularEnv(m, MOSpec(m.objectives))
    >>> env.reset(seed=0)
    (0, {})
    >>> env.step(0)
    (1, array([ 1., -1.]), True, False, {})
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        momdp: MOMDP,
        spec: MOSpec,
        *,
        observations: np.ndarray[Any, Any] | None = None,
        observation_space: spaces.Space[Any] | None = None,
        max_steps: int | None = None,
        render_mode: str | None = None,
        renderer: StateRenderer | None = None,
    ) -> None:
        self._model = momdp
        self.max_steps = max_steps
        self.mo_spec = fit_spec(momdp, spec, max_steps)
        self.observations, self.observation_space = fit_observations(momdp, observations, observation_space)
        self.reward_space = reward_space(self.mo_spec)
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self._renderer = renderer
        self._limit = max_steps or _NO_LIMIT
        self._state = -1  # −1 before the first reset, −2 − s after an episode ended in state s
        self._steps = 0
        self._uniforms: list[float] = []
        self._bind()
        self.action_space = spaces.Discrete(self._width)

    def _bind(self) -> None:
        """Attach the shared look-up tables."""
        self._tables = tables = tables_of(self._model)
        self._cache = outcomes_of(tables, self.observations)
        self._outcomes = self._cache.by_state
        self._width = tables.n_actions
        self._ragged = tables.ragged
        self._scalar = self.observations.ndim == 1

    def __getstate__(self) -> dict[str, Any]:
        tables = ("_tables", "_cache", "_outcomes")
        return {key: value for key, value in self.__dict__.items() if key not in tables}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        self._bind()

    @property
    def np_random(self) -> np.random.Generator:
        """The generator. Numbers are drawn from it in blocks, and those left over are dropped when it is replaced."""
        return super().np_random

    @np_random.setter
    def np_random(self, value: np.random.Generator) -> None:
        self._uniforms = []
        gym.Env.np_random.fset(self, value)  # type: ignore[attr-defined]

    @property
    def state(self) -> int:
        """The number of the current state (the last one, after the end of an episode).

        Raises:
            EnvError: before the first reset.
        """
        if self._state == -1:
            raise EnvError("there is no state before reset; call reset() first")
        return self._state if self._state >= 0 else -2 - self._state

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start an episode; ``options={"state": s}`` starts it in state s.

        Raises:
            EnvError: an unknown option, or a start state that does not exist or is terminal.
        """
        given = check_options(options, ("state",), type(self).__name__) if options else {}
        if seed is not None:
            super().reset(seed=seed)
            self._uniforms = []
        starts = self._tables.start_states
        if "state" in given:
            state = int(check_starts(given["state"], self._model, 1)[0])
        elif len(starts) == 1:
            state = int(starts[0])
        else:
            state = int(starts[bisect_right(self._tables.start_cumulative, self._uniform())])
        self._state, self._steps = state, 0
        seen = self.observations[state]
        return (seen.item() if self._scalar else seen.copy()), (self._mask(state) if self._ragged else {})

    def step(self, action: Any) -> tuple[Any, FloatArray, bool, bool, Info]:
        """Take one action.

        Raises:
            EnvError: before reset, after the end of an episode, or on an invalid action.
        """
        state = self._state
        if state < 0:
            when = "before reset" if state == -1 else "after the episode ended"
            raise EnvError(f"step was called {when}; call reset() first")
        try:
            number = as_index(action)
        except TypeError:
            number = -1
        try:
            records = self._outcomes[state]
        except KeyError:
            records = self._cache.fill(state)
        if not 0 <= number < len(records):
            check_integer(action, self._width)
            _refuse(self._model, state, number)
        code, seen, reward = records[number]
        if code is None:  # several outcomes
            uniforms = self._uniforms or self._refill()
            code, seen, reward = reward[bisect_right(seen, uniforms.pop())]
        self._steps = steps = self._steps + 1
        target = code
        if code < 0:
            terminated, truncated, target = True, False, -2 - code
        else:
            terminated, truncated = False, steps >= self._limit
            if truncated:
                code = -2 - code
        self._state = code
        info = self._mask(target) if self._ragged else {}
        return seen if self._scalar else seen.copy(), reward.copy(), terminated, truncated, info

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives the valid actions now, ``(actions,)``: the name by which MaskablePPO asks for them.

        Raises:
            AttributeError: all actions are valid in every state.
        """
        if not self._ragged:
            raise AttributeError("this model has no action masks: all actions are valid in every state")
        return lambda: np.asarray(self._mask(self.state)["action_mask"], dtype=bool)

    def _uniform(self) -> float:
        """The next number of the generator's uniform stream."""
        return (self._uniforms or self._refill()).pop()

    def _refill(self) -> list[float]:
        self._uniforms = self.np_random.random(_BLOCK)[::-1].tolist()
        return self._uniforms

    def _mask(self, state: int) -> Info:
        return {"action_mask": (np.arange(self._width) < self._tables.counts[state]).astype(np.int8)}

    def render(self) -> Any:
        """A picture or text of the current state, as ``render_mode`` says; ``None`` without one."""
        return None if self.render_mode is None else self._draw(self.state, self.render_mode)


class TabularVectorEnv(_Finite, NativeVectorEnv):
    """Parallel environments of a finite model, moved together by table look-up.

    Args:
        momdp, spec, observations, observation_space, renderer: as for :class:`TabularEnv`.
        num_envs: number of parallel environments.
        max_steps: time limit (``max_episode_steps`` is Gymnasium's name for it).
        autoreset_mode: one of Gymnasium's modes.
        render_mode: every environment is drawn.
    """

    def __init__(
        self,
        momdp: MOMDP,
        spec: MOSpec,
        num_envs: int = 1,
        *,
        observations: np.ndarray[Any, Any] | None = None,
        observation_space: spaces.Space[Any] | None = None,
        max_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        renderer: StateRenderer | None = None,
    ) -> None:
        self._model = momdp
        self.observations, space = fit_observations(momdp, observations, observation_space)
        self._tables = tables_of(momdp)
        action_space = spaces.Discrete(self._tables.n_actions)
        super().__init__(fit_spec(momdp, spec, max_steps), num_envs, space, action_space, max_steps, autoreset_mode)
        self.render_mode = check_render_mode(render_mode, self.metadata["render_modes"])
        self._renderer = renderer
        self._state = np.zeros(self.num_envs, dtype=np.int64)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_tables"}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        self.__dict__.update(kept)
        self._tables = tables_of(self._model)

    @property
    def _reset_options(self) -> tuple[str, ...]:
        return ("state",)

    @property
    def state(self) -> IntArray:
        """The numbers of the current states, ``(num_envs,)``, a fresh array."""
        return self._state.copy()

    def _begin(self, which: IntArray, options: Mapping[str, Any], initial: bool) -> Info:
        tables = self._tables
        if "state" in options:
            self._state[which] = check_starts(options["state"], self._model, len(which))
        else:
            self._state[which] = tables.draw_starts(len(which), self.np_random)
        return {"action_mask": self._masks(self._state[which])} if tables.ragged else {}

    def _advance(self, actions: Any) -> tuple[FloatArray, BoolArray, Info]:
        tables, state = self._tables, self._state
        rows = tables.row_ptr[state] + check_integers(actions, self.num_envs, tables.n_actions)
        if tables.ragged:
            self._check_ragged(rows)
        if tables.random:
            rows = tables.choose(rows, self.np_random)
        self._state = state = tables.target[rows]
        info = {"action_mask": self._masks(state)} if tables.ragged else {}
        return tables.rewards.take(rows, axis=0), tables.terminal[state], info

    def _check_ragged(self, rows: IntArray) -> None:
        bad = (rows >= self._tables.row_ptr[self._state + 1]) & ~self._done
        if bad.any():
            i = int(np.argmax(bad))
            state = int(self._state[i])
            _refuse(self._model, state, int(rows[i] - self._tables.row_ptr[state]), f" of environment {i}")

    @property
    def action_masks(self) -> Callable[[], BoolArray]:
        """A function that gives the valid actions of all environments now, ``(num_envs, actions)``.

        Raises:
            AttributeError: all actions are valid in every state.
        """
        if not self._tables.ragged:
            raise AttributeError("this model has no action masks: all actions are valid in every state")
        return lambda: self._masks(self._state).astype(bool)

    def _masks(self, state: IntArray) -> np.ndarray[Any, Any]:
        return (np.arange(self._tables.n_actions) < self._tables.counts[state][:, None]).astype(np.int8)

    def _observe(self) -> Any:
        return self.observations[self._state]

    def render(self) -> tuple[Any, ...] | None:
        """One picture or text per environment, as ``render_mode`` says; ``None`` without one."""
        if self.render_mode is None:
            return None
        return tuple(self._draw(int(s), self.render_mode) for s in self._state)


def _refuse(model: MOMDP, state: int, action: int, where: str = "") -> None:
    last = int(model.n_actions[state]) - 1
    raise EnvError(f"action{where} is {action} in state {model.label(state)}; expected an integer from 0 to {last}")
