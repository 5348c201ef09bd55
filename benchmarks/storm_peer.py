"""Storm through stormpy on a MOMDP, for the comparisons in this folder.

Storm has no discount for several objectives. A discounted total is the same as an undiscounted one in which
every step ends the run with probability 1 − γ, so each transition is scaled by γ and the rest goes to a sink.
Objectives that are minimised become costs (positive numbers), as Storm's users would write them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from morl.momdp import MOMDP
from morl.spec import FloatArray


def signs(m: MOMDP) -> FloatArray:
    """−1 for objectives that are minimised, 1 for the others, ``(K,)``."""
    return np.array([o.sign for o in m.objectives or ()] or np.ones(m.k))


def storm_model(m: MOMDP) -> Any:
    """The model as a Storm sparse MDP with one reward structure per objective (state S is the sink, where γ < 1)."""
    from stormpy.developer import storage
    from stormpy.developer.storage import _storage

    s_count, gamma = m.n_states, m.discount
    sinks = int(gamma < 1.0)
    matrix = m.transitions.copy()
    matrix.sum_duplicates()
    matrix.sort_indices()
    builder = _storage._SparseMatrixBuilder_Double(0, 0, 0, False, True, 0)
    row = 0
    for s in range(s_count):
        builder.new_row_group(row)
        first, last = int(m.row_ptr[s]), int(m.row_ptr[s + 1])
        for r in range(first, last):
            for i in range(int(matrix.indptr[r]), int(matrix.indptr[r + 1])):
                if matrix.data[i] > 0.0:
                    builder.add_next_value(row, int(matrix.indices[i]), gamma * float(matrix.data[i]))
            if sinks:
                builder.add_next_value(row, s_count, 1.0 - gamma)
            row += 1
        if first == last:
            builder.add_next_value(row, s_count if sinks else s, 1.0)
            row += 1
    if sinks:
        builder.new_row_group(row)
        builder.add_next_value(row, s_count, 1.0)
    labels = storage.StateLabeling(s_count + sinks)
    labels.add_label("init")
    labels.add_label_to_state("init", int(np.argmax(m.start)))
    rewards = {}
    for k, sign in enumerate(signs(m)):
        column: list[float] = []
        for s in range(s_count):
            own = (sign * m.rewards[int(m.row_ptr[s]) : int(m.row_ptr[s + 1]), k]).tolist()
            column += own or [0.0]
        rewards[f"r{k}"] = _storage._SparseRewardModel_Double(
            optional_state_action_reward_vector=column + sinks * [0.0]
        )
    parts = _storage._SparseModelComponents_Double(
        transition_matrix=builder.build(), state_labeling=labels, reward_models=rewards
    )
    return _storage._SparseMdp_Double(parts)


def storm_front(model: Any, m: MOMDP, precision: float, sound: bool = True) -> tuple[float, FloatArray]:
    """CPU seconds that Storm takes for the Pareto curve at an absolute ``precision``, and the vertices it reports.

    The vertices ``(n, K)`` are returns (a cost is negative), in no order.
    """
    wanted = ", ".join(_objective(k, sign) for k, sign in enumerate(signs(m)))
    seconds, result = _check(model, f"multi({wanted})", precision, sound)
    vertices = [[float(x) for x in vertex] for vertex in result.get_under_approximation().vertices]
    return seconds, np.array(vertices) * signs(m)


def storm_best(model: Any, m: MOMDP, goal: int, bounded: int, bound: float, sound: bool = True) -> tuple[float, float]:
    """CPU seconds, and the best number for one objective with another one bounded.

    Args:
        model: :func:`storm_model` of ``m``.
        m: the model.
        goal: which objective is minimised, or maximised.
        bounded: which one is at most ``bound`` (a cost), or at least.
        bound: as users see it (a cost is positive).
        sound: which of Storm's methods.
    """
    sign = signs(m)
    limit = f'R{{"r{bounded}"}}{"<=" if sign[bounded] < 0 else ">="}{bound!r} [ C ]'
    seconds, result = _check(model, f"multi({_objective(goal, sign[goal])}, {limit})", 1e-6, sound)
    return seconds, float(result.get_value(int(np.argmax(m.start))))


def _objective(k: int, sign: float) -> str:
    return f'R{{"r{k}"}}{"min" if sign < 0 else "max"}=? [ C ]'


def _check(model: Any, formula: str, precision: float, sound: bool) -> tuple[float, Any]:
    import stormpy
    from stormpy import developer

    query = stormpy.parse_properties(formula)[0]
    environment = stormpy.environments.sound() if sound else developer.EnvironmentFactory().create()
    environment.modelchecker().multi().precision = stormpy.Rational(repr(precision))
    environment.modelchecker().multi().precision_type = stormpy.environments.MultiObjectivePrecisionType.ABSOLUTE
    with _quiet():
        begun = time.process_time()
        result = developer.perform_multi_objective_model_checking(environment, model, query.get_raw_formula())
        seconds = time.process_time() - begun
    return seconds, result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Storm prints its warnings from C++; send them away."""
    keep, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(keep, 1)
        os.close(keep)
        os.close(nowhere)
