"""Rows of observations: what was put in comes out, images stay bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from morl.agents.core.observations import Encoder, each, plain_parts, unreadable
from morl.agents.core.rows import Rows, channel_first, is_image
from morl.spec import EnvError
from morl.testing.spaces import OBSERVATIONS

EYE = spaces.Box(0, 255, (6, 9, 3), np.uint8)
PLACE = spaces.Box(np.array([0.0, -np.inf]), np.array([4.0, np.inf]), dtype=np.float32)
MIXED = spaces.Dict({"eye": EYE, "place": PLACE, "more": spaces.Dict({"mode": spaces.Discrete(3, start=2)})})


def has_image(space: spaces.Space[Any]) -> bool:
    """Whether a part of the space is one."""
    return any(is_image(part) for part in plain_parts(space))


def sampled(space: spaces.Space[Any], n: int, seed: int = 0) -> Any:
    """A batch of observations."""
    space.seed(seed)
    many = [space.sample() for _ in range(n)]
    return each(lambda *parts: np.stack(parts), *many)


@pytest.mark.parametrize(
    "label",
    [name for name, space in OBSERVATIONS.items() if not unreadable(space) and not has_image(space)],
)
def test_without_images_rows_are_the_encoders(label: str) -> None:
    space = OBSERVATIONS[label]
    batch, rows = sampled(space, 5), Rows(space)
    assert np.array_equal(rows(batch), Encoder(space)(batch))
    assert (rows.size, rows.dtype, rows.nbytes) == (Encoder(space).size, np.float32, 4 * rows.size)


def test_images_are_bytes_and_numbers_beside_them_keep_all_their_digits() -> None:
    rows, batch, extra = Rows(MIXED, extra=2), sampled(MIXED, 4), np.array([[1.5, -1e30]] * 4)
    found = rows(batch, extra)
    assert (found.dtype, found.shape, rows.nbytes) == (np.uint8, (4, rows.size), 4 * (2 + 3 + 2) + 6 * 9 * 3)
    assert np.array_equal(found[:, rows.images["eye"]].reshape(4, 6, 9, 3), batch["eye"])
    numbers = rows.numbers_of(found)
    assert np.array_equal(numbers[:, rows.columns["place"]], Encoder(PLACE)(batch["place"]))
    assert np.array_equal(numbers[:, rows.columns["more.mode"]], np.eye(3)[batch["more"]["mode"] - 2])
    assert np.array_equal(numbers[:, 5:], extra.astype(np.float32))
    numbers[:] = 7.0  # a view
    assert np.array_equal(rows.numbers_of(found), np.full((4, 7), 7.0, np.float32))
    assert rows.space["eye"].shape == (3, 6, 9)
    assert rows(each(lambda part: part[:0], batch), extra[:0]).shape == (0, rows.size)


def test_layouts_of_images() -> None:
    assert channel_first((64, 48)) == (1, 64, 48)
    assert channel_first((64, 48, 3)) == channel_first((3, 64, 48)) == (3, 64, 48)
    assert channel_first((4, 64, 48, 1)) == channel_first((4, 1, 64, 48)) == (4, 64, 48)


def test_an_image_that_is_not_of_bytes_is_refused() -> None:
    batch = sampled(MIXED, 2)
    with pytest.raises(EnvError, match=r"pond: the observation 'eye' is float64; expected an image of uint8") as error:
        Rows(MIXED, "pond")({**batch, "eye": batch["eye"] / 255.0})
    assert "\n" not in str(error.value)
