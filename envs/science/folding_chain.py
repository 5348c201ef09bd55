"""Chains of hydrophobic and polar residues: sequences, their standard examples, and the objectives of their folds."""

from __future__ import annotations

from typing import Any

import numpy as np

from morl.spec import EnvError, MOSpec, Objective

DEFAULT_SEQUENCE = "PHPPHPHHHPHHPHHHHH"
MAX_LENGTH = 128
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
