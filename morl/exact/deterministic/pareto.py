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

import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from morl.exact.deterministic.history import pareto_history
from morl.exact.deterministic.stationary import pareto_stationary
from morl.exact.deterministic.unroll import unroll
from morl.exact.graph import certain_rows
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
        return _pareto_markov(model, epsilon, time_limit)
    return pareto_history(model, epsilon, time_limit)


def _pareto_markov(momdp: MOMDP, epsilon: float = 0.0, time_limit: float | None = None) -> Front:
    """The front of deterministic policies with one action per decision and state.

    On a model with deterministic transitions and one start state nothing is to be remembered but the time, so
    set-valued iteration answers at once. Otherwise the unrolled model is searched.

    Raises:
        ModelError: no horizon, or too large (with an estimate).
    """
    began = time.perf_counter()
    if momdp.horizon is None:
        raise ModelError("policies='markov' (time-dependent) needs a horizon; give horizon=T, or use 'stationary'")
    if certain_rows(momdp).all() and int((momdp.start > 0).sum()) == 1:
        front = pareto_history(momdp, epsilon, time_limit)
        tables = [policy.markov(momdp) for policy in front.policies or ()]
    else:
        unrolled = unroll(momdp)
        front = pareto_stationary(unrolled.model, epsilon, time_limit)
        tables = [unrolled.timed(momdp, np.asarray(policy)) for policy in front.policies or ()]
    return front.replace(
        policies=tuple(tables),
        provenance={
            **front.provenance,
            "policy_class": "markov deterministic",
            "horizon": momdp.horizon,
            "seconds": time.perf_counter() - began,
        },
    )


def classify(points: ArrayLike) -> BoolArray:
    """True for points ``(n, K)`` that some linear weight makes optimal, by linear programming; false: non-convex.

    >>> classify([[0, 4], [1, 1], [4, 0]]).tolist()
    [True, False, True]
    """
    return supported_mask(points)
