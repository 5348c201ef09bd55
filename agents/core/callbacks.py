"""Things that happen while an agent learns, with the interface of stable-baselines3."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morl.agents.core.errors import NoPolicyError
from morl.spec import AgentError

if TYPE_CHECKING:
    from morl.agents.base import Agent
    from morl.pareto import Front


class Callback:
    """Called by :meth:`morl.agents.Agent.learn`. Override what you need.

    Attributes:
        segment_every: environment steps after which learning pauses at a clean boundary and
            :meth:`on_segment_end` is called; ``None`` for no boundaries. Episodes begin anew after a boundary, with
            seeds that depend on its number alone, which is why a run resumed there continues bit for bit.
    """

    segment_every: int | None = None

    def on_training_start(self, agent: Agent) -> None:
        """Before the first step."""

    def on_step(self, agent: Agent) -> bool:
        """After each round of steps and updates; ``False`` stops learning."""
        return True

    def on_segment_end(self, agent: Agent) -> bool | None:
        """At a clean boundary, where the agent may be saved; ``False`` stops learning there."""
        return None

    def on_failure(self, agent: Agent, error: BaseException) -> str | None:
        """Learning is about to stop with an error; returns where what was learned was saved, if it was."""
        return None

    def on_training_end(self, agent: Agent) -> None:
        """After the last step, also after an interrupt or an error."""


class FunctionCallback(Callback):
    """A function ``f(agent) -> bool | None`` as a callback; ``False`` stops learning."""

    def __init__(self, function: Callable[[Agent], bool | None]) -> None:
        self.function = function

    def on_step(self, agent: Agent) -> bool:
        """Call the function."""
        return self.function(agent) is not False


class CallbackList(Callback):
    """Several callbacks in order."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self.callbacks = list(callbacks)
        every = {c.segment_every for c in self.callbacks if c.segment_every}
        if len(every) > 1:
            raise AgentError(f"callbacks ask for boundaries every {sorted(every)} steps; expected one interval")
        self.segment_every = next(iter(every), None)

    def on_training_start(self, agent: Agent) -> None:
        """Pass on."""
        for callback in self.callbacks:
            callback.on_training_start(agent)

    def on_step(self, agent: Agent) -> bool:
        """Pass on; stop where any callback says so."""
        answers = [callback.on_step(agent) for callback in self.callbacks]  # every callback is called
        return all(answers)

    def on_segment_end(self, agent: Agent) -> bool:
        """Pass on; stop where any callback says so."""
        answers = [callback.on_segment_end(agent) for callback in self.callbacks]  # every callback is called
        return all(answer is not False for answer in answers)

    def on_failure(self, agent: Agent, error: BaseException) -> str | None:
        """The first place where something was saved."""
        places = [callback.on_failure(agent, error) for callback in self.callbacks]
        return next((place for place in places if place), None)

    def on_training_end(self, agent: Agent) -> None:
        """Pass on."""
        for callback in self.callbacks:
            callback.on_training_end(agent)


def as_callback(given: Any) -> CallbackList:
    """``None``, a callback, a function, or a list of them, as one list.

    Raises:
        AgentError: something else.
    """
    items = [] if given is None else list(given) if isinstance(given, list | tuple) else [given]
    result = []
    for item in items:
        if isinstance(item, Callback):
            result.append(item)
        elif callable(item):
            result.append(FunctionCallback(item))
        else:
            raise AgentError(f"callback is {item!r}; expected a Callback or a function of the agent")
    return CallbackList(result)


class CheckpointCallback(Callback):
    """Saves the agent at clean boundaries.

    Args:
        folder: where; each save replaces the last and keeps it as the previous one.
        every: environment steps between saves.
    """

    def __init__(self, folder: str | Path, every: int) -> None:
        if every < 1:
            raise AgentError(f"checkpoint interval is {every}; expected at least 1 step")
        self.folder, self.segment_every = Path(folder), int(every)

    def on_segment_end(self, agent: Agent) -> None:
        """Save."""
        agent.save(self.folder)

    def on_failure(self, agent: Agent, error: BaseException) -> str | None:
        """Save what was learned beside the last good checkpoint, which stays as it is."""
        from morl.spec import RunError

        place = self.folder.with_name(self.folder.name + "-stopped")
        try:
            agent.save(place)
        except (RunError, OSError):
            return None
        return str(place)


