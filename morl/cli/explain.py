"""``morl explain``: why a run's policy takes an action, in the terms of the objectives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from morl.cli.console import emit_json, emit_table, note
from morl.cli.opening import Opening, PolicyArguments
from morl.spec import SpecError

if TYPE_CHECKING:
    import numpy as np

    from morl.agents.base import Agent


@dataclass
class Explain(Opening, PolicyArguments):
    """Explain the action that a run's policy takes: what it gains and gives up against another, per objective.

    Without a preference it is the policy for equal weights.

    The values are exact where the environment has a finite model, else those of the agent's network.

    Examples:
        morl explain runs/Envelope-sea-s0 --state 12
        morl explain runs/Envelope-sea-s0 --state '[3, 4]' --preference 0.7 0.3 --than 1
    """

    folder: Positional[str]
    """Run folder, or zoo:NAME."""
    state: str
    """An observation: a number, or a JSON list of numbers."""
    action: int | None = None
    """The action to explain; the one that the policy takes by default."""
    than: int | None = None
    """The action to compare it with; the next best by default."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Explain and print."""
        from morl.explain import action_values, explain
        from morl.runs import RunFolder
        from morl.runs.loading import load_agent

        run = RunFolder.open(self.folder)
        agent = load_agent(run, **self.opening())
        observation = read_observation(self.state, agent)
        found = action_values(agent, observation, self.weights(), raw=self.raw)
        chosen = int(found.chosen[0]) if self.action is None else self.action
        names = [o.name for o in agent.spec.objectives]
        explained = explain(found.values[0], found.weights, chosen, self.than, names)
        if self.json:
            emit_json(
                {
                    "action": explained.action,
                    "other": explained.other,
                    "exact": found.exact,
                    "weights": dict(zip(names, found.weights.tolist(), strict=True)),
                    "returns": explained.returns.tolist(),
                    "gains": dict(zip(names, explained.gains.tolist(), strict=True)),
                    "total": explained.total,
                    "advantages": explained.advantages,
                    "disadvantages": explained.disadvantages,
                }
            )
        else:
            emit_table(*self._table(explained, agent))
            note(_in_words(explained, "exact values" if found.exact else "values of the agent's network"))
        return 0

    def _table(self, explained: Any, agent: Agent) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        from morl.spec import shown

        first, second = (shown(returns, agent.spec.objectives) for returns in explained.returns)
        labels = [o.label for o in agent.spec.objectives]
        rows = list(zip(labels, map(float, first), map(float, second), map(float, explained.gains), strict=True))
        return ("objective", f"action {explained.action}", f"action {explained.other}", "weighted gain"), rows


def _in_words(explained: Any, source: str) -> str:
    better = f"action {explained.action} is better than {explained.other} by {explained.total:.4g} ({source})"
    if explained.total <= 0:
        return f"action {explained.action} is not better than {explained.other}: {explained.total:.4g} ({source})"
    if not (explained.gains < 0).any():
        return f"{better}; it gives up nothing"
    reasons = f"{better}; {' and '.join(explained.advantages)} outweigh{'s' * (len(explained.advantages) == 1)} all"
    against = " and ".join(explained.disadvantages)
    return f"{reasons} that is given up" + (f", and {against} make it necessary" if against else "")


def read_observation(text: str, agent: Agent) -> np.ndarray[Any, Any]:
    """An observation typed as a number or as JSON.

    Raises:
        SpecError: it cannot be read, or does not belong to the observation space.
    """
    import numpy as np

    space = agent.observation_space
    try:
        array = np.asarray(json.loads(text), dtype=space.dtype)
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise SpecError(f"--state {text!r} cannot be read; expected a number, or numbers such as [0.5, 1.0]") from None
    if array.shape != (space.shape or ()) or not space.contains(array if array.shape else array.item()):
        raise SpecError(f"--state {text!r} is no observation of {agent.problem.id}; expected one of {space}")
    return array
