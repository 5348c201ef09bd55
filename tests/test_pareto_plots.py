"""Figures: what they contain, that nothing covers data, and that drawing changes nothing elsewhere."""

import subprocess
import sys
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.patches import Ellipse

from morl.pareto import Front, plot_front, plot_fronts
from morl.spec import FrontError, Objective

mpl.use("Agg")
import matplotlib.pyplot as plt

TWO = [Objective("treasure", "points"), Objective("time", "steps")]
EXACT = Front([[0, 4], [1.5, 1.5], [4, 0]], TWO, ref_point=[-1, -1])
LEARNED = Front(
    [[0, 3.9], [1.4, 1.4], [4, 0], [1, 1]], TWO, covariance=[np.diag([0.0004, 0.0001])] * 4, episodes=[50] * 4
)
NOISY = LEARNED.replace(covariance=LEARNED.covariance * 100)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def sphere(n, k):
    points = np.abs(np.random.default_rng(0).normal(size=(n, k)))
    return Front(points / np.linalg.norm(points, axis=1, keepdims=True), [f"objective {i}" for i in range(k)])


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def offsets(ax):
    return [np.asarray(c.get_offsets()).tolist() for c in ax.collections if len(c.get_offsets()) and c.get_paths()]


class TestPlane:
    def test_reference_and_learned_in_one_picture(self):
        ax = LEARNED.plot(reference=EXACT, name="Q-learning")
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("treasure (points)   better →", "time (steps)   better →")
        assert labels(ax) == [
            "exact front",
            "Q-learning",
            "exact front, non-convex",
            "non-convex",
            "dominated",
            "95 % confidence",
        ]
        drawn = [tuple(p) for group in offsets(ax) for p in group]
        for point in [*EXACT.points, *LEARNED.points]:
            assert tuple(point) in drawn

    def test_supported_and_non_convex_points_look_different(self):
        ax = plot_front(EXACT)
        filled, hollow = (c for c in ax.collections if len(c.get_offsets()) in (1, 2) and c.get_sizes().size)
        assert len(filled.get_offsets()) == 2
        assert np.asarray(hollow.get_offsets()).tolist() == [[1.5, 1.5]]
        assert mpl.colors.same_color(hollow.get_facecolor()[0], "white")
        assert not mpl.colors.same_color(filled.get_facecolor()[0], "white")

    def test_the_former_name_of_the_reference_is_taken(self):
        assert labels(LEARNED.plot(truth=EXACT)) == labels(LEARNED.plot(reference=EXACT)) == labels(LEARNED.plot(EXACT))

    def test_what_noise_hides_is_neither_filled_nor_hollow(self):
        ax = plot_fronts({"sampled": NOISY}, reference=EXACT)
        assert labels(ax) == ["exact front", "sampled", "exact front, non-convex", "within noise", "95 % confidence"]
        pale = next(c for c in ax.collections if [1.4, 1.4] in np.asarray(c.get_offsets()).tolist())
        for other in ("white", "#0072B2"):
            assert not mpl.colors.same_color(pale.get_facecolor()[0], other)
        assert "within noise" in labels(plot_front(NOISY, kind="parallel", reference=EXACT))

    @pytest.mark.parametrize(
        ("status", "role"),
        [
            ("best known, not proved optimal", "best-known front"),
            ("union of the fronts given", "union of the fronts"),
        ],
    )
    def test_only_an_exact_front_is_called_exact(self, status, role):
        ax = plot_fronts({"a": LEARNED}, reference=EXACT.replace(provenance={"status": status}))
        assert labels(ax)[0] == role
        assert f"{role}, non-convex" in labels(ax)

    def test_a_reference_that_others_may_exceed_names_its_class(self):
        exact, mixed, stationary = (
            front.replace(provenance={"policy_class": c})
            for front, c in ((EXACT, "stationary deterministic"), (LEARNED, "mixture"), (LEARNED, "stationary"))
        )
        assert labels(plot_fronts({"a": mixed}, reference=exact))[0] == "exact front (stationary deterministic)"
        assert labels(plot_fronts({"a": stationary}, reference=exact))[0] == "exact front"

    def test_step_line_is_the_boundary_of_the_dominated_region(self):
        line = max(plot_front(EXACT).lines, key=lambda x: len(x.get_xdata()))
        corners = np.column_stack([line.get_xdata(), line.get_ydata()]).tolist()
        assert corners == [[-1, 4], [0, 4], [0, 1.5], [1.5, 1.5], [1.5, 0], [4, 0], [4, -1]]

    def test_ellipses_have_the_size_of_the_confidence_region(self):
        ax = plot_front(LEARNED, confidence=0.95)
        ellipses = [p for p in ax.patches if isinstance(p, Ellipse)]
        assert len(ellipses) == 4
        radius = np.sqrt(5.991465)  # chi-square with 2 degrees of freedom at 95 %
        assert sorted([ellipses[0].width, ellipses[0].height]) == pytest.approx([2 * radius * 0.01, 2 * radius * 0.02])
        assert ellipses[0].angle % 180 == pytest.approx(0.0)  # the wide axis lies along objective 0

    def test_reference_point_is_shown_where_it_is_near(self):
        assert [t.get_text() for t in plot_front(EXACT).texts] == ["ref."]
        assert [t.get_text() for t in plot_front(EXACT, ref_point=[-1000, -1000]).texts] == []

    def test_legend_covers_no_data(self):
        ax = plot_fronts({f"algorithm number {i}": Front(EXACT.points - i, TWO) for i in range(4)}, reference=EXACT)
        ax.figure.canvas.draw()
        assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1 - 1
        assert ax.get_legend().get_window_extent().x1 <= ax.figure.bbox.x1

    def test_title_stands_above_the_legend(self):
        ax = plot_fronts({"a": LEARNED}, reference=EXACT, title="Deep sea")
        assert ax.get_title(loc="left") == ""
        assert ax.get_legend().get_title().get_text() == "Deep sea"
        assert plot_front(sphere(5, 2), title="Alone").get_title(loc="left") == "Alone"

    def test_large_units_are_abbreviated(self):
        ax = plot_front(Front(EXACT.points * 1e6, TWO))
        ax.figure.canvas.draw()
        assert any(t.get_text().endswith("M") for t in ax.get_xticklabels())
        assert ax.xaxis.get_offset_text().get_text() == ""

    def test_given_axes_are_used(self):
        ax = plt.subplots()[1]
        assert plot_front(EXACT, ax=ax) is ax


