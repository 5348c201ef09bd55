"""The best known front of the deterministic minecart, each point with the action sequence that earns it."""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

from morl.envs.control.minecart_kernels import replay_carts
from morl.pareto.front import Front
from morl.spec import EnvError, FloatArray, IntArray, MOSpec

_CAPACITY, _FRAMES = 1.5, 4


@cache
def witnesses() -> tuple[tuple[int, ...], ...]:
    """Action sequences found by search (``benchmarks/minecart_front.py``), from the base and back.

    Each is a line of ``minecart_witnesses.txt``, one digit per action.
    """
    text = resources.files("morl.envs.control").joinpath("minecart_witnesses.txt").read_text(encoding="utf-8")
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return tuple(tuple(int(digit) for digit in line) for line in lines if line)


def pad(sequences: tuple[tuple[int, ...], ...]) -> IntArray:
    """Sequences of different lengths as one array ``(n, longest)``, filled up with -1.

    >>> pad(((1, 3), (5,)))
    array([[ 1,  3],
           [ 5, -1]])
    """
    padded = np.full((len(sequences), max(map(len, sequences), default=0)), -1)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded


def best_known_front(mines: FloatArray, spec: MOSpec, discount: float) -> Front:
    """Replay the witnesses in the deterministic mine and keep the returns that none dominates.

    The search was for the discounts 0.98 and 1; under others this is a good set, not a best known one.

    Args:
        mines: ``(m, 6)`` as in :data:`morl.envs.control.minecart.MINES`; deviations are ignored.
        spec: names the objectives and the reference point.
        discount: γ of the returns.

    Returns:
        A :class:`~morl.pareto.front.Front` whose ``policies`` are tuples of actions. ``complete`` is false.

    Raises:
        EnvError: a discount outside [0, 1].
    """
    if not 0.0 <= discount <= 1.0:
        raise EnvError(f"discount is {discount!r}; expected a number in [0, 1]")
    sequences = witnesses()
    returns, used = replay_carts(pad(sequences), mines, _CAPACITY, _FRAMES, discount)
    back = used > 0
    return Front(
        returns[back],
        spec.objectives,
        spec.ref_point,
        discount,
        policies=[sequence[:n] for sequence, n in zip(sequences, used, strict=True) if n > 0],
        provenance={
            "algorithm": "evolutionary search over action sequences",
            "policy_class": "action sequences",
            "criterion": "SER",
            "env": "morl/MinecartDeterministic-v0",
            "status": "best known, not proved optimal",
        },
    ).nondominated()
