"""Attainment surfaces against their definition, and their pictures."""

import numpy as np
import pytest

from morl.pareto import Front, attainment_surface, plot_attainment
from morl.spec import FrontError, Objective


def test_a_surface_bounds_what_so_many_runs_reach():
    rng = np.random.default_rng(0)
    fronts = [Front(rng.random((6, 2))) for _ in range(5)]
    for share in (0.2, 0.5, 0.8, 1.0):
        surface = attainment_surface(fronts, share)
        for goal in rng.random((300, 2)):
            reached = sum(bool((front.points >= goal).all(axis=1).any()) for front in fronts)
            assert (surface >= goal).all(axis=1).any() == (reached >= share * 5 - 1e-9)


def test_the_picture_counts_costs_positive():
    import matplotlib.pyplot as plt

    costs = [Objective("profit", "EUR"), Objective("wear", "kWh", minimise=True)]
    runs = [Front([[1.0, -2.0], [2.0, -3.0]], costs), Front([[1.5, -2.5]], costs)]
    for dark in (False, True):
        axes = plot_attainment({"A": runs, "B": runs[:1]}, dark=dark)
        assert axes.get_ylabel() == "← better   wear (kWh)"
        assert axes.get_xlabel() == "profit (EUR)   better →"
        assert min(axes.lines[0].get_ydata()) == 2.0  # half of two runs is one of them
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["A (2 runs)", "B (1 runs)"]
        plt.close(axes.figure)


@pytest.mark.parametrize(
    ("fronts", "share", "message"),
    [
        ([], 0.5, "two objectives"),
        ([Front([[1.0, 2.0, 3.0]])], 0.5, "two objectives"),
        ([Front([[1, 2]])], 0, "share is 0"),
    ],
)
def test_refused(fronts, share, message):
    with pytest.raises(FrontError, match=message):
        attainment_surface(fronts, share)
    with pytest.raises(FrontError, match="no runs to draw"):
        plot_attainment({})
