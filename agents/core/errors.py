"""What an agent can run into that has a name of its own."""

from __future__ import annotations

import sys
import warnings

from morl.spec import AgentError


class NoPolicyError(AgentError):
    """An agent has no policy to offer: what it has learned so far is not enough for one."""


class UtilityNeededError(AgentError):
    """An agent was trained on a function of its caller's, which no file holds: it must be given again."""


class DivergedError(AgentError):
    """Learning has led to numbers that are not finite; the update that did so is named."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn the caller of the package, however deep inside it the reason was found."""
    depth, frame = 2, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "morl":
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)


class DeviceError(AgentError):
    """A device that torch does not find on this machine."""
