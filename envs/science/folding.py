"""Folding a chain of hydrophobic (H) and polar (P) residues on a lattice, residue by residue.

The HP model of Lau and Dill (1989): a self-avoiding walk on the square (``dim=2``) or cubic (``dim=3``) lattice, whose
energy is minus the number of HH contacts (neighbouring sites, not bonded). Here a fold has three virtues, paid when
the last residue is placed and zero before:

* ``contacts``: HH contacts;
* ``exposure``: empty neighbour sites of P residues, counted per residue: polar residues want water;
* ``compactness``: −R_g², R_g² being the mean squared distance from the centroid (bond lengths squared).

The first bond is fixed. Moves are relative to the last bond: left, forward, right and, in three dimensions, up and
down; ``info["action_mask"]`` marks those that lead to a free site. A chain that runs into itself or has no free site
left is trapped and earns ``(−1, −1, −(n² − 1)/12 − 1)``, which every finished fold dominates, (n² − 1)/12 being the
R_g² of the straight chain. γ = 1, no randomness but the optional choice of a sequence.

Neither physics nor a benchmark of protein prediction: two letters, a lattice, and an optimum that can be enumerated
(:mod:`morl.envs.science.folding_exact`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from morl.envs.dynamics import Dynamics, State, Transition
from morl.envs.science import folding_kernels as kernels
from morl.envs.science.folding_chain import DEFAULT_SEQUENCE, MOVES, folding_spec, parse_sequence
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import EnvError, FloatArray

WINDOW = {2: 5, 3: 3}  # reach of the local window: 11 × 11 or 7 × 7 × 7 sites
LONGEST_TREE = {2: 10, 3: 7}  # residues for which the tree of all folds is written down as a model


class FoldingDynamics(Dynamics):
    """The pure dynamics of :mod:`morl.envs.science.folding`, batched over chains.

    Args:
        sequence: the chain, or several to choose from.
        dim: 2 or 3.
        random_sequence: draw a sequence at every reset; otherwise the first is used.
        compiled: use the compiled kernels; false runs the same functions uncompiled.

    Raises:
        EnvError: a bad sequence or dimension.
    """

    masked = True
    reset_options = ("sequence",)

    def __init__(
        self,
        sequence: str | Sequence[str] = DEFAULT_SEQUENCE,
        dim: int = 2,
        *,
        random_sequence: bool = False,
        compiled: bool = True,
    ) -> None:
        if dim not in (2, 3):
            raise EnvError(f"dim is {dim!r}; expected 2 (square lattice) or 3 (cubic lattice)")
        self.sequences = (sequence,) if isinstance(sequence, str) else tuple(sequence)
        if not self.sequences:
            raise EnvError("sequences are empty; expected at least one string of H and P")
        parsed = [parse_sequence(s) for s in self.sequences]
        self.longest, self.dim = max(map(len, parsed)), dim
        self.random_sequence = bool(random_sequence)
        self._kinds = np.stack([np.pad(p, (0, self.longest - len(p))) for p in parsed])
        self._lengths = np.array([len(p) for p in parsed], dtype=np.int64)
        self._grow = kernels.grow if compiled else getattr(kernels.grow, "py_func", kernels.grow)
        self._look = kernels.look if compiled else getattr(kernels.look, "py_func", kernels.look)
        self.moves = 3 if dim == 2 else 5
        self.reach = WINDOW[dim]
        self.cells = (2 * self.reach + 1) ** dim
        self.mo_spec = folding_spec(self.longest, dim)
        self.max_steps = self.longest - 2
        self.no_front = ""
        if self.random_sequence and len(parsed) > 1:
            self.no_front = f"{len(parsed)} sequences are drawn at random; expected one for an exact front"
        self.action_space = spaces.Discrete(self.moves)
        self._width = self.cells + self.longest + 1
        self.observation_space = spaces.Box(-1.0, 1.0, (self._width,), np.float32)
        self._frame = np.zeros((2, dim), dtype=np.int16)
        self._frame[0, 0] = self._frame[1, dim - 1] = 1

    def initial(self, n: int, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> State:
        """Chains of two residues, along the first axis; ``options={"sequence": "HPPH…"}`` for another chain."""
        position = np.zeros((n, self.longest, self.dim), dtype=np.int16)
        position[:, 1, 0] = 1
        if options and "sequence" in options:
            kinds = parse_sequence(options["sequence"], self.longest)
            row = np.zeros(self.longest, dtype=np.int8)
            row[: len(kinds)] = kinds
            rows, lengths = np.repeat(row[None], n, axis=0), np.full(n, len(kinds), dtype=np.int64)
        else:
            chosen = rng.integers(len(self.sequences), size=n) if self.random_sequence else np.zeros(n, np.int64)
            rows, lengths = self._kinds[chosen], self._lengths[chosen]
        mask = np.ones((n, self.moves), dtype=np.int8)
        return {
            "kinds": rows,
            "length": lengths,
            "position": position,
            "placed": np.full(n, 2, dtype=np.int64),
            "frame": np.repeat(self._frame[None], n, axis=0),
            "mask": mask,
            "trapped": np.zeros(n, dtype=np.bool_),
        }

    def step(self, state: State, actions: Any, rng: np.random.Generator) -> Transition:
        """Place the next residue of every chain."""
        n = len(state["placed"])
        after = {key: value.copy() for key, value in state.items()}
        rewards, ended = np.zeros((n, 3)), np.zeros(n, dtype=np.bool_)
        self._grow(
            actions,
            state["kinds"],
            state["length"],
            after["position"],
            after["placed"],
            after["frame"],
            after["mask"],
            rewards,
            ended,
            after["trapped"],
        )
        return Transition(after, rewards, ended, {"action_mask": after["mask"]})

    def observe(self, state: State) -> Any:
        """Window (H = 1, P = −1, empty = 0), residues to come in order, and the share placed; float32."""
        out = np.zeros((len(state["placed"]), self._width), dtype=np.float32)
        self._look(state["kinds"], state["length"], state["position"], state["placed"], state["frame"], self.reach, out)
        return out

    def reset_info(self, state: State) -> Mapping[str, Any]:
        """The action mask: every first move is free."""
        return {"action_mask": state["mask"]}

    def render(self, state: State, mode: str) -> Any:
        """The chain on its lattice, with its contacts."""
        from morl.envs.science.folding_render import FoldRenderer

        return FoldRenderer()(state, mode)

    def front(self, discount: float, max_steps: int | None) -> Front | None:
        """The exact front by enumeration, every point with the moves that earn it.

        Rewards come with the last of n − 2 moves, so returns are scaled by γ^(n − 3).

        Raises:
            EnvError: a chain too long to enumerate.
        """
        from morl.envs.science.folding_exact import folding_front

        if self.no_front:
            return None
        front = folding_front(self.sequences[0], self.dim)
        if discount == 1.0:
            return front
        return front.replace(points=front.points * discount ** (len(self.sequences[0]) - 3), discount=discount)

    def finite_model(self) -> tuple[MOMDP, FloatArray] | None:
        """The tree of folds of a chain short enough to write it down: the default chain's has 10⁸ states."""
        if self.longest > LONGEST_TREE[self.dim] or len(self.sequences) > 1:
            return None
        return folding_tree(self.sequences[0], self.dim)


