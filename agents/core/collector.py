"""Steps many environments at once and hands over transitions whose ends are right.

Whatever the autoreset mode of the vector environment, a transition holds the true successor of its state, keeps
*terminated* (worth nothing from then on) apart from *truncated* (the episode was cut: bootstrap), and knows the
discounted reward accrued before it. What an environment reports is checked here, once for all agents: observations
and rewards that are not finite numbers of the right shape, and flags that are not booleans, stop everything at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from morl.agents.core.actions import ActionMap
from morl.agents.core.observations import each, parts_of
from morl.envs.failures import described
from morl.spec import AgentError, BoolArray, EnvError, FloatArray, IntArray, MorlError, MOSpec

Array = np.ndarray[Any, Any]
Actor = Callable[[Any, FloatArray, IntArray], Array]
"""``actor(observations (n, ...), accrued (n, K), time (n,)) -> actions (n, ...)``."""


@dataclass(frozen=True)
class Transitions:
    """One step of every environment that was in an episode; row i belongs to environment ``env[i]``."""

    env: IntArray
    obs: Any
    actions: Array
    rewards: FloatArray
    next_obs: Any
    terminated: BoolArray
    truncated: BoolArray
    accrued: FloatArray
    """Discounted reward before this step, ``(n, K)``: Σ γᵗ rₜ."""
    time: IntArray
    """Steps before this one, ``(n,)``."""

    def __len__(self) -> int:
        return len(self.env)


@dataclass(frozen=True)
class Rollout:
    """T steps of n environments, time first. Rows where ``valid`` is false are resets, not steps."""

    obs: Any
    actions: Array
    rewards: FloatArray
    next_obs: Any
    terminated: BoolArray
    truncated: BoolArray
    accrued: FloatArray
    time: IntArray
    valid: BoolArray

    @property
    def ended(self) -> BoolArray:
        """Where an episode ended, either way ``(T, n)``."""
        return self.terminated | self.truncated

    def encoded(self, encoder: Callable[[Any], Array]) -> tuple[Array, Array]:
        """Observations before and after each step as rows, each ``(T, n, size)``."""

        def rows(observations: Any) -> Array:
            steps, n = self.valid.shape
            flat = encoder(each(lambda part: part.reshape(steps * n, *part.shape[2:]), observations))
            return flat.reshape(steps, n, -1)

        return rows(self.obs), rows(self.next_obs)


LARGEST = 1e18
"""Largest size of an observation or a reward: squares of larger ones overflow the 32-bit numbers of networks."""


def check_rewards(rewards: Any, n: int, spec: MOSpec, name: str, step: int) -> FloatArray:
    """Rewards as float64 ``(n, K)``, or an :class:`EnvError` naming the environment, the step and the objective."""
    given = _as_array(rewards)
    if given.dtype.kind not in "fiub":
        raise EnvError(f"{name}, step {step}: reward is {_short(rewards)}; expected ({n}, {spec.k}) real numbers")
    values = given.astype(np.float64)
    if values.shape != (n, spec.k):
        raise EnvError(
            f"{name}, step {step}: rewards have shape {values.shape}; expected ({n}, {spec.k}), one per objective "
            f"({', '.join(spec.names)})"
        )
    if not np.abs(values).max(initial=0.0) <= LARGEST:  # NaN is not either
        i, j = (int(x) for x in np.argwhere(~(np.abs(values) <= LARGEST))[0])
        raise EnvError(
            f"{name}, step {step}, copy {i}: reward of objective {spec.names[j]!r} is {values[i, j]}; "
            f"expected a finite number of at most {LARGEST:g}"
        )
    return values


def check_flags(flags: Any, n: int, what: str, name: str, step: int) -> BoolArray:
    """One boolean per copy ``(n,)``, or an :class:`EnvError`."""
    values = _as_array(flags)
    if values.shape != (n,) or not (values.dtype.kind == "b" or (values.dtype.kind in "iu" and values.max() <= 1)):
        raise EnvError(f"{name}, step {step}: {what} is {_short(flags)}; expected {n} booleans, one per copy")
    return values.astype(bool)


def check_observations(space: spaces.Space[Any], batch: Any, n: int, name: str, step: str, part: str = "") -> Any:
    """A batch of observations of a space as arrays, or an :class:`EnvError` naming environment, copy and step.

    Args:
        space: of one observation.
        batch: ``(n, ...)``, or a dictionary or tuple of such.
        n: parallel environments.
        name: the environment's name.
        step: when, for the message.
        part: which part of a dictionary or tuple this is, for the message.
    """
    inner = parts_of(space)
    what = f"{name}, {step}: observations{part}"
    if inner:
        keyed = isinstance(space, spaces.Dict)
        if not isinstance(batch, dict if keyed else tuple) or len(batch) != len(inner):
            raise EnvError(f"{what} are {_short(batch)}; expected a batch of {space}")
        missing = [key for key in inner if keyed and key not in batch]
        if missing:
            raise EnvError(f"{what} lack {missing[0]!r}; expected a batch of {space}")
        some = {key: check_observations(s, batch[key], n, name, step, f"{part}[{key!r}]") for key, s in inner.items()}
        return some if keyed else tuple(some.values())
    if not isinstance(space, _PLAIN):
        return batch
    values = _as_array(batch)
    if values.shape != (n, *(space.shape or ())) or values.dtype.kind not in "fiub":
        raise EnvError(
            f"{what} have shape {values.shape} and type {values.dtype}; expected {(n, *(space.shape or ()))} numbers"
        )
    if values.dtype.kind == "f":
        if not np.abs(values).max(initial=0.0) <= LARGEST:  # NaN is not either
            at = np.argwhere(~(np.abs(values) <= LARGEST))[0]
            raise EnvError(
                f"{name}, {step}, copy {at[0]}: the observation{part} holds {values[tuple(at)]}; "
                f"expected finite numbers of at most {LARGEST:g}"
            )
    elif not isinstance(space, spaces.Box) and values.size:
        low, high = _range(space)
        if ((values < low) | (values > high)).any():
            i = int(np.argwhere((values < low) | (values > high))[0][0])
            raise EnvError(f"{name}, {step}, copy {i}: the observation{part} is {values[i].tolist()}, not of {space}")
    return values


_PLAIN = spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary


def _range(space: spaces.Space[Any]) -> tuple[Any, Any]:
    """Lowest and highest value of a space of integers."""
    if isinstance(space, spaces.Discrete):
        return int(space.start), int(space.start) + int(space.n) - 1
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    return 0, 1


def _as_array(given: Any) -> Array:
    """As an array; what is no regular array becomes one of objects."""
    try:
        return np.asarray(given)
    except (TypeError, ValueError):
        return np.empty(0, dtype=object)


def _short(value: Any) -> str:
    """One line about a value."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 120 else f"{text[:120]}…"


