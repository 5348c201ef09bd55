"""Pure transition functions over arrays: what an environment does, without episodes, seeds or time limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import spaces

from morl.momdp import MOMDP
from morl.spec import BoolArray, EnvError, FloatArray, MOSpec

if TYPE_CHECKING:
    from morl.pareto import Front

State = dict[str, np.ndarray[Any, Any]]
"""The state of a batch: named arrays, each ``(n, ...)``."""

NO_INFO: Mapping[str, Any] = MappingProxyType({})


class Transition(NamedTuple):
    """What one step does to a batch of n states; a named tuple, because every step of every environment makes one.

    Args:
        state: the new states; arrays of their own, never views of the old ones.
        rewards: ``(n, K)`` float64, a fresh array.
        terminated: ``(n,)`` boolean. Time limits are not the dynamics' business.
        info: arrays ``(n, ...)`` for ``info``.
    """

    state: State
    rewards: FloatArray
    terminated: BoolArray
    info: Mapping[str, np.ndarray[Any, Any]] = NO_INFO


class Dynamics(ABC):
    """A pure transition function over arrays ``(n, ...)``. Objects of this class hold parameters, never state.

    Subclasses set ``mo_spec``, ``observation_space`` and ``action_space``, and implement
    :meth:`initial`, :meth:`step` and :meth:`observe`; everything else has a default.
    """

    mo_spec: MOSpec
    observation_space: spaces.Space[Any]
    action_space: spaces.Space[Any]
    max_steps: int | None = None
    """Time limit of the environments, unless they are made with another one; ``None`` for none."""
    reset_options: tuple[str, ...] = ()
    """Names of the reset options that :meth:`initial` understands."""
    masked: bool = False
    """Whether :meth:`reset_info` holds, for any states, the valid actions: ``action_mask`` ``(n, actions)``, 0 or 1."""
    render_fps: int = 20
    """Pictures a second in which a film of a single environment looks natural."""
    no_front: str = "no front is known"
    """Why :meth:`front` gives ``None``, and what to change; empty where it gives a front."""

    @abstractmethod
    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """``n`` fresh start states.

        Raises:
            EnvError: an option with a value that makes no sense.
        """

    @abstractmethod
    def step(self, state: State, actions: np.ndarray[Any, Any], rng: np.random.Generator) -> Transition:
        """Move all states. ``actions`` are valid and of shape ``(n, ...)``; neither argument is changed.

        A vector environment may pass states that have ended; what comes of them is thrown away, so it need not
        make sense, but it must not raise or warn.
        """

    @abstractmethod
    def observe(self, state: State) -> np.ndarray[Any, Any]:
        """Observations ``(n, ...)`` as a fresh array. What needs memory (sensor noise, say) is part of the state."""

    def reset_info(self, state: State) -> Mapping[str, np.ndarray[Any, Any]]:
        """Info arrays ``(n, ...)`` that go with fresh states; none by default."""
        return {}

    def render(self, state: State, mode: str) -> Any:
        """One state (arrays without a batch axis) as a picture ``(h, w, 3)`` of uint8, or as text.

        Args:
            state: of one environment.
            mode: ``"rgb_array"`` or ``"ansi"``.

        Raises:
            EnvError: there is no renderer, which is the default.
        """
        raise EnvError(f"{type(self).__name__} has no renderer; make it with render_mode=None")

    def drawn(self) -> Dynamics:
        """The dynamics whose states hold what :meth:`render` needs; these by default."""
        return self

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """The exact or best-known front (its provenance says which), or ``None`` where :attr:`no_front` says why.

        Args:
            discount: γ of the returns.
            max_steps: the time limit of the environment, ``None`` for none.

        Raises:
            EnvError: a discount outside [0, 1], or a variant that is too large to be solved.
        """
        return None

    def finite_model(self) -> tuple[MOMDP, np.ndarray[Any, Any]] | None:
        """The finite model and what each state shows, ``(S, ...)``, where it is small; ``None`` by default."""
        return None
