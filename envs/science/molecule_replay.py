"""The best-known front of one cluster, each point with the action sequence that earns it, by replaying them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from morl.envs.dynamics import Dynamics, State
from morl.pareto import Front
from morl.spec import FloatArray

WITNESSES = Path(__file__).with_name("molecule_witnesses.npz")
QUANTUM = 64.0  # actions of witnesses are multiples of 1/64, so that they are stored and replayed exactly


def play(dynamics: Dynamics, start: State, actions: FloatArray, discount: float = 1.0) -> FloatArray:
    """Returns ``(n, K)`` of action sequences ``(n, T, A)`` from one start; what follows an ending is ignored."""
    n, rng = len(actions), np.random.default_rng(0)
    state = {key: np.repeat(value, n, axis=0) for key, value in start.items()}
    returns, alive = np.zeros((n, dynamics.mo_spec.k)), np.ones(n, dtype=np.bool_)
    for t in range(actions.shape[1]):
        moved = dynamics.step(state, actions[:, t], rng)
        returns[alive] += discount**t * moved.rewards[alive]
        state, alive = moved.state, alive & ~moved.terminated
    return returns


def save_witnesses(actions: FloatArray) -> None:
    """Write action sequences ``(n, 100, A)`` that are multiples of 1/64."""
    np.savez_compressed(WITNESSES, actions=np.rint(actions * QUANTUM).astype(np.int8))


def best_known_front(dynamics: Dynamics, discount: float = 1.0) -> Front:
    """The best known front of (NaCl)₂ from the start of seed 0, by playing the witnesses that come with the package.

    Never called exact: ``benchmarks/molecule_front.py`` searches further and replaces the witnesses by better ones.

    Args:
        dynamics: of that problem.
        discount: γ of the returns.
    """
    with np.load(WITNESSES, allow_pickle=False) as file:
        actions = file["actions"].astype(np.float64) / QUANTUM
    returns = play(dynamics, dynamics.initial(1, np.random.default_rng(0)), actions, discount)
    spec = dynamics.mo_spec
    return Front(
        returns,
        spec.objectives,
        ref_point=spec.ref_point,
        discount=discount,
        policies=list(actions),
        episodes=np.zeros(len(returns), dtype=np.int64),
        scale=spec.return_scale,
        provenance={
            "algorithm": "evolution, best known",
            "policy_class": "open loop",
            "criterion": "SER",
            "env": "morl/MoleculeRelaxationDeterministic-v0",
        },
    ).nondominated()