class TestMany:
    @pytest.mark.parametrize("kind", ["3d", "pairs", "parallel"])
    def test_three_objectives(self, kind, tmp_path):
        truth = sphere(20, 3)
        axes = plot_fronts({"learned": Front(truth.points[::3] * 0.9, truth.names)}, reference=truth, kind=kind)
        figure = np.ravel(axes)[0].figure
        figure.savefig(tmp_path / "figure.png")
        assert (tmp_path / "figure.png").stat().st_size > 10_000
        text = {t.get_text() for ax in figure.axes for t in (ax.get_legend().get_texts() if ax.get_legend() else [])}
        assert {"exact front", "learned"} <= text

    def test_pairs_show_each_pair_once_with_shared_labels(self):
        axes = plot_front(sphere(6, 4), kind="pairs")
        assert axes.shape == (3, 3)
        shown = [(i, j) for i in range(3) for j in range(3) if axes[i, j].axison]
        assert shown == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
        assert [axes[2, j].get_xlabel() for j in range(3)] == [f"objective {j}   better →" for j in range(3)]
        assert [axes[i, 0].get_ylabel() for i in range(3)] == [f"objective {i + 1}   better →" for i in range(3)]

    @pytest.mark.parametrize("k", [1, 2, 5, 9])
    def test_parallel_coordinates_for_any_number(self, k):
        front = sphere(6, k)
        ax = plot_front(front, kind="parallel")
        lines = [line for line in ax.lines if len(line.get_xdata()) == k and line.get_linewidth() > 1]
        assert len(lines) == sum(kind != "dominated" for kind in front.kinds)
        ticks = [t.get_text() for t in ax.get_xticklabels()]
        assert ticks == [f"objective {i}" for i in range(k)]

    def test_kinds_by_default(self):
        assert plot_front(sphere(4, 2)).get_xlabel() == "objective 0   better →"
        assert plot_front(sphere(4, 3)).shape == (2, 2)
        assert len(plot_front(sphere(4, 6)).get_xticks()) == 6

    def test_empty_and_single_fronts(self):
        for k in (2, 3, 4):
            names = [f"objective {i}" for i in range(k)]
            plot_fronts({"empty": Front(np.zeros((0, k)), names)}, reference=Front([range(k)], names))
            plot_fronts({"empty": Front(np.zeros((0, k)), names)})


