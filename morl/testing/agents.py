"""The conformance suite for agents: what every algorithm must do, whoever wrote it.

    from morl.testing import check_agent
    check_agent(MyAgent)

Each check is a function of a :class:`Case`; :data:`CHECKS` names them all, so that a test suite can run them one by
one. A check that does not apply (an ESR agent has no preferences) says so by returning a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from morl.agents import registry
from morl.agents.base import Agent
from morl.spec import AgentError, UnknownNameError
from morl.testing import agent_interface, agent_optima
from morl.testing.agent_case import Case, Check, ConformanceError, digest

__all__ = ["CHECKS", "Case", "Check", "ConformanceError", "check_agent", "digest"]

CHECKS: dict[str, Check] = {
    name.removeprefix("check_"): function
    for module in (agent_interface, agent_optima)
    for name, function in vars(module).items()
    if name.startswith("check_")
}
"""Every check by name."""


def check_agent(
    agent: type[Agent] | str,
    options: Mapping[str, Any] | None = None,
    *,
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    **case: Any,
) -> dict[str, str]:
    """Run the conformance suite on an agent class.

    Args:
        agent: the class, or the name of a registered algorithm.
        options: options for every instance, for example smaller networks.
        only: names of checks to run; all of :data:`CHECKS` by default.
        skip: names of checks to leave out.
        case: further fields of :class:`Case`: ``steps``, ``optimum_steps``, ``optimum_options``, ``tolerance``,
            ``actions``, ``seed``.

    Returns:
        ``"passed"`` for each check, or why it does not apply.

    Raises:
        ConformanceError: at the first check that fails.
    """
    cls = registry.resolve(agent)
    if not (isinstance(cls, type) and issubclass(cls, Agent)):
        raise AgentError(f"check_agent was given {agent!r}; expected a subclass of morl.agents.Agent")
    names = list(CHECKS if only is None else only)
    for name in [*names, *skip]:
        if name not in CHECKS:
            raise UnknownNameError("check", name, CHECKS)
    subject = Case(cls, dict(options or {}), **case)
    left_out = set(skip)
    return {name: CHECKS[name](subject) or "passed" for name in names if name not in left_out}