def take(observations: Any, rows: Any) -> Any:
    """Rows of a batch of observations, also where they are dictionaries or tuples."""
    return each(lambda part: part[rows], observations)


class Collector:
    """Steps a vector environment.

    At γ = 1 a task that never ends has no finite return: until an episode has terminated by itself, one that the time
    limit cuts is over, and its return is that of the limit, which is also what is measured.

    Args:
        env: any Gymnasium vector environment with rewards ``(n, K)``.
        spec: its objectives.
        discount: γ for the accrued reward.
        name: the environment's name, for errors.
        actions: makes the environment's actions of those given to :meth:`step`; by default they are its own.

    Attributes:
        steps: environment steps taken (resets are not steps).
        obs: the observations from which the next step starts.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        spec: MOSpec,
        discount: float,
        name: str,
        actions: ActionMap | None = None,
    ) -> None:
        self.env, self.spec, self.discount, self.name, self.actions = env, spec, float(discount), name, actions
        self.n = int(env.num_envs)
        self.mode = AutoresetMode(env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        self.steps = 0
        self.obs: Any = None
        self.accrued = np.zeros((self.n, spec.k))
        self.time = np.zeros(self.n, dtype=np.int64)
        self._gamma = np.ones(self.n)
        self._ended, self._everyone = np.zeros(self.n, dtype=bool), np.arange(self.n)
        self._endless = self.discount == 1.0  # as far as is known

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode in every environment; returns the observations."""
        self.obs = self._reset(seed=seed, options=options)
        self.accrued = np.zeros((self.n, self.spec.k))
        self.time = np.zeros(self.n, dtype=np.int64)
        self._gamma = np.ones(self.n)
        self._ended = np.zeros(self.n, dtype=bool)
        return self.obs

    def step(self, actions: Array) -> Transitions:
        """One step of every environment; those that merely begin again are left out of the result.

        Raises:
            EnvError: rewards that are not finite ``(n, K)`` numbers.
            AgentError: called before :meth:`reset`.
        """
        if self.obs is None:
            raise AgentError("Collector.step was called before reset; call reset(seed) first")
        obs, accrued, time, began = self.obs, self.accrued, self.time, self._ended
        try:
            result = self.env.step(actions if self.actions is None else self.actions.to_env(actions))
        except (BrokenPipeError, EOFError, ConnectionResetError) as error:
            raise EnvError(f"{self.name}, step {self.steps}: an environment process died ({error!r})") from None
        except EnvError as error:
            raise EnvError(f"{self.name}, step {self.steps}: {error}") from error
        except MorlError:
            raise
        except Exception as error:
            raise EnvError(f"{self.name}, step {self.steps}: the environment failed: {described(error)}") from error
        if not (isinstance(result, tuple) and len(result) == 5):
            raise EnvError(
                f"{self.name}, step {self.steps}: step returned {_short(result)}; "
                "expected (observations, rewards, terminated, truncated, info)"
            )
        after, raw, over, cut, info = result
        after = self._seen(after, f"step {self.steps}")
        rewards = check_rewards(raw, self.n, self.spec, self.name, self.steps)
        terminated, truncated = self._ends(over, cut)
        ended = terminated | truncated
        next_obs, self.obs = self._successors(after, ended, info)
        live = self._everyone if not began.any() else np.flatnonzero(~began)
        whole = len(live) == self.n
        self.accrued = accrued + self._gamma[:, None] * rewards
        self.time = time + 1
        self._gamma = self._gamma * self.discount
        fresh = began | ended if self.mode is not AutoresetMode.NEXT_STEP else began
        if fresh.any():
            self.accrued = np.where(fresh[:, None], 0.0, self.accrued)
            self.time = np.where(fresh, 0, self.time)
            self._gamma = np.where(fresh, 1.0, self._gamma)
        self._ended = ended if self.mode is AutoresetMode.NEXT_STEP else np.zeros(self.n, dtype=bool)
        self.steps += len(live)
        if whole:
            return Transitions(live, obs, actions, rewards, next_obs, terminated, truncated, accrued, time)
        return Transitions(
            live,
            take(obs, live),
            actions[live],
            rewards[live],
            take(next_obs, live),
            terminated[live],
            truncated[live],
            accrued[live],
            time[live],
        )

    def _ends(self, over: Any, cut: Any) -> tuple[BoolArray, BoolArray]:
        """Which episodes are over, and which are merely cut."""
        terminated = check_flags(over, self.n, "terminated", self.name, self.steps)
        truncated = check_flags(cut, self.n, "truncated", self.name, self.steps) & ~terminated
        self._endless = self._endless and not terminated.any()
        return (truncated, terminated) if self._endless else (terminated, truncated)

    def _reset(self, **how: Any) -> Any:
        """Checked observations after a reset."""
        try:
            result = self.env.reset(**how)
        except EnvError as error:
            raise EnvError(f"{self.name}, reset before step {self.steps}: {error}") from error
        except MorlError:
            raise
        except Exception as error:
            raise EnvError(f"{self.name}: reset failed: {described(error)}") from error
        if not (isinstance(result, tuple) and len(result) == 2):
            raise EnvError(f"{self.name}: reset returned {_short(result)}; expected (observations, info)")
        return self._seen(result[0], f"reset before step {self.steps}")

    def _seen(self, observations: Any, when: str) -> Any:
        return check_observations(self.env.single_observation_space, observations, self.n, self.name, when)

    def _successors(self, after: Any, ended: BoolArray, info: dict[str, Any]) -> tuple[Any, Any]:
        """``(true successors, observations to act on next)`` under the autoreset mode."""
        if self.mode is AutoresetMode.NEXT_STEP or not ended.any():
            return after, after
        true, rows = _copy(after), np.flatnonzero(ended)
        if self.mode is AutoresetMode.DISABLED:
            return true, self._reset(options={"reset_mask": ended})
        final = info.get("final_obs")
        if final is None:
            raise EnvError(f"{self.name} resets in the same step but gives no info['final_obs']; it must")
        if not isinstance(final, dict | tuple):  # one observation per copy; None where an episode goes on
            for i in rows:
                each(lambda whole, one, i=i: whole.__setitem__(i, one), true, final[i])
        else:
            _put(true, rows, take(final, rows))
        return self._seen(true, f"end of an episode in step {self.steps}"), after

    def rollout(
        self,
        actor: Actor,
        steps: int,
        after_step: Callable[[Transitions], None] | None = None,
        *,
        observations: bool = True,
    ) -> Rollout:
        """``steps`` steps of every environment under ``actor``, as arrays ``(T, n, ...)``.

        Args:
            actor: chooses the actions.
            steps: T.
            after_step: called after each step.
            observations: whether they are in the result; ``None`` stands there where the actor keeps what it sees.
        """
        n, k = self.n, self.spec.k
        rewards, accrued, time = *np.zeros((2, steps, n, k)), np.zeros((steps, n), dtype=np.int64)
        terminated, truncated, valid = np.zeros((3, steps, n), dtype=bool)
        obs: list[Any] = []
        successors: list[Any] = []
        actions: list[Array] = []
        for t in range(steps):
            before = self.obs
            actions.append(actor(before, self.accrued, self.time))
            out = self.step(actions[-1])
            rows = out.env
            rewards[t, rows], accrued[t, rows], time[t, rows] = out.rewards, out.accrued, out.time
            terminated[t, rows], truncated[t, rows], valid[t, rows] = out.terminated, out.truncated, True
            if observations:
                obs.append(before)
                successors.append(out.next_obs if len(rows) == n else _with_rows(before, rows, out.next_obs))
            if after_step is not None:
                after_step(out)
        seen = (_stack(obs), _stack(successors)) if observations else (None, None)
        return Rollout(seen[0], np.stack(actions), rewards, seen[1], terminated, truncated, accrued, time, valid)