class TestManners:
    def test_settings_are_left_alone(self):
        before = dict(mpl.rcParams)
        plot_front(EXACT)
        assert dict(mpl.rcParams) == before

    def test_pyplot_is_not_imported_with_the_layer(self):
        code = "import sys, morl.pareto; sys.exit(any(m.startswith('matplotlib') for m in sys.modules))"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: plot_fronts({}), "nothing to draw"),
            (lambda: plot_front(EXACT, kind="pie"), "kind of plot is 'pie'; expected auto, 2d"),
            (lambda: plot_front(EXACT, kind="3d"), "'3d' does not fit 2 objectives"),
            (lambda: plot_front(sphere(4, 3), kind="2d"), "'2d' does not fit 3 objectives"),
            (lambda: plot_fronts({"a": sphere(3, 3)}, reference=EXACT), "'a' has 3 objectives, 'exact front' has 2"),
            (lambda: plot_front(LEARNED, confidence=95), "confidence is 95"),
            (lambda: plot_front(sphere(4, 3), ax=plt.subplots()[1]), "leave ax out"),
        ],
    )
    def test_refusals(self, call, message):
        with pytest.raises(FrontError, match=message):
            call()


def test_learning_curves_show_the_median_run_and_the_levels() -> None:
    from morl.pareto.plots_curves import plot_curves

    runs = [([10, 100], [0.2, 0.8]), ([10, 200], [0.4, 1.0]), ([20], [0.5])]
    ax = plot_curves({"agent": runs}, levels={"exact": 1.0, "hull": 0.7}, ylabel="share")
    (line,) = [line for line in ax.get_lines() if line.get_label() == "agent (3)"]
    assert line.get_xdata().tolist() == [10, 20, 100, 200]
    assert line.get_ydata().tolist() == [0.2, 0.4, 0.5, 0.8]
    assert {text.get_text() for text in ax.texts} == {"exact", "hull"}
    assert (ax.get_ylabel(), ax.get_xscale()) == ("share", "log")
    with pytest.raises(FrontError, match="at least one run"):
        plot_curves({"agent": []})
    with pytest.raises(FrontError, match="as many of each"):
        plot_curves({"agent": [([1, 2], [0.5])]})


def test_nine_fronts_differ_in_colour_marker_or_line() -> None:
    from morl.pareto.plot_style import series_of

    fronts = {f"f{i}": Front([[i, -i]]) for i in range(42)}
    looks = {(s.colour, s.marker) for s in series_of(fronts, None, None)}
    assert len(looks) == 42
    lines = {(s.colour, s.line) for s in series_of(dict(list(fronts.items())[:24]), None, None)}
    assert len(lines) == 24


def test_dark_plots_leave_the_settings_alone_and_fill_hollow_markers_with_the_ground() -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgb

    before = dict(mpl.rcParams)
    axes = plot_fronts({"a": Front([[0, 4], [1, 1], [4, 0]])}, dark=True)
    assert sum(axes.get_facecolor()[:3]) < 0.6
    hollow = axes.collections[-1].get_facecolor()[0][:3]
    assert tuple(hollow) == pytest.approx(to_rgb(axes.get_facecolor()))
    assert dict(mpl.rcParams) == before
    plt.close(axes.figure)


def test_labels_say_where_it_is_better_and_the_legend_what_a_region_is() -> None:
    import matplotlib.pyplot as plt

    objectives = [Objective("profit"), Objective("wear", minimise=True)]
    front = Front([[1, -1], [2, -2]], objectives, covariance=[np.eye(2) * 0.01] * 2, episodes=[9, 9])
    axes = plot_fronts({"a": front, "b": front})
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("profit   better →", "← better   wear")
    assert "95 % confidence" in [text.get_text() for text in axes.get_legend().get_texts()]
    plt.close(axes.figure)


def test_legends_of_narrow_subplots_stay_within_them() -> None:
    import matplotlib.pyplot as plt

    figure, all_axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    names = ("Envelope", "ParetoEvolution", "ConditionedPPO")
    for axes in all_axes:
        plot_fronts({name: Front([[i, -i], [i + 1, -i - 1]]) for i, name in enumerate(names)}, ax=axes)
    figure.canvas.draw()
    boxes = [axes.get_legend().get_window_extent() for axes in all_axes]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert boxes[-1].x1 <= figure.bbox.x1
    plt.close(figure)
