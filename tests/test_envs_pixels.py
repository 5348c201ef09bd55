"""Pictures as observations: the same task, another view, drawn for a whole batch at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

import morl
from morl.envs.control import minecart_kernels as kernels
from morl.envs.control.minecart import MinecartDynamics
from morl.envs.control.minecart_pixels import MAP, SIDE
from morl.spec import EnvError

IDS = (
    "morl/MinecartDeterministic-v0",
    "morl/DeepSeaTreasure-v0",
    "morl/DeepSeaTreasureMirrored-v0",
    "morl/FruitTree-v0",
)


@pytest.mark.parametrize("id", IDS)
def test_the_task_is_the_same_and_pictures_are_images(id: str) -> None:
    """Rewards and ends are those of the usual view; the space is one that image networks take; forms agree."""
    plain, seen, many = morl.make(id), morl.make(id, pixels=True), morl.make_vec(id, 1, pixels=True)
    space = seen.observation_space
    assert isinstance(space, spaces.Box)
    assert (space.dtype, space.shape[-1], space.low.min(), space.high.max()) == (np.uint8, 3, 0, 255)
    assert min(space.shape[:2]) >= 36
    plain.reset(seed=4)
    first, batch = seen.reset(seed=4)[0], many.reset(seed=4)[0]
    rng, shown = np.random.default_rng(0), []
    for _ in range(60):
        assert first in space
        np.testing.assert_array_equal(first, batch[0])
        shown.append(first)
        action = int(rng.integers(plain.action_space.n))
        ours, view, vector = plain.step(action), seen.step(action), many.step(np.array([action]))
        np.testing.assert_array_equal(ours[1], view[1])
        np.testing.assert_array_equal(ours[1], vector[1][0])
        assert ours[2:4] == view[2:4]
        first, batch = view[0], vector[0]
        if ours[2] or ours[3]:
            break
    assert any((one != shown[0]).any() for one in [*shown[1:], first])
    before = shown[0].copy()
    shown[0][:] = 0  # fresh arrays: writing to one changes no other
    np.testing.assert_array_equal(seen.reset(seed=4)[0], before)
    morl.check_env(seen, only=["spaces", "reset", "step", "reward", "seeding", "buffers"])


@pytest.mark.parametrize(
    ("id", "options"),
    [
        ("morl/DeepSeaTreasure-v0", {}),
        ("morl/DeepSeaTreasureConcave-v0", {}),
        ("morl/DeepSeaTreasureMirrored-v0", {}),
        ("morl/DeepSeaTreasure-v0", {"sea": [[0, 0, 5], [2, -1, 0]]}),
        *(("morl/FruitTree-v0", {"depth": depth}) for depth in (5, 6, 7)),
    ],
)
def test_every_state_of_a_finite_model_looks_different(id: str, options: dict[str, Any]) -> None:
    base = morl.make(id, pixels=True, **options).unwrapped
    pictures = np.asarray(base.observations)
    assert pictures.shape[0] == base.momdp().n_states
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    assert min(pictures.shape[1:3]) >= 36


def test_the_picture_of_a_cart_shows_what_the_numbers_say() -> None:
    """Place and heading by the centres of cart and nose; loads and speed by the bars' length."""
    dynamics, rng = MinecartDynamics(pixels=True), np.random.default_rng(1)
    cart = np.zeros((50, 7))
    cart[:, :2] = rng.uniform(0.1, 0.9, (50, 2))
    cart[:, kernels.HEADING] = 10 * rng.integers(0, 36, 50)
    cart[:, [kernels.ORE_0, kernels.ORE_1]] = rng.uniform(0, 0.75, (50, 2))
    cart[:, kernels.SPEED] = rng.uniform(0, 0.2, 50)
    pictures = dynamics.observe({"cart": cart}).astype(float)
    empty = dynamics.observe({"cart": cart + 1e3}).astype(float)  # outside of the map
    for row, picture, bare in zip(cart, pictures, empty, strict=True):
        changed = (picture[:MAP] != bare[:MAP]).any(axis=2)
        y, x = (np.argwhere(changed).mean(axis=0) + 0.5) / (MAP, SIDE)
        assert np.hypot(x - row[0], y - row[1]) < 0.02
        red = (picture[:MAP, :, 0] > 150) & (picture[:MAP, :, 1] < 110) & changed
        ny, nx = (np.argwhere(red).mean(axis=0) + 0.5) / (MAP, SIDE)
        heading = np.radians(row[kernels.HEADING])
        assert (nx - row[0]) * np.cos(heading) + (ny - row[1]) * np.sin(heading) > 0.015
        lengths = picture[[59, 61, 63], :, 0].sum(axis=1) / 255 / SIDE
        expected = [row[kernels.ORE_0] / 1.5, row[kernels.ORE_1] / 1.5, row[kernels.SPEED] / 0.25]
        np.testing.assert_allclose(lengths, expected, atol=0.01)


def test_carts_at_the_walls_and_out_of_range_are_drawn_without_a_fault() -> None:
    dynamics = MinecartDynamics(pixels=True)
    cart = np.array([[0, 0, 9.0, -720, 5, 5, 1], [1, 1, 0, 1e6, 0, 0, 0], [1, 0, 0, 45, 0, 0, 0]], dtype=float)
    pictures = dynamics.observe({"cart": cart})
    assert pictures[0, 59].min() == 255  # a bar is full at most
    assert (pictures[1] != pictures[2]).any()


def test_two_views_at_once_are_refused() -> None:
    with pytest.raises(EnvError, match="pixels and float_state are both true"):
        morl.make("morl/DeepSeaTreasure-v0", pixels=True, float_state=True)
