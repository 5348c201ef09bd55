"""One environment inside a vector environment: a third-party environment with autoreset and a checked reward."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode

from morl.envs.core import real_array
from morl.envs.failures import described, short
from morl.spec import BoolArray, EnvError, FloatArray, MorlError


class Moved(NamedTuple):
    """What one environment reports after a step."""

    observation: Any
    reward: FloatArray
    terminated: bool
    truncated: bool
    info: dict[str, Any]


class AllMoved(NamedTuple):
    """What n environments report after a step besides what they see: arrays with the environments as first axis."""

    rewards: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    infos: dict[str, Any]


class SubEnv:
    """An environment that restarts itself as an autoreset mode says.

    Args:
        env: any environment with rewards of K numbers.
        k: K.
        mode: the autoreset mode.
        number: which environment this is, for messages.
    """

    def __init__(self, env: Any, k: int, mode: AutoresetMode, number: int) -> None:
        self.env, self.k, self.mode, self.number = env, k, mode, number
        self.ended = False
        self.steps = 0

    def reset(self, seed: int | None, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        try:
            result = self.env.reset(seed=seed, options=options)
        except MorlError:
            raise
        except Exception as error:
            raise EnvError(f"environment {self.number} failed in reset: {described(error)}") from error
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise EnvError(f"environment {self.number} returned {result!r} from reset; expected (observation, info)")
        self.ended, self.steps = False, 0
        return result

    def step(self, action: Any) -> Moved:
        """Take one action, or restart where the last step ended the episode (``NEXT_STEP``).

        Raises:
            EnvError: the environment fails (with the place), its reward is not K finite numbers, its flags are not
                booleans, or the episode has ended and autoreset is disabled.
        """
        if self.ended:
            if self.mode is AutoresetMode.DISABLED:
                raise EnvError(
                    f"environment {self.number} has ended and autoreset is disabled; "
                    'call reset(options={"reset_mask": terminated | truncated})'
                )
            observation, info = self.reset(None, None)
            return Moved(observation, np.zeros(self.k), False, False, info)
        self.steps += 1
        try:
            result = self.env.step(action)
        except MorlError:
            raise
        except Exception as error:
            raise EnvError(f"environment {self.number} failed in step {self.steps}: {described(error)}") from error
        if not (isinstance(result, tuple) and len(result) == 5 and isinstance(result[4], dict)):
            raise EnvError(
                f"environment {self.number} returned {short(result)} from step {self.steps}; "
                "expected (observation, reward, terminated, truncated, info)"
            )
        observation, reward, terminated, truncated, info = result
        vector = self._reward(reward)
        for flag in (terminated, truncated):
            if not isinstance(flag, bool | np.bool_ | int) or flag not in (0, 1):
                raise EnvError(
                    f"environment {self.number} returned the flag {short(flag)} in step {self.steps}; "
                    "expected True or False"
                )
        self.ended = bool(terminated) or bool(truncated)
        if self.ended and self.mode is AutoresetMode.SAME_STEP:
            final = {"final_obs": observation, "final_info": info}
            observation, fresh = self.reset(None, None)
            info = {**fresh, **final}
        return Moved(observation, vector, bool(terminated), bool(truncated), info)

    def _reward(self, reward: Any) -> FloatArray:
        vector = real_array(reward, (self.k,))
        if vector is None:
            raise EnvError(
                f"environment {self.number} returned the reward {short(reward)} in step {self.steps}; "
                f"expected {self.k} numbers, one per objective"
            )
        if not np.isfinite(vector).all():
            i = int(np.argmin(np.isfinite(vector)))
            raise EnvError(
                f"environment {self.number} returned {vector[i]} for objective {i} in step {self.steps}; "
                "expected finite numbers"
            )
        return vector
