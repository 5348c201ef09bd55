"""Features of rows: extractors are given what stable-baselines3 gives, and images are scaled on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from test_agents_core_rows import MIXED, PLACE, sampled
from torch import nn

from morl.agents.core.rows import Rows
from morl.agents.neural.features import Features
from morl.spec import AgentError


class Keeps(nn.Module):
    """Remembers what it was given."""

    def __init__(self, observation_space: spaces.Space[Any]) -> None:
        super().__init__()
        self.observation_space, self.features_dim = observation_space, 1

    def forward(self, observations: Any) -> torch.Tensor:
        self.given = observations
        return torch.zeros(
            len(next(iter(observations.values())) if isinstance(observations, dict) else observations), 1
        )


def test_plain_numbers_pass_as_they_are() -> None:
    features = Features(Rows(PLACE))
    rows = torch.randn(3, 2)
    assert features(rows) is rows
    assert (features.size, list(features.parameters())) == (2, [])


def test_extractors_are_given_parts_in_their_shapes() -> None:
    rows, batch = Rows(MIXED, extra=2), sampled(MIXED, 4)
    features = Features(rows, Keeps)
    found = features(torch.from_numpy(rows(batch, np.full((4, 2), 0.25))))
    assert (features.size, found.tolist()) == (3, [[0.0, 0.25, 0.25]] * 4)
    given = features.extractor.given
    assert {name: tuple(part.shape) for name, part in given.items()} == {
        "eye": (4, 3, 6, 9), "place": (4, 2), "more.mode": (4, 3),
    }  # fmt: skip
    expected = np.moveaxis(batch["eye"], 3, 1) / np.float32(255)
    np.testing.assert_allclose(given["eye"].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(12, 16), (12, 16, 3), (3, 12, 16), (4, 12, 16, 2), (4, 2, 12, 16)])
def test_every_layout_becomes_channels_first(shape: tuple[int, ...]) -> None:
    space = spaces.Box(0, 255, shape, np.uint8)
    rows, batch = Rows(space), sampled(space, 2)
    features = Features(rows, Keeps)
    features(torch.from_numpy(rows(batch)))
    plain = batch if len(shape) < 4 else batch.reshape(8, *shape[1:])
    if len(shape) > 2 and shape[-1] < shape[-3]:
        plain = np.moveaxis(plain, -1, -3)
    expected = plain.reshape(2, -1, 12, 16)
    assert np.array_equal((features.extractor.given * 255).round().numpy(), expected)
    assert Features(rows)(torch.from_numpy(rows(batch))).shape == (2, 128)


def test_stable_baselines3_gives_the_same() -> None:
    """Its own preprocessing of one-hot numbers, boxes and images beside ours (unbounded ones unscaled)."""
    from stable_baselines3.common.preprocessing import preprocess_obs

    space = spaces.Dict({
        "eye": spaces.Box(0, 255, (3, 6, 9), np.uint8), "free": spaces.Box(-np.inf, np.inf, (2, 2), np.float32),
        "mode": spaces.Discrete(3), "many": spaces.MultiDiscrete([2, 3]), "bits": spaces.MultiBinary(4),
    })  # fmt: skip
    rows, batch = Rows(space), sampled(space, 5)
    features = Features(rows, Keeps)
    features(torch.from_numpy(rows(batch)))
    theirs = preprocess_obs({name: torch.as_tensor(part) for name, part in batch.items()}, space)
    assert isinstance(theirs, dict)
    for name, part in theirs.items():
        torch.testing.assert_close(features.extractor.given[name], part.float())


@pytest.mark.parametrize(
    "space",
    [spaces.Box(0.0, 1.0, (64, 64, 3), np.float32), spaces.Dict({"eye": spaces.Box(0, 1, (3, 40, 40), np.uint8)})],
)
def test_what_looks_like_an_image_and_is_none_is_refused(space: spaces.Space[Any]) -> None:
    with pytest.raises(
        AgentError, match=r"a network reads images of uint8 from 0 to 255; .*: give such images, or choose"
    ) as error:
        Features(Rows(space))
    assert "\n" not in str(error.value)


def test_images_of_different_devices_are_scaled_there() -> None:
    """On the device that only knows shapes: nothing falls back to the processor."""
    rows = Rows(MIXED)
    features = Features(rows).to("meta")
    found = features(torch.empty(7, rows.size, dtype=torch.uint8, device="meta"))
    assert (found.device.type, tuple(found.shape)) == ("meta", (7, features.size))
