"""What an agent can run into that has a name of its own."""

from __future__ import annotations

from morl.spec import AgentError


class NoPolicyError(AgentError):
    """An agent has no policy to offer: what it has learned so far is not enough for one."""


class UtilityNeededError(AgentError):
    """An agent was trained on a function of its caller's, which no file holds: it must be given again."""


class DivergedError(AgentError):
    """Learning has led to numbers that are not finite; the update that did so is named."""
