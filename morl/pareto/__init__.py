"""Pareto fronts: indicators, comparison, weights, decision making, plots and files."""

from morl.pareto.archive import ParetoArchive
from morl.pareto.choice import Choice, InfeasibleError, choose
from morl.pareto.compare import compare
from morl.pareto.comparison import Comparison, Row
from morl.pareto.convexity import (
    DominatingMixture,
    distance_beyond_hull,
    dominating_mixture,
    mixture_margins,
    supported_mask,
)
from morl.pareto.decision import choose_by_asf, choose_by_weights, knee_points, pseudo_weights, trade_offs
from morl.pareto.elicitation import Certificate, Elicitation
from morl.pareto.front import Front
from morl.pareto.indicators import (
    additive_epsilon,
    cardinality,
    expected_utility,
    hypervolume,
    hypervolume_contributions,
    igd_plus,
    maximum_utility_loss,
    nondominated,
    nondominated_mask,
    r2,
    spacing,
)
from morl.pareto.intervals import Excess, excesses, half_widths
from morl.pareto.plots import plot_front, plot_fronts
from morl.pareto.plots_attainment import attainment_surface, plot_attainment
from morl.pareto.weights import corner_weights, das_dennis, dirichlet_weights, riesz, uniform_weights, weight_set

__all__ = [
    "Certificate",
    "Choice",
    "Comparison",
    "DominatingMixture",
    "Elicitation",
    "Excess",
    "Front",
    "InfeasibleError",
    "ParetoArchive",
    "Row",
    "additive_epsilon",
    "attainment_surface",
    "cardinality",
    "choose",
    "choose_by_asf",
    "choose_by_weights",
    "compare",
    "corner_weights",
    "das_dennis",
    "dirichlet_weights",
    "distance_beyond_hull",
    "dominating_mixture",
    "excesses",
    "expected_utility",
    "half_widths",
    "hypervolume",
    "hypervolume_contributions",
    "igd_plus",
    "knee_points",
    "maximum_utility_loss",
    "mixture_margins",
    "nondominated",
    "nondominated_mask",
    "plot_attainment",
    "plot_front",
    "plot_fronts",
    "pseudo_weights",
    "r2",
    "riesz",
    "spacing",
    "supported_mask",
    "trade_offs",
    "uniform_weights",
    "weight_set",
]
