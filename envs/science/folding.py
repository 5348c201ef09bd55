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

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from morl.envs.batched import BatchedEnv, BatchedVectorEnv, Dynamics, State, Transition
from morl.envs.core import accepts_gamma
from morl.envs.science import folding_kernels as kernels
from morl.envs.science.folding_render import FoldRenderer
from morl.pareto import Front
from morl.spec import EnvError, MOSpec, Objective

DEFAULT_SEQUENCE = "PHPPHPHHHPHHPHHHHH"
MAX_LENGTH = 128
WINDOW = {2: 5, 3: 3}  # reach of the local window: 11 × 11 or 7 × 7 × 7 sites
MOVES = ("left", "forward", "right", "up", "down")

KNOWN_OPTIMA: dict[str, int] = {
    "HHPPPPPHHPPPHPPPHP": -4,
    "HPHPHHHPPPHHHHPPHH": -8,
    "PHPPHPHHHPHHPHHHHH": -9,
    "HPHPPHHPHPPHPHHPPHPH": -9,
    "HHHPPHPHPHPPHPHPHPPH": -10,
    "HHPPHPPHPPHPPHPPHPPHPPHH": -9,
    "PPHPPHHPPPPHHPPPPHHPPPPHH": -8,
    "PPPHHPPHHPPPPPHHHHHHHPPHHPPPPHHPPHPP": -14,
    "PPHPPHHPPHHPPPPPHHHHHHHHHHPPPPPPHHPPHHPPHPPHHHHH": -23,
    "HHPHPHPHPHHHHPHPPPHPPPHPPPPHPPPHPPPHPHHHHPHPHPHPHH": -21,
    "PPHHHPHHHHHHHHPPPHHHHHHHHHHPHPPPHHHHHHHHHHHHPPPPHHHHHHPHHPHP": -36,
    "HHHHHHHHHHHHPHPHPPHHPPHHPPHPPHHPPHHPPHPPHHPPHHPPHPHPHHHHHHHHHHHH": -42,
}
"""Energies (minus contacts) of the standard 2-D sequences: proved up to 20 residues by enumeration (tests), quoted as
optimal or best known for the longer ones (Unger & Moult 1993; Shmygelska & Hoos 2005), with no proof of ours but that
none exceeds :func:`most_contacts`."""


def most_contacts(sequence: str) -> int:
    """An upper bound on the HH contacts of a sequence in two dimensions, by parity (Hart & Istrail 1996).

    Neighbours on the square lattice stand at places of different parity along the chain, and each has two sites left
    beside its bonds, three at an end.

    >>> most_contacts("PPHPPHHPPPPHHPPPPHHPPPPHH")  # as many as the best known fold has
    8
    """
    free = [0, 0]
    for place, residue in enumerate(sequence):
        if residue == "H":
            free[place % 2] += 3 if place in (0, len(sequence) - 1) else 2
    return min(free)


def parse_sequence(sequence: str, longest: int = MAX_LENGTH) -> np.ndarray[Any, Any]:
    """Residues as int8, 1 for H and 0 for P.

    Raises:
        EnvError: letters other than H and P, fewer than 3 residues, or more than ``longest``.

    >>> parse_sequence("HPPH").tolist()
    [1, 0, 0, 1]
    """
    if not isinstance(sequence, str):
        raise EnvError(f"sequence is {sequence!r}; expected a string of the letters H and P")
    for i, letter in enumerate(sequence):
        if letter not in "HP":
            raise EnvError(f"sequence {sequence!r} has {letter!r} at position {i}; expected the letters H and P only")
    if not 3 <= len(sequence) <= longest:
        raise EnvError(f"sequence {sequence!r} has {len(sequence)} residues; expected 3 to {longest}")
    return np.array([letter == "H" for letter in sequence], dtype=np.int8)


def folding_spec(n: int, dim: int) -> MOSpec:
    """Objectives of chains of up to ``n`` residues; the reference point is the trapped vector, and a bit."""
    exposure = (2 * dim - 2) * n + 2
    worst = (n * n - 1) / 12 + 1
    objectives = (
        Objective("contacts", "HH pairs", -1, n, "hydrophobic neighbours that are not bonded"),
        Objective("exposure", "sites", -1, exposure, "empty sites beside polar residues"),
        Objective("compactness", "-bond^2", -worst, 0, "minus the squared radius of gyration"),
    )
    scale = ((0.0, 0.0, -(worst - 1)), (float(n), float(exposure), 0.0))
    return MOSpec(objectives, 1.0, n - 2, (-1.0, -1.0, -worst), scale)


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


