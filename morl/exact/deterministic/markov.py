"""Deterministic policies that may depend on the time: stationary ones of the unrolled model."""

from __future__ import annotations

import time

import numpy as np

from morl.exact.deterministic.history import pareto_history
from morl.exact.deterministic.stationary import pareto_stationary
from morl.exact.deterministic.unroll import unroll
from morl.exact.graph import certain_rows
from morl.momdp import MOMDP
from morl.pareto import Front
from morl.spec import ModelError


def pareto_markov(momdp: MOMDP, epsilon: float = 0.0, time_limit: float | None = None) -> Front:
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
