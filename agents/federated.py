"""Federated multi-objective training: clients share a representation, never their data, heads or transitions.

Each client (a patient, a hospital, a traffic mix) has an environment and an agent of its own. A round is ::

    every client c learns for some steps from the common trunk θ     (FedAvg, McMahan et al. 2017)
    θ ← Σ_c n_c θ_c / Σ_c n_c,     n_c the steps that client c has learned from in this round

What leaves a client is its trunk: the layers below the heads that say values or choose actions. Heads, moments of the
optimiser, replay and normalisation stay private (personalisation layers, Arivazhagan et al. 2019). Options:

- ``proximal`` μ adds μ/2 ‖θ_c − θ‖² to every client's loss (FedProx, Li et al. 2020);
- ``secure`` masks what is sent so that only the sum can be read (the arithmetic of Bonawitz et al. 2017): every pair of
  clients draws a common mask that one adds and the other subtracts, in integers modulo 2⁶⁴, where sums cancel exactly.

With one client nothing changes, bit for bit: it learns as it would alone, with clean boundaries after each round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from morl.agents import registry
from morl.agents.base import Agent
from morl.agents.core.callbacks import Callback
from morl.agents.neural.parts import Array, Arrays, load_shared, pulled_to, require_alike, shared_arrays
from morl.counts import as_count
from morl.pareto.front import Front
from morl.spec import AgentError, UnknownNameError

SHARES = ("trunk", "all", "none")
"""What clients may share: the trunk, the heads too, or nothing."""

_ONE = 2.0**40  # fixed point of masked numbers: parts in 10¹², up to 8 million


@dataclass(frozen=True)
class Update:
    """What leaves a client at the end of a round.

    Args:
        arrays: parameters by name; under ``secure`` masked integers that mean nothing by themselves.
        steps: environment steps learned from in this round.
    """

    arrays: Arrays
    steps: int


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
        if not len(clients):
            raise AgentError("there are no clients; expected at least one environment")
        self.seed, self.share, self.proximal, self.secure = seed, share, float(proximal), secure
        self.round_steps = as_count(round_steps, "round_steps", 1, AgentError)
        self.envs = list(clients)
        kind = registry.get(algorithm) if isinstance(algorithm, str) else algorithm
        self.agents = [kind(env, seed=seed + i, **options) for i, env in enumerate(self.envs)]
        self.rounds = 0
        require_alike(self.agents, "client")
        if share != "none":
            first = shared_arrays(self.agents[0], share)
            for agent in self.agents[1:]:
                load_shared(agent, first, share)

    def learn(
        self,
        total_timesteps: float | str,
        *,
        executor: Executor | None = None,
        on_update: Callable[[int, Update], None] | None = None,
    ) -> Federated:
        """Learn from ``total_timesteps`` more steps of every client.

        Args:
            total_timesteps: steps of each client.
            executor: where clients learn at the same time, such as a ``ProcessPoolExecutor``; results are the same
                as without one. Environments must then be ids.
            on_update: called with each client's number and what leaves it, such as for an audit.

        Raises:
            AgentError: an executor, and clients that were not given by id.
        """
        steps = as_count(total_timesteps, "total_timesteps", 1, AgentError)
        targets = [agent.num_timesteps + steps for agent in self.agents]
        if executor is not None and not all(isinstance(env, str) for env in self.envs):
            raise AgentError("clients that learn in other processes must be given by id, such as 'morl/Driving-v0'")
        while any(agent.num_timesteps < target for agent, target in zip(self.agents, targets, strict=True)):
            before = [agent.num_timesteps for agent in self.agents]
            self._round(targets, executor)
            self.rounds += 1
            if self.share == "none":
                continue
            spent = [agent.num_timesteps - b for agent, b in zip(self.agents, before, strict=True)]
            updates = self._updates(spent)
            for number, update in enumerate(updates):
                if on_update is not None:
                    on_update(number, update)
            common = combine(updates, self.secure)
            for agent in self.agents:
                load_shared(agent, common, self.share)
        return self

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

    def _round(self, targets: Sequence[int], executor: Executor | None) -> None:
        going = [i for i, agent in enumerate(self.agents) if agent.num_timesteps < targets[i]]
        if executor is None:
            for i in going:
                one_round(self.agents[i], targets[i], self.round_steps, self.share, self.proximal)
            return
        with TemporaryDirectory() as folder:
            self.save(folder)
            jobs = {}
            for i in going:
                place = str(Path(folder) / f"client-{i}")
                what = (type(self.agents[i]), place, self.envs[i], targets[i])
                jobs[i] = executor.submit(_elsewhere, *what, self.round_steps, self.share, self.proximal)
            for i, job in jobs.items():
                job.result()
                self.agents[i] = type(self.agents[i]).load(Path(folder) / f"client-{i}", self.envs[i])

    def _updates(self, steps: Sequence[int]) -> list[Update]:
        """What the clients send after a round."""
        arrays = [shared_arrays(agent, self.share) for agent in self.agents]
        if not self.secure:
            return [Update(a, n) for a, n in zip(arrays, steps, strict=True)]
        whole = sum(steps)
        seeds = np.random.SeedSequence((self.seed, self.rounds))
        return [Update(masked(a, n / whole, i, len(arrays), seeds), n)
                for i, (a, n) in enumerate(zip(arrays, steps, strict=True))]  # fmt: skip


# ---- one client -----------------------------------------------------------------------------------------


class _Round(Callback):
    """Stops at the next clean boundary."""

    def __init__(self, steps: int) -> None:
        self.segment_every = steps

    def on_segment_end(self, agent: Agent) -> bool:
        return False


def one_round(agent: Agent, target: int, round_steps: int, share: str, proximal: float) -> None:
    """Let a client learn up to its next boundary, on the way to ``target`` steps in all."""
    with pulled_to(agent, share, proximal):
        agent.learn(target - agent.num_timesteps, _Round(round_steps))


def _elsewhere(
    cls: type[Agent], folder: str, env: str, target: int, round_steps: int, share: str, proximal: float
) -> None:
    """The same in another process: a round begins and ends with a checkpoint."""
    agent = cls.load(folder, env)
    one_round(agent, target, round_steps, share, proximal)
    agent.save(folder)


# ---- the server -----------------------------------------------------------------------------------------


def combine(updates: Sequence[Update], secure: bool = False) -> Arrays:
    """The mean of the clients' parameters, weighted by steps; of masked ones the sum, whose masks cancel.

    Raises:
        AgentError: no update, no step in any, or updates of different parameters.
    """
    whole = sum(update.steps for update in updates)
    if whole <= 0:
        raise AgentError(f"{len(updates)} clients have learned from {whole} steps; there is nothing to combine")
    names = updates[0].arrays.keys()
    if any(update.arrays.keys() != names for update in updates):
        raise AgentError("clients sent different parameters; expected the same from all")
    out: Arrays = {}
    for name in names:
        if secure:
            total = np.zeros_like(updates[0].arrays[name])
            for update in updates:
                total = total + update.arrays[name]
            out[name] = (total.view(np.int64) / _ONE).astype(np.float32)
        else:
            parts = [update.steps / whole * update.arrays[name].astype(np.float64) for update in updates]
            out[name] = np.sum(parts, axis=0).astype(updates[0].arrays[name].dtype)
    return out


def masked(
    arrays: Mapping[str, Array], share: float, client: int, clients: int, seeds: np.random.SeedSequence
) -> Arrays:
    """Parameters times the client's share, in fixed point modulo 2⁶⁴, plus masks that the other clients take off.

    Only the arithmetic is here. In a deployment each pair of clients agrees on its seed by itself (Diffie–Hellman), so
    that the server knows none, and clients that drop out are provided for.

    Args:
        arrays: parameters.
        share: n_c / Σ n.
        client: number of the client.
        clients: how many there are.
        seeds: common root of the pairs' seeds, new in every round.
    """
    out: Arrays = {}
    streams = {}
    for other in range(clients):
        if other != client:
            pair = (min(client, other), max(client, other))
            branch = np.random.SeedSequence(seeds.entropy, spawn_key=pair)
            streams[other] = np.random.default_rng(branch)
    for name, array in arrays.items():
        value = np.rint(array.astype(np.float64) * share * _ONE).astype(np.int64).view(np.uint64)
        for other, stream in streams.items():
            mask = stream.integers(0, 2**64, size=array.shape, dtype=np.uint64, endpoint=False)
            value = value + mask if client < other else value - mask
        out[name] = value
    return out
