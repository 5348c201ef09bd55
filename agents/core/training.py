"""The learning loop: segments between clean boundaries, counting, logging, callbacks, interrupts and failures."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from morl.agents.core.callbacks import Callback, CallbackList, ProgressBar, as_callback
from morl.agents.core.errors import DivergedError
from morl.agents.core.memory import allocating
from morl.agents.core.threads import one_thread
from morl.compile_time import Stopwatch

if TYPE_CHECKING:
    from morl.agents.base import Agent


class LearningInterrupted(KeyboardInterrupt):
    """Ctrl-C during :meth:`morl.agents.Agent.learn`: the message says what was learned; the agent can be used."""


class StopLearning(Exception):
    """A callback asked to stop."""


class Training:
    """Runs an agent's ``_learn`` for a number of steps, and does after each round what callers asked for.

    Args:
        agent: who learns.

    Attributes:
        watch: the seconds spent learning, without compilation and without callbacks.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.watch = Stopwatch()
        self._callbacks = CallbackList([])
        self._interrupted = False
        self._log_interval: int | None = None
        self._next_log = 0

    def run(self, steps: int, callback: Any, log_interval: int | None, progress_bar: bool) -> None:
        """Learn from ``steps`` more steps; the arguments are those of :meth:`morl.agents.Agent.learn`.

        Raises:
            LearningInterrupted: Ctrl-C or SIGTERM.
        """
        agent = self.agent
        extra: list[Callback] = [ProgressBar()] if progress_bar else []
        self._callbacks = CallbackList([*as_callback(callback).callbacks, *extra])
        self._log_interval = log_interval
        self._next_log = self._following_log()
        self._interrupted = False
        agent.target_timesteps = agent.num_timesteps + steps
        self._callbacks.on_training_start(agent)
        self.watch.start()
        try:
            with self._deferred_interrupts(), allocating(agent.info.name), one_thread():
                while agent.num_timesteps < agent.target_timesteps and self._segment():
                    pass
        except StopLearning:
            self._callbacks.on_segment_end(agent)
        except KeyboardInterrupt:
            raise LearningInterrupted(interrupt_message(agent)) from None
        except Exception as error:
            self._explain(error)
            raise
        finally:
            self._callbacks.on_training_end(agent)

    def _following_log(self) -> int:
        """The next multiple of the interval, so that a run logs at the same steps however often it is resumed."""
        every = self._log_interval or 1
        return (self.agent.num_timesteps // every + 1) * every

    def _segment(self) -> bool:
        """Learn up to the next clean boundary; false where a callback stops there."""
        agent, every = self.agent, self._callbacks.segment_every
        until = agent.target_timesteps
        if every:
            until = min(until, (agent.num_timesteps // every + 1) * every)
        agent._segment += 1
        agent._forget_front()
        agent._learn(until)
        self.watch.stop()
        go_on = self._callbacks.on_segment_end(agent)
        self.watch.start()
        return go_on

    def advance(self, steps: int) -> None:
        """See :meth:`morl.agents.Agent.advance`.

        Raises:
            KeyboardInterrupt: Ctrl-C came while the round was under way.
            StopLearning: a callback asked to stop.
        """
        agent = self.agent
        agent.num_timesteps += int(steps)
        self.watch.stop()
        if self._log_interval and agent.num_timesteps >= self._next_log:
            self._next_log = self._following_log()
            agent.logger.log({"seconds": agent.seconds, **agent.status()}, agent.num_timesteps)
        go_on = self._callbacks.on_step(agent)
        self.watch.start()
        if self._interrupted:
            raise KeyboardInterrupt
        if not go_on:
            raise StopLearning
        agent._forget_front()  # what a callback measured is about to change

    def _explain(self, error: Exception) -> None:
        """Say after how many steps learning failed, and where callbacks saved what was learned."""
        agent = self.agent
        if isinstance(error, DivergedError):
            error.args = (f"{agent.info.name} diverged after {agent.num_timesteps:,} steps: {error}",)
        place = self._callbacks.on_failure(agent, error)
        if place:
            error.add_note(f"what was learned in {agent.num_timesteps:,} steps is in {place}")

    @contextlib.contextmanager
    def _deferred_interrupts(self) -> Iterator[None]:
        """Let Ctrl-C (or SIGTERM) wait for the end of a round of steps and updates; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: Any) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        # Whoever handles SIGTERM in a way of their own keeps it.
        default = signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, _terminated)
        numbers = (signal.SIGINT, signal.SIGTERM) if default else (signal.SIGINT,)
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if self._interrupted:
            raise KeyboardInterrupt


def interrupt_message(agent: Agent) -> str:
    """What an interrupted agent has learned, and what can be done with it."""
    done = f"interrupted after {agent.num_timesteps:,} of {agent.target_timesteps:,} steps"
    known = ", ".join(f"{key} {value:.4g}" for key, value in agent.status().items())
    kept = f"what {agent.info.name} learned is kept{f' ({known})' if known else ''}"
    return f"{done}; {kept}: front(), predict() and save() work, learn() goes on"


def _terminated(number: int, frame: Any) -> None:
    raise KeyboardInterrupt("terminated")


@contextlib.contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM raise :class:`KeyboardInterrupt` as Ctrl-C does, unless somebody handles it already."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
