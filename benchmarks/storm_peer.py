"""Storm through stormpy on a discounted MOMDP, for the comparisons in this folder.

Storm has no discount for several objectives. A discounted total is the same as an undiscounted one in which
every step ends the run with probability 1 − γ, so each transition is scaled by γ and the rest goes to a sink.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from morl.momdp import MOMDP


def storm_model(m: MOMDP) -> Any:
    """The model as a Storm sparse MDP with one reward structure per objective (state S is the sink)."""
    from stormpy.developer import storage
    from stormpy.developer.storage import _storage

    s_count, gamma = m.n_states, m.discount
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
            builder.add_next_value(row, s_count, 1.0 - gamma)
            row += 1
        if first == last:
            builder.add_next_value(row, s_count, 1.0)
            row += 1
    builder.new_row_group(row)
    builder.add_next_value(row, s_count, 1.0)
    labels = storage.StateLabeling(s_count + 1)
    labels.add_label("init")
    labels.add_label_to_state("init", int(np.argmax(m.start)))
    rewards = {}
    for k in range(m.k):
        column: list[float] = []
        for s in range(s_count):
            own = m.rewards[int(m.row_ptr[s]) : int(m.row_ptr[s + 1]), k].tolist()
            column += own or [0.0]
        rewards[f"r{k}"] = _storage._SparseRewardModel_Double(optional_state_action_reward_vector=[*column, 0.0])
    parts = _storage._SparseModelComponents_Double(
        transition_matrix=builder.build(), state_labeling=labels, reward_models=rewards
    )
    return _storage._SparseMdp_Double(parts)


def storm_front(model: Any, k: int, precision: float, sound: bool = True) -> tuple[float, Any]:
    """CPU seconds that Storm takes for the Pareto curve at an absolute ``precision``, and its result."""
    import stormpy
    from stormpy import developer

    formula = "multi(" + ", ".join(f'R{{"r{i}"}}max=? [ C ]' for i in range(k)) + ")"
    query = stormpy.parse_properties(formula)[0]
    environment = stormpy.environments.sound() if sound else developer.EnvironmentFactory().create()
    environment.modelchecker().multi().precision = stormpy.Rational(repr(precision))
    environment.modelchecker().multi().precision_type = stormpy.environments.MultiObjectivePrecisionType.ABSOLUTE
    begun = time.process_time()
    result = developer.perform_multi_objective_model_checking(environment, model, query.get_raw_formula())
    seconds = time.process_time() - begun
    return seconds, result
