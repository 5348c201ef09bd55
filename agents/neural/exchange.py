"""What clients of federated training send, and what the server makes of it: a mean, or a sum that masks hide.

Under ``secure`` a client sends its parameters times its steps (the arithmetic of Bonawitz et al. 2017): every pair of
clients draws a common mask that one adds and the other subtracts, in integers modulo 2⁶⁴, where sums cancel exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from morl.agents.neural.parts import Array, Arrays
from morl.spec import AgentError

_ONE = 2.0**32  # fixed point of masked numbers, which are parameters times steps
_MOST = 2.0**31  # their sum must be below it: 64 bits hold both, and a sign


@dataclass(frozen=True)
class Update:
    """What leaves a client at the end of a round.

    Args:
        arrays: parameters by name; under ``secure`` masked integers that mean nothing by themselves.
        steps: environment steps learned from in this round.
    """

    arrays: Arrays
    steps: int


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
            out[name] = (total.view(np.int64) / (_ONE * whole)).astype(np.float32)
        else:
            parts = [update.steps / whole * update.arrays[name].astype(np.float64) for update in updates]
            out[name] = np.sum(parts, axis=0).astype(updates[0].arrays[name].dtype)
    return out


def masked(arrays: Mapping[str, Array], steps: int, client: int, clients: int, seeds: np.random.SeedSequence) -> Arrays:
    """Parameters times the client's steps, in fixed point modulo 2⁶⁴, plus masks that the other clients take off.

    Only the arithmetic is here. In a deployment each pair of clients agrees on its seed by itself (Diffie–Hellman), so
    that the server knows none, and clients that drop out are provided for.

    Args:
        arrays: parameters.
        steps: n_c, which the client has learned from in this round.
        client: number of the client.
        clients: how many there are.
        seeds: common root of the pairs' seeds, new in every round.

    Raises:
        AgentError: parameters so large that the sum over clients may not fit.
    """
    out: Arrays = {}
    streams = {}
    for other in range(clients):
        if other != client:
            pair = (min(client, other), max(client, other))
            branch = np.random.SeedSequence(seeds.entropy, spawn_key=pair)
            streams[other] = np.random.default_rng(branch)
    for name, array in arrays.items():
        weighed = array.astype(np.float64) * steps
        if not np.abs(weighed).max(initial=0.0) * clients < _MOST:
            raise AgentError(
                f"{name} of client {client} is too large to be masked: parameters × steps × clients must be below 2³¹; "
                "give a smaller round_steps, or secure=False"
            )
        value = np.rint(weighed * _ONE).astype(np.int64).view(np.uint64)
        for other, stream in streams.items():
            mask = stream.integers(0, 2**64, size=array.shape, dtype=np.uint64, endpoint=False)
            value = value + mask if client < other else value - mask
        out[name] = value
    return out
