"""Probes find planted factors; holding a unit still does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from morl.explain import ablation, partial_correlations, probe
from morl.spec import SpecError

torch = pytest.importorskip("torch")


def planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three correlated factors, six units: two mixtures of 0 and 1, one of 2 alone, three of noise."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((n, 3))
    factors = base.copy()
    factors[:, 1] += 0.8 * base[:, 0]
    mixed = factors @ np.array([[1, 1, 0], [1, -2, 0], [0, 0, -3]]).T
    units = np.column_stack([mixed, rng.standard_normal((n, 3))])
    return units + 0.05 * rng.standard_normal(units.shape), factors


@pytest.mark.parametrize("seed", range(5))
def test_planted_factors_are_recovered(seed):
    units, factors = planted(600, seed)
    found = probe(units, factors, seed=seed)
    assert (found.r2 >= 0.9).all()
    assert found.carriers()[2] == [2]
    noise = probe(units[:, 3:], factors, seed=seed)
    assert (noise.r2 < 0.1).all()


def test_partial_correlation_tells_a_follower_from_a_companion():
    rng = np.random.default_rng(0)
    first = rng.standard_normal(4000)
    second = first + 0.5 * rng.standard_normal(4000)  # goes along with the first
    unit = first + 0.3 * rng.standard_normal(4000)  # follows the first only
    assert np.corrcoef(unit, second)[0, 1] > 0.8
    found = partial_correlations(unit, np.column_stack([first, second]))
    assert found[0, 0] > 0.7
    assert abs(found[0, 1]) < 0.06


def test_partial_correlation_by_its_closed_form():
    rng = np.random.default_rng(1)
    x, a, b = rng.standard_normal((3, 200))
    b = b + a
    r = np.corrcoef([x, a, b])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial_correlations(x, np.column_stack([a, b]))[0, 0] == pytest.approx(expected, abs=1e-10)


def test_units_that_are_the_same_or_constant_are_no_trouble():
    units, factors = planted(200, 0)
    found = probe(np.column_stack([units, units, np.ones(200)]), factors)
    assert np.isfinite(found.partial).all()
    assert (found.r2 > 0.9).all()


@pytest.mark.parametrize(("units", "factors"), [(np.ones((3, 2)), np.ones((3, 1))), (np.ones((9, 2)), np.ones((8, 1))),
                                                (np.full((9, 2), np.nan), np.ones((9, 1)))])  # fmt: skip
def test_what_cannot_be_probed_is_refused(units, factors):
    with pytest.raises(SpecError):
        probe(units, factors)


def test_a_held_unit_changes_what_hangs_on_it_and_nothing_else():
    from morl.explain.hooks import activations, held

    first, second = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2, bias=False)
    with torch.no_grad():
        second.weight.zero_()
        second.weight[0, 1] = 2.0
        second.weight[1, 3] = 1.0
    inputs = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))

    def returns(unit):
        if unit is None:
            return second(first(inputs)).detach().numpy().mean(axis=0)
        with held(first, unit, 5.0):
            return second(first(inputs)).detach().numpy().mean(axis=0)

    seen = activations(first, lambda: second(first(inputs)))
    assert seen.shape == (50, 4)
    worth = ablation(returns, 4)
    expected = np.zeros((4, 2))
    expected[1, 0] = 2 * (5 - seen[:, 1].mean())
    expected[3, 1] = 5 - seen[:, 3].mean()
    np.testing.assert_allclose(worth, expected, atol=1e-5)
    np.testing.assert_allclose(activations(first, lambda: first(inputs)), seen)  # the hook is gone