class HPFolding(BatchedEnv):
    """One chain to fold; see :mod:`morl.envs.science.folding`.

    Args:
        sequence: a string of H and P, or several of them.
        dim: 2 or 3.
        random_sequence: draw one of the sequences at every reset.
        render_mode: ``"rgb_array"`` or ``"ansi"``.
    """

    def __init__(
        self,
        sequence: str | Sequence[str] = DEFAULT_SEQUENCE,
        dim: int = 2,
        *,
        random_sequence: bool = False,
        render_mode: str | None = None,
    ) -> None:
        dynamics = FoldingDynamics(sequence, dim, random_sequence=random_sequence)
        super().__init__(dynamics, dynamics.longest - 2, render_mode, FoldRenderer())

    def __getattr__(self, name: str) -> Any:
        """``momdp`` and ``observations`` exist for chains short enough to write down their tree of folds.

        They are attributes rather than methods that fail, so that ``hasattr`` tells whether the model is finite
        *and* small: the tree of the default chain has some hundred million states.
        """
        if name in ("momdp", "observations") and "dynamics" in self.__dict__:
            from morl.envs.science.folding_exact import LONGEST_TREE, folding_tree

            dynamics = self.__dict__["dynamics"]
            if dynamics.longest <= LONGEST_TREE[dynamics.dim] and len(dynamics.sequences) == 1:
                model, observations = folding_tree(dynamics.sequences[0], dynamics.dim)
                if name == "observations":
                    return observations.copy()
                return lambda discount=None: model if discount is None else model.with_discount(discount)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @accepts_gamma
    def pareto_front(self, discount: float | None = None) -> Front:
        """The exact front by enumeration, every point with the moves that earn it.

        Args:
            discount: γ; rewards come with the last of n − 2 moves, so returns are scaled by γ^(n − 3).

        Raises:
            EnvError: a chain too long to enumerate, or sequences drawn at random.
        """
        from morl.envs.science.folding_exact import folding_front

        dynamics = self.dynamics
        assert isinstance(dynamics, FoldingDynamics)
        if dynamics.random_sequence and len(dynamics.sequences) > 1:
            raise EnvError(f"{len(dynamics.sequences)} sequences are drawn at random; expected one for an exact front")
        front = folding_front(dynamics.sequences[0], dynamics.dim)
        gamma = 1.0 if discount is None else float(discount)
        if gamma == 1.0:
            return front
        return front.replace(points=front.points * gamma ** (len(dynamics.sequences[0]) - 3), discount=gamma)


class HPFoldingVec(BatchedVectorEnv):
    """Many chains at once; arguments as in :class:`HPFolding`."""

    def __init__(
        self,
        num_envs: int = 1,
        sequence: str | Sequence[str] = DEFAULT_SEQUENCE,
        dim: int = 2,
        *,
        random_sequence: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        dynamics = FoldingDynamics(sequence, dim, random_sequence=random_sequence)
        limit = dynamics.longest - 2
        super().__init__(dynamics, num_envs, limit, autoreset_mode, max_episode_steps, render_mode, FoldRenderer())
        self._start = dynamics.initial(1, np.random.default_rng(0)) if not dynamics.random_sequence else None

    def _begin(self, which: Any, options: Mapping[str, Any], initial: bool) -> dict[str, Any]:
        """As in the base class, but chains that all begin alike are written over the ended ones in place.

        Episodes are so short that some chain ends in nearly every step, and starting it by the general way costs a
        third of the step. The arrays written to are this environment's own: ``step`` returned them fresh.
        """
        if self._start is None or options or initial or len(which) == self.num_envs:
            return super()._begin(which, options, initial)
        for key, value in self._start.items():
            self._state[key][which] = value
        return {"action_mask": np.ones((len(which), self._start["mask"].shape[1]), dtype=np.int8)}
