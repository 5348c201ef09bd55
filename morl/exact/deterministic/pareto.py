"""Fronts of deterministic policies: one question, three policy classes, each with its own method.

==============  ==============================================================  ============================
``policies=``   class                                                           method
==============  ==============================================================  ============================
``stationary``  one action per state                                            enumeration, branch and bound
``markov``      one action per state and decision, for a horizon                the same on the unrolled model
``history``     the action may depend on the states visited so far              set-valued value iteration
==============  ==============================================================  ============================

Every class contains the ones before it, and on a stochastic model the inclusions are strict.
"""

from __future__ import annotations

from dataclasses import replace

from numpy.typing import ArrayLike

from morl.exact.deterministic.history import pareto_history
from morl.exact.deterministic.markov import pareto_markov
from morl.exact.deterministic.stationary import pareto_stationary
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.pareto.convexity import supported_mask
from morl.spec import BoolArray, ModelError, UnknownNameError

CLASSES = ("stationary", "markov", "history")


def pareto_deterministic(
    momdp: MOMDP,
    policies: str = "stationary",
    epsilon: float = 0.0,
    horizon: int | None = None,
    time_limit: float | None = None,
) -> Front:
    """The Pareto front of a class of deterministic policies.

    Args:
        policies: ``"stationary"``, ``"markov"`` or ``"history"``.
        epsilon: additive precision; 0 asks for every point (up to about 1e-10 of the largest return).
        horizon: number of decisions, in place of the model's own.
        time_limit: seconds after which the answer so far is returned, with the ε that is certified for it
            and ``complete=False``; ``None`` stops after ten minutes.

    Returns:
        A front of achievable points, each with its policy: ``(S,)`` integers, ``(T, S)`` integers or a
        :class:`~morl.exact.policy.HistoryPolicy`.

    Raises:
        UnknownNameError: no such class.
        ModelError: the question has no answer (an unbounded total), or is too large (with an estimate).
    """
    if policies not in CLASSES:
        raise UnknownNameError("policy class", policies, CLASSES)
    if not epsilon >= 0:
        raise ModelError(f"epsilon is {epsilon}; expected a number >= 0")
    if time_limit is not None and not time_limit >= 0:
        raise ModelError(f"time_limit is {time_limit}; expected seconds >= 0 or None")
    model = momdp if horizon is None else replace(momdp, horizon=horizon)
    if policies == "stationary":
        return pareto_stationary(model, epsilon, time_limit)
    if policies == "markov":
        return pareto_markov(model, epsilon, time_limit)
    return pareto_history(model, epsilon, time_limit)


def classify(points: ArrayLike) -> BoolArray:
    """True for points ``(n, K)`` that some linear weight makes optimal, by linear programming; false: non-convex.

    >>> classify([[0, 4], [1, 1], [4, 0]]).tolist()
    [True, False, True]
    """
    return supported_mask(points)
