"""Federated multi-objective training: clients share a representation, never their data, heads or transitions.

Each client (a patient, a hospital, a traffic mix) has an environment and an agent of its own. A round is ::

    every client c learns for some steps from the common trunk θ     (FedAvg, McMahan et al. 2017)
    θ ← Σ_c n_c θ_c / Σ_c n_c,     n_c the steps that client c has learned from in this round

What leaves a client is its trunk: the layers below the heads that say values or choose actions. Heads, moments of the
optimiser, replay and normalisation stay private (personalisation layers, Arivazhagan et al. 2019). Options:

- ``proximal`` μ adds μ/2 ‖θ_c − θ‖² to every client's loss (FedProx, Li et al. 2020);
- ``secure`` masks what is sent so that only the sum can be read (:mod:`morl.agents.neural.exchange`).

With one client nothing changes, bit for bit: it learns as it would alone, with clean boundaries after each round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.neural.clients import Elsewhere, Here, Order
from morl.agents.neural.exchange import Update, combine
from morl.agents.neural.parts import Arrays, load_shared, made_alike, shared_arrays
from morl.counts import as_count
from morl.engines import Engine, InProcess, engine_of
from morl.pareto.front import Front
from morl.spec import AgentError, UnknownNameError

SHARES = ("trunk", "all", "none")
"""What clients may share: the trunk, the heads too, or nothing."""


class Federated:
    """Several agents of one algorithm, one per client, that share their trunk.

    Args:
        algorithm: an agent class with a network, or its name.
        clients: environments, or ids, one per client, with the same spaces and objectives.
        seed: client c gets ``seed + c``.
        round_steps: environment steps of each client between exchanges.
        share: ``"trunk"``, ``"all"`` (the heads too, in the unit of the returns) or ``"none"``.
        proximal: μ ≥ 0 of FedProx.
        secure: mask what clients send.
        options: of every agent.

    Raises:
        AgentError: no client, clients whose spaces or objectives differ, or an algorithm without a trunk.
        UnknownNameError: no such algorithm, option or share.
    """

    def __init__(
        self,
        algorithm: type[Agent] | str,
        clients: Sequence[Any],
        *,
        seed: int = 0,
        round_steps: int = 2000,
        share: str = "trunk",
        proximal: float = 0.0,
        secure: bool = False,
        **options: Any,
    ) -> None:
        if share not in SHARES:
            raise UnknownNameError("share", share, SHARES)
        if not proximal >= 0:
            raise AgentError(f"proximal μ is {proximal}; expected a number ≥ 0")
        self.seed, self.share, self.proximal, self.secure = seed, share, float(proximal), secure
        self.round_steps = as_count(round_steps, "round_steps", 1, AgentError)
        self.envs = list(clients)
        self.agents = made_alike(registry.resolve(algorithm), self.envs, "client", seed, options)
        self.rounds = 0
        if share != "none":
            first = shared_arrays(self.agents[0], share)
            for agent in self.agents[1:]:
                load_shared(agent, first, share)

    def learn(
        self,
        total_timesteps: float | str,
        *,
        engine: Engine | str = "local",
        jobs: int = 1,
        folder: str | Path | None = None,
        on_update: Callable[[int, Update], None] | None = None,
    ) -> Federated:
        """Learn from ``total_timesteps`` more steps of every client.

        Clients learn here one after the other, at the same time in ``jobs`` processes, or on the nodes of a Ray cluster
        (``engine="ray"``, extra ``ray``), with the same results. What is a client's own lies in its folder meanwhile;
        only what it shares goes to and fro. A client whose process or node dies begins the round again, three times at
        most.

        Args:
            total_timesteps: steps of each client.
            engine: ``"local"``, ``"ray"``, or an engine of :mod:`morl.engines`.
            jobs: local processes; one job learns in this process.
            folder: where clients that learn elsewhere have their folders, on a cluster under the same path on all
                nodes; a temporary folder by default.
            on_update: called with each client's number and what leaves it, such as for an audit.

        Raises:
            AgentError: a client failed elsewhere, or has no id to be made again from there.
            MissingExtraError: Ray is not installed.
        """
        steps = as_count(total_timesteps, "total_timesteps", 1, AgentError)
        reached = [agent.num_timesteps for agent in self.agents]
        targets = [number + steps for number in reached]
        clients = self._clients(engine_of(engine, jobs), folder)
        try:
            with clients:
                while any(number < target for number, target in zip(reached, targets, strict=True)):
                    updates = clients.round(self._orders(targets))
                    self.rounds += 1
                    reached = [number + update.steps for number, update in zip(reached, updates, strict=True)]
                    if self.share != "none":
                        clients.take_over(self._combined(updates, on_update))
        finally:
            self.agents = clients.agents
        return self

    def _clients(self, engine: Engine, folder: str | Path | None) -> Here:
        if isinstance(engine, InProcess):
            return Here(self.agents, self.share)
        return Elsewhere(self.agents, self.envs, self.share, engine, folder)

    def _orders(self, targets: Sequence[int]) -> list[Order]:
        """What every client is to do in the next round."""
        masks = (self.seed, self.rounds) if self.secure else None
        return [Order(i, len(targets), target, self.round_steps, self.share, self.proximal, masks)
                for i, target in enumerate(targets)]  # fmt: skip

    def _combined(self, updates: Sequence[Update], on_update: Callable[[int, Update], None] | None) -> Arrays:
        for number, update in enumerate(updates):
            if on_update is not None:
                on_update(number, update)
        return combine(updates, self.secure)

    def fronts(self, episodes: int = 100, seed: int | None = None) -> list[Front]:
        """The front of every client, measured in its own environment."""
        return [agent.front(episodes, seed) for agent in self.agents]

    def save(self, folder: str | Path) -> Path:
        """Write a checkpoint of every client into ``folder``."""
        path = Path(folder)
        for i, agent in enumerate(self.agents):
            agent.save(path / f"client-{i}")
        return path

    def restore(self, folder: str | Path) -> Federated:
        """Every client as it was saved."""
        loaded = [type(agent).load(Path(folder) / f"client-{i}", env)
                  for i, (agent, env) in enumerate(zip(self.agents, self.envs, strict=True))]  # fmt: skip
        self.agents = loaded
        self.rounds = max(agent.num_timesteps for agent in loaded) // self.round_steps
        return self
