"""Why an agent acts as it does: differences of action values per objective, conflicts, and what single units carry.

- :func:`explain` compares two actions in the terms of the objectives, and names the fewest objectives that settle it;
- :func:`action_values` gives the vector of values behind a decision of an agent;
- :func:`conflicts` says where in the state space objectives want different actions;
- :func:`probe` and :func:`ablation` tell which units of a representation carry which factor, and what losing one costs.
"""

from morl.explain.conflict import Conflicts, conflicts
from morl.explain.decisions import ActionValues, action_values
from morl.explain.differences import Explanation, explain, minimal_negative, minimal_positive
from morl.explain.units import Probe, ablation, partial_correlations, probe

__all__ = [
    "ActionValues",
    "Conflicts",
    "Explanation",
    "Probe",
    "ablation",
    "action_values",
    "conflicts",
    "explain",
    "minimal_negative",
    "minimal_positive",
    "partial_correlations",
    "probe",
]
