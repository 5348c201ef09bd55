"""What every native vector environment shares: seeds, reset masks, time limits and Gymnasium's autoreset modes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from morl.envs.core import Info, MOVectorEnv, check_options, reward_space
from morl.spec import BoolArray, EnvError, FloatArray, IntArray, MOSpec, listed


def parse_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """An autoreset mode from itself, its value (``"NextStep"``) or its name (``"NEXT_STEP"``).

    >>> parse_mode("same_step").name
    'SAME_STEP'
    """
    if isinstance(mode, AutoresetMode):
        return mode
    for known in AutoresetMode:
        if str(mode).replace("_", "").lower() == known.value.lower():
            return known
    raise EnvError(f"autoreset mode is {mode!r}; expected one of {', '.join(m.name for m in AutoresetMode)}")


def parse_mask(mask: Any, num_envs: int) -> BoolArray:
    """``options["reset_mask"]``: boolean, one entry per environment, at least one of them true."""
    array = np.asarray(mask)
    if array.shape != (num_envs,) or array.dtype != np.bool_:
        raise EnvError(f"reset_mask has shape {array.shape} and dtype {array.dtype}; expected ({num_envs},) booleans")
    if not array.any():
        raise EnvError("reset_mask has no true entry; expected at least one environment to reset")
    return array


def refuse_ended(ended: BoolArray) -> None:
    """Refuse a step, where autoreset is disabled, of environments of which some have ended.

    Raises:
        EnvError: naming them, unless there are none.
    """
    if ended.any():
        raise EnvError(
            f"environments {listed(np.flatnonzero(ended), most=8)} have ended and autoreset is disabled; "
            'call reset(options={"reset_mask": terminated | truncated})'
        )


def check_max_steps(max_steps: Any) -> int | None:
    """A time limit: a positive number of steps, or ``None`` for none."""
    if max_steps is not None and (
        isinstance(max_steps, bool)
        or not isinstance(max_steps, int | float | np.number)
        or max_steps != int(max_steps)
        or max_steps < 1
    ):
        raise EnvError(f"max_steps is {max_steps!r}; expected a positive number of steps or None")
    return None if max_steps is None else int(max_steps)


_NONE = np.zeros(0, dtype=np.int64)
_NO_INFO: Info = {}


class NativeVectorEnv(MOVectorEnv):
    """Base of vector environments that hold the states of all their environments in arrays.

    One generator, seeded by one integer, serves the whole batch; with ``num_envs=1`` the stream of random numbers is
    the single environment's. Subclasses implement :meth:`_begin`, :meth:`_advance` and :meth:`_observe`.

    Args:
        spec: objectives, discount and scale.
        num_envs: the number of parallel environments.
        observation_space: space of one environment.
        action_space: space of one environment.
        max_steps: time limit; ``None`` for none.
        autoreset_mode: one of Gymnasium's modes.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        spec: MOSpec,
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        max_steps: int | None,
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        super().__init__()
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise EnvError(f"num_envs is {num_envs!r}; expected a positive integer")
        self.num_envs = int(num_envs)
        self.mo_spec = spec
        self.reward_space = reward_space(spec)
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)
        self.max_steps = check_max_steps(max_steps)
        self.autoreset_mode = parse_mode(autoreset_mode)
        self.metadata["autoreset_mode"] = self.autoreset_mode
        self._steps: IntArray | None = None
        self._done = np.zeros(self.num_envs, dtype=bool)
        self._any_done = False
        self._limit = np.iinfo(np.int64).max if self.max_steps is None else self.max_steps

    # ---- what a subclass says ---------------------------------------------------------------------------

    @abstractmethod
    def _begin(self, which: IntArray, options: Mapping[str, Any], initial: bool) -> Info:
        """Put the environments numbered ``which`` at fresh starts; ``initial`` where :meth:`reset` was called.

        Returns:
            Reset info: arrays with one entry per environment in ``which``.
        """

    @abstractmethod
    def _advance(self, actions: Any) -> tuple[FloatArray, BoolArray, Info]:
        """Move every environment one step: fresh rewards ``(n, K)``, terminated ``(n,)``, and info arrays ``(n, ...)``.

        Environments that ended before are moved too (whatever happens to them is overwritten by their restart).
        """

    @abstractmethod
    def _observe(self) -> Any:
        """A fresh array of all observations, ``(n, ...)``."""

    @property
    def _reset_options(self) -> tuple[str, ...]:
        """Names of the reset options understood beside ``reset_mask``."""
        return ()

    # ---- Gymnasium's interface --------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Start all environments anew, or those of ``options["reset_mask"]``.

        Args:
            seed: one integer for the whole batch.
            options: ``reset_mask`` (booleans, one per environment) and what the environment understands itself.

        Raises:
            EnvError: a list of seeds, unknown options, or a mask of the wrong kind.
        """
        given = dict(check_options(options, ("reset_mask", *self._reset_options), type(self).__name__))
        mask = given.pop("reset_mask", None)
        if mask is None:
            which = np.arange(self.num_envs)
        else:
            which = np.flatnonzero(parse_mask(mask, self.num_envs))
            if self._steps is None and len(which) < self.num_envs:
                raise EnvError("the first reset must start every environment; call reset() without reset_mask first")
        if seed is not None and not isinstance(seed, int | np.integer):
            raise EnvError(
                f"seed is {seed!r}; a native vector environment has one generator: give one integer, "
                'or make it with vectorization_mode="sync" for one seed per environment'
            )
        super().reset(seed=None if seed is None else int(seed))
        fresh = self._begin(which, given, True)
        if self._steps is None:
            self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._steps[which] = 0
        self._done[which] = False
        self._any_done = bool(self._done.any())
        return self._observe(), self._publish({}, fresh, which)

    def step(self, actions: Any) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        """Move every copy: observations ``(n, ...)``, rewards ``(n, K)``, terminated, truncated ``(n,)``, infos.

        Raises:
            EnvError: before the first reset, on invalid actions, or (autoreset disabled) after the end of an episode.
        """
        if self._steps is None:
            raise EnvError("step was called before reset; call reset() first")
        mode = self.autoreset_mode
        if self._any_done and mode is AutoresetMode.DISABLED:
            refuse_ended(self._done)
        if self._any_done and self._done.all():  # nothing moves, so nothing is drawn: as the single environment
            return self._restart_all()
        rewards, terminated, info = self._advance(actions)
        steps = self._steps
        steps += 1
        truncated = steps >= self._limit
        truncated &= ~terminated
        which, fresh, final = _NONE, _NO_INFO, _NO_INFO
        if self._any_done:  # NEXT_STEP: the action of an environment that has ended starts it again, and pays nothing
            done = self._done
            which = done.nonzero()[0]
            fresh = self._begin(which, _NO_INFO, False)
            steps[which] = 0
            rewards[which] = 0.0
            terminated &= ~done
            truncated &= ~done
        finished = terminated | truncated
        self._any_done = bool(finished.any())
        if self._any_done and mode is AutoresetMode.SAME_STEP:
            which = finished.nonzero()[0]
            final = self._final(which, finished, info)
            fresh = self._begin(which, _NO_INFO, False)
            steps[which] = 0
            self._any_done = False
        else:
            self._done = finished
        if info or fresh or final:
            info = self._publish(info, fresh, which) | final
        return self._observe(), rewards, terminated, truncated, info

    def _restart_all(self) -> tuple[Any, FloatArray, BoolArray, BoolArray, Info]:
        assert self._steps is not None
        n = self.num_envs
        fresh = self._begin(np.arange(n), _NO_INFO, False)
        self._steps[:] = 0
        self._done = np.zeros(n, dtype=bool)
        self._any_done = False
        zeros = np.zeros((n, self.mo_spec.k))
        info = self._publish({}, fresh, np.arange(n))
        return self._observe(), zeros, np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), info

    def _publish(self, info: Info, fresh: Info, which: IntArray) -> Info:
        """Step info of all environments, reset info for those in ``which``, each with Gymnasium's mask ``_key``."""
        out: Info = {}
        for key, value in info.items():
            mask = np.ones(self.num_envs, dtype=bool)
            mask[which] = False
            out[key], out[f"_{key}"] = value, mask
        for key, value in fresh.items():
            if key not in out:
                out[key] = np.zeros((self.num_envs, *value.shape[1:]), dtype=value.dtype)
                out[f"_{key}"] = np.zeros(self.num_envs, dtype=bool)
            out[key][which] = value
            out[f"_{key}"][which] = True
        return out

    def _final(self, which: IntArray, finished: BoolArray, info: Info) -> Info:
        """Gymnasium's ``final_obs`` and ``final_info`` of the environments that ended in this step."""
        last = self._observe()
        final_obs = np.full(self.num_envs, None, dtype=object)
        for i in which:
            final_obs[i] = last[i]
        final_info: Info = {}
        for key, value in info.items():
            final_info[key], final_info[f"_{key}"] = value.copy(), finished.copy()
        out: Info = {"final_obs": final_obs, "_final_obs": finished.copy()}
        return out | {"final_info": final_info, "_final_info": finished.copy()}