def random_actions(space: spaces.Space[Any], n: int, rng: np.random.Generator) -> Array:
    """``n`` uniformly random actions drawn from ``rng`` (an unbounded box gives standard normals)."""
    if isinstance(space, spaces.Discrete):
        return rng.integers(int(space.n), size=n) + int(space.start)
    if isinstance(space, spaces.MultiDiscrete):
        return rng.integers(space.nvec, size=(n, *space.nvec.shape)) + space.start
    if isinstance(space, spaces.Box):
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        bounded = np.isfinite(low) & np.isfinite(high)
        uniform = rng.random((n, *space.shape))
        spread = np.where(bounded, low, 0.0) + uniform * np.where(bounded, high - low, 0.0)
        normal = rng.standard_normal((n, *space.shape))
        return np.where(bounded, spread, np.clip(normal, low, high)).astype(space.dtype)
    raise AgentError(f"action space {space} is not supported; expected Discrete, MultiDiscrete or Box")


def _copy(observations: Any) -> Any:
    return each(np.array, observations)


def _with_rows(observations: Any, rows: IntArray, values: Any) -> Any:
    """A copy of a batch in which some rows are others."""
    full = _copy(observations)
    _put(full, rows, values)
    return full


def _put(target: Any, rows: IntArray, values: Any) -> None:
    each(lambda whole, some: whole.__setitem__(rows, some), target, values)


def _stack(items: list[Any]) -> Any:
    return each(lambda *steps: np.stack(steps), *items)