class FrontCallback(Callback):
    """Evaluates the front at intervals and logs how good it is. Counted as evaluation, never as training.

    Args:
        every: environment steps between evaluations.
        reference: the exact (or best-known) front; adds ratios to it. ``truth`` is its former name.
        episodes: episodes per policy where sampling is needed.

    Attributes:
        history: one row per evaluation: ``steps``, ``seconds`` of learning, ``eval_steps``, ``points``,
            ``hypervolume``, ``expected_utility`` (of linear preferences over returns in their scale, each 0…1) and,
            with a reference, ``hypervolume_ratio`` and ``expected_utility_ratio``.
    """

    def __init__(
        self, every: int, reference: Front | None = None, episodes: int = 50, *, truth: Front | None = None
    ) -> None:
        self.every, self.episodes = int(every), int(episodes)
        self.reference = reference if truth is None else truth
        self.history: list[dict[str, float]] = []
        self.front: Front | None = None
        self._next = 0

    def on_training_start(self, agent: Agent) -> None:
        """Aim at the first evaluation."""
        self._next = agent.num_timesteps + self.every

    def on_step(self, agent: Agent) -> bool:
        """Evaluate when it is time."""
        if agent.num_timesteps >= self._next:
            self._next = agent.num_timesteps + self.every
            with contextlib.suppress(NoPolicyError):  # too early
                self.measure(agent)
        return True

    def measure(self, agent: Agent) -> dict[str, float]:
        """Evaluate now; returns the row that was logged."""
        import warnings

        from morl.pareto.indicators import expected_utility

        self.front = front = agent.front(episodes=self.episodes)
        row: dict[str, float] = {
            "steps": agent.num_timesteps,
            "seconds": agent.seconds,
            "eval_steps": agent.eval_steps,
            "points": len(front),
        }
        scale = agent.spec.normalise
        measures: dict[str, Callable[[Front], float]] = {}
        if front.ref_point is not None:
            measures["hypervolume"] = lambda some: some.hypervolume(front.ref_point)
        if len(front) and agent.spec.return_scale is not None:
            measures["expected_utility"] = lambda some: expected_utility(scale(some.points))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, measure in measures.items():
                row[name] = measure(front)
                if self.reference is not None:
                    whole = measure(self.reference)
                    row[f"{name}_ratio"] = row[name] / whole if whole > 0 else float("nan")
        self.history.append(row)
        agent.logger.log({f"front/{key}": value for key, value in row.items() if key != "steps"}, agent.num_timesteps)
        return row


class StopAtHypervolume(FrontCallback):
    """Stops learning when the front's hypervolume reaches a level.

    Args:
        level: hypervolume, or with a reference front the fraction of its hypervolume.
    """

    def __init__(
        self,
        level: float,
        every: int,
        reference: Front | None = None,
        episodes: int = 50,
        *,
        truth: Front | None = None,
    ) -> None:
        super().__init__(every, reference, episodes, truth=truth)
        self.level = float(level)
        self.reached: dict[str, float] | None = None

    def on_step(self, agent: Agent) -> bool:
        """Evaluate when it is time, and stop at the level."""
        before = len(self.history)
        super().on_step(agent)
        if len(self.history) > before:
            row = self.history[-1]
            value = row.get("hypervolume_ratio" if self.reference is not None else "hypervolume", 0.0)
            if value >= self.level:
                self.reached = row
                return False
        return True


class ProgressBar(Callback):
    """A rich progress bar with steps per second and what the agent reports about itself.

    Args:
        reference: exact front; the current hypervolume is shown against its own, wherever that costs no samples.
        refresh: seconds between refreshes of the hypervolume; more where measuring takes long.
        summary: what to show where the hypervolume costs samples: what something else has measured.
    """

    def __init__(
        self, reference: Front | None = None, refresh: float = 5.0, summary: Callable[[], str] | None = None
    ) -> None:
        self.reference, self.refresh, self.summary = reference, refresh, summary
        self._bar: Any = None
        self._task: Any = None
        self._last = 0.0
        self._note = ""

    def on_training_start(self, agent: Agent) -> None:
        """Draw the bar on stderr."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=False,
        )
        self._bar.start()
        self._task = self._bar.add_task(
            agent.info.name, total=agent.target_timesteps, completed=agent.num_timesteps, note=""
        )
        self._last = time.monotonic()

    def on_step(self, agent: Agent) -> bool:
        """Move the bar."""
        if self._bar is not None:
            now = time.monotonic()
            if now - self._last > self.refresh:
                self._note = self._measure(agent)
                self._last = time.monotonic()
                self.refresh = max(self.refresh, 10 * (self._last - now))  # never more than a tenth of the time
            facts = " ".join(f"{key}={value:.4g}" for key, value in agent.status().items())
            self._bar.update(
                self._task, completed=min(agent.num_timesteps, agent.target_timesteps), note=f"{facts} {self._note}"
            )
        return True

    def _measure(self, agent: Agent) -> str:
        """The hypervolume, where it can be computed exactly (evaluation by samples is not logging's business)."""
        import warnings

        if agent.problem.model is None or agent.problem.spec.ref_point is None:
            return "" if self.summary is None else self.summary()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                front = agent.front(exact=True)
            except NoPolicyError:
                return ""
            volume = front.hypervolume()
            if self.reference is None:
                return f"hypervolume {volume:.5g}"
            return f"hypervolume {volume:.5g} of {self.reference.hypervolume(front.ref_point):.5g}"

    def on_training_end(self, agent: Agent) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=min(agent.num_timesteps, agent.target_timesteps))
            self._bar.stop()
            self._bar = None
