"""Clients of federated training: what one does in a round, and where they do it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np

from morl.agents.base import Agent
from morl.agents.core.callbacks import Callback
from morl.agents.core.errors import warn
from morl.agents.neural.exchange import Update, masked
from morl.agents.neural.parts import Arrays, load_shared, pulled_to, shared_arrays
from morl.engines import Engine, Silent
from morl.envs.imports import Imported
from morl.envs.registration import admit, make
from morl.spec import AgentError


@dataclass(frozen=True)
class Order:
    """What a client is to do in a round.

    Args:
        client: its number.
        clients: how many there are.
        target: steps that it is to have learned from in the end.
        round_steps: steps between exchanges.
        share: what it shares.
        proximal: μ of FedProx.
        masks: root of the round's masks; ``None`` sends parameters as they are.
    """

    client: int
    clients: int
    target: int
    round_steps: int
    share: str
    proximal: float
    masks: tuple[int, int] | None


class _Round(Callback):
    """Stops at the next clean boundary."""

    def __init__(self, steps: int) -> None:
        self.segment_every = steps

    def on_segment_end(self, agent: Agent) -> bool:
        return False


def one_round(agent: Agent, order: Order) -> Update:
    """Let a client learn up to its next boundary, on the way to its target; what leaves it then."""
    before = agent.num_timesteps
    if before < order.target:
        with pulled_to(agent, order.share, order.proximal):
            agent.learn(order.target - before, _Round(order.round_steps))
    steps = agent.num_timesteps - before
    if order.share == "none":
        return Update({}, steps)
    arrays = shared_arrays(agent, order.share)
    if order.masks is not None:
        arrays = masked(arrays, steps, order.client, order.clients, np.random.SeedSequence(order.masks))
    return Update(arrays, steps)


class Here:
    """Clients in this process, one after the other.

    Args:
        agents: the clients.
        share: what they share.
    """

    def __init__(self, agents: Sequence[Agent], share: str) -> None:
        self.agents, self.share = list(agents), share

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def round(self, orders: Sequence[Order]) -> list[Update]:
        """What leaves the clients after a round."""
        return [one_round(agent, order) for agent, order in zip(self.agents, orders, strict=True)]

    def take_over(self, common: Arrays) -> None:
        """Let all clients go on from common parameters."""
        for agent in self.agents:
            load_shared(agent, common, self.share)


@dataclass(frozen=True)
class Job:
    """A client's round in another process.

    Args:
        imported: comes first, as the recipe may need modules that were made from files.
        recipe: makes the client's environment.
        kind: of agent.
        folder: of the client, with a checkpoint for the beginning of the round.
        number: of the round; a job that is begun again finds its beginning as it was.
        common: parameters to begin with; ``None`` for those of the checkpoint.
        order: what to do.
    """

    imported: Imported
    recipe: Any
    kind: type[Agent]
    folder: str
    number: int
    common: Arrays | None
    order: Order


def job_done(job: Job, report: Callable[[int], None]) -> Update:
    """A client's round, from its checkpoint to the next one: a task of an :class:`~morl.engines.Engine`."""
    agent = job.kind.load(_place(job.folder, job.number), make(admit(job.recipe)))
    if job.common is not None:
        load_shared(agent, job.common, job.order.share)
    update = one_round(agent, job.order)
    agent.save(_place(job.folder, job.number + 1))
    return update


def _place(folder: str, number: int) -> Path:
    """A client's checkpoint for the beginning of a round."""
    return Path(folder) / f"round-{number}"


class Elsewhere(Here):
    """Clients in other processes: each has a folder for what is its own, and what it shares goes to and fro.

    They come back to this process when the block ends, as they were after the last round that all came through.

    Args:
        agents: the clients.
        envs: their environments here.
        share: what they share.
        engine: runs their rounds.
        folder: for theirs; a temporary one where it is ``None``.

    Raises:
        AgentError: a client's environment has no id to make it again from.
    """

    def __init__(
        self, agents: Sequence[Agent], envs: Sequence[Any], share: str, engine: Engine, folder: str | Path | None
    ) -> None:
        super().__init__(agents, share)
        self.envs, self.engine, self.place = envs, engine, folder
        self.recipes = [agent.problem.recipe for agent in self.agents]
        for number, recipe in enumerate(self.recipes):
            if recipe is None:
                raise AgentError(f"client {number} cannot be made again in another process; expected an id, such as "
                                 "'morl/Driving-v0', or what morl.make made of one")  # fmt: skip
        self.common: Arrays | None = None
        self.done = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self.place is not None:
                Path(self.place).mkdir(parents=True, exist_ok=True)
            root = Path(stack.enter_context(TemporaryDirectory(prefix="clients-", dir=self.place))).resolve()
            self.folders = [str(root / f"client-{i}") for i in range(len(self.agents))]
            for agent, folder in zip(self.agents, self.folders, strict=True):
                agent.save(_place(folder, 0))
            stack.enter_context(self.engine)
            self._held = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._held:
            if self.done:
                self.agents = [self._back(i, agent) for i, agent in enumerate(self.agents)]

    def _back(self, number: int, before: Agent) -> Agent:
        agent = type(before).load(_place(self.folders[number], self.done), self.envs[number])
        agent.logger = before.logger
        if self.common is not None:
            load_shared(agent, self.common, self.share)
        return agent

    def round(self, orders: Sequence[Order]) -> list[Update]:
        """What leaves the clients after a round.

        Raises:
            AgentError: a client failed.
        """
        jobs = [
            Job(Imported(), recipe, type(agent), folder, self.done, self.common, order)
            for agent, recipe, folder, order in zip(self.agents, self.recipes, self.folders, orders, strict=True)
        ]
        outcomes = self.engine.run(job_done, jobs, Silent())
        for number, outcome in enumerate(outcomes):
            for text in outcome.warnings:
                warn(f"client {number}: {text}")
        for number, outcome in enumerate(outcomes):
            if outcome.error is not None:
                raise AgentError(f"client {number} failed: {outcome.error}")
        for folder in self.folders:
            shutil.rmtree(_place(folder, self.done), ignore_errors=True)
        self.done += 1
        return [outcome.result for outcome in outcomes]

    def take_over(self, common: Arrays) -> None:
        """Let all clients go on from common parameters, in the next round."""
        self.common = common