@functools.lru_cache(maxsize=8)
def folding_tree(sequence: str, dim: int = 2) -> tuple[MOMDP, FloatArray]:
    """The tree of all partial folds as a finite model, with the observation ``(S, D)`` of each state.

    Every action is available in every state: one that runs into the chain ends in the trapped reward.

    Raises:
        EnvError: a bad sequence, or one of more than 10 residues (7 in three dimensions).
    """
    n = len(parse_sequence(sequence))
    if n > LONGEST_TREE[dim]:
        raise EnvError(f"sequence has {n} residues; the tree of folds in {dim} dimensions stops at {LONGEST_TREE[dim]}")
    dynamics = FoldingDynamics(sequence, dim)
    rng = np.random.default_rng(0)
    folds = {(): dynamics.initial(1, rng)}

    def outcomes(prefix: Any, action: int) -> list[tuple[float, Any, list[float], bool]]:
        moved = dynamics.step(folds[prefix], np.array([action]), rng)
        folds[(*prefix, action)] = moved.state
        return [(1.0, (*prefix, action), moved.rewards[0].tolist(), bool(moved.terminated[0]))]

    model, states = MOMDP.from_simulator(
        (),
        dynamics.moves,
        outcomes,
        discount=1.0,
        objectives=dynamics.mo_spec.objectives,
        action_names=MOVES[: dynamics.moves],
    )
    observations = np.concatenate([dynamics.observe(folds[state]) for state in states])  # type: ignore[index]
    return model, observations
