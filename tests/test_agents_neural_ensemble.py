"""Ensembles: as their members would be one by one, in acting, in valuing, and in what an update does."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from morl.agents.core.errors import DivergedError
from morl.agents.core.rows import Rows
from morl.agents.neural.actor_critic import ActorCritic
from morl.agents.neural.ensemble import Ensemble, grouped
from morl.agents.neural.network_options import NetworkOptions
from morl.agents.neural.training import adam

ACTIONS = [spaces.Box(-1.0, 1.0, (3,), np.float32), spaces.Discrete(4), spaces.MultiDiscrete([2, 3])]
OBSERVATIONS = [spaces.Box(-1.0, 1.0, (5,), np.float32), spaces.Box(0, 255, (6, 6, 1), np.uint8)]


def members(action: spaces.Space[Any], observation: spaces.Space[Any], count: int) -> list[ActorCritic]:
    """Networks that differ in every parameter, and in the units of their values."""
    torch.manual_seed(0)
    rows, options = Rows(observation, "test"), NetworkOptions(pi=(6,), vf=(7,))
    nets = [ActorCritic(rows, 2, action, options, log_std_init=-0.5) for _ in range(count)]
    for i, net in enumerate(nets):
        for parameter in net.parameters():
            parameter.data.add_(0.2 * torch.randn_like(parameter))
        net.values.update(torch.randn(20, 2) * 10.0**i + i)
    return nets


def observed(observation: spaces.Space[Any], shape: tuple[int, ...]) -> torch.Tensor:
    if observation.dtype == np.uint8:
        return torch.randint(0, 255, (*shape, Rows(observation, "test").size), dtype=torch.uint8)
    return torch.randn(*shape, 5)


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_each_row_is_answered_by_its_own_member(action: spaces.Space[Any], observation: spaces.Space[Any]) -> None:
    nets = members(action, observation, 4)
    ensemble, member = Ensemble(lambda i: nets[i], 4, 2), np.array([3, 0, 0, 3, 3, 1, 0])  # one of them never
    obs, equal = observed(observation, (7,)), torch.full((7, 2), 0.5)
    given_member = torch.from_numpy(member)
    found = ensemble.act(obs, given_member, np.random.default_rng(1))
    greedy = ensemble.act(obs, given_member, None)[0]
    chances = ensemble.probabilities(obs, given_member)
    for i in np.unique(member):
        mine = member == i
        expected = nets[i].act(obs, equal, np.random.default_rng(1))
        for ours, theirs in zip(found, expected, strict=True):
            assert np.allclose(ours[mine], theirs[mine], rtol=1e-4, atol=1e-5)
        assert np.allclose(greedy[mine], nets[i].act(obs, equal, None)[0][mine], atol=1e-5)
        assert np.allclose(ensemble.value(obs, given_member)[mine], found[2][mine], rtol=1e-5)
        if isinstance(action, spaces.Discrete):
            assert chances is not None
            assert np.allclose(chances[mine], nets[i].probabilities(obs, equal)[mine], atol=1e-6)
        else:
            assert chances is None


@pytest.mark.parametrize("action", ACTIONS)
def test_an_update_of_all_is_the_update_of_each(action: spaces.Space[Any]) -> None:
    """Gradients are clipped for each, and Adam moves each as it would alone."""
    nets, n = members(action, OBSERVATIONS[0], 3), 32
    ensemble = Ensemble(lambda i: copy.deepcopy(nets[i]), 3, 2)
    together, alone = adam(ensemble, 1e-2), [adam(net, 1e-2) for net in nets]
    obs, equal = observed(OBSERVATIONS[0], (3, n)), torch.full((n, 2), 0.5)
    drawn = [nets[i].act(obs[i], equal, np.random.default_rng(i))[0] for i in range(3)]
    actions = torch.from_numpy(np.stack(drawn))

    def loss(log_prob: torch.Tensor, entropy: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return -log_prob.mean() + 0.1 * entropy.mean() + 30 * values.square().mean()

    for _ in range(3):
        parts = ensemble(obs, actions)
        ensemble.step(sum(loss(*(part[i] for part in parts)) for i in range(3)), together, 0.5)  # type: ignore[arg-type]
        for i, net in enumerate(nets):
            alone[i].zero_grad()
            loss(*net(obs[i], equal, actions[i])).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            alone[i].step()
    for i, net in enumerate(nets):
        flat = torch.cat([p.detach().reshape(-1) for p in net.parameters()])
        assert torch.allclose(ensemble.rows[i], flat, atol=2e-5)


def test_units_follow_the_targets_of_their_member_only() -> None:
    nets = members(ACTIONS[0], OBSERVATIONS[0], 3)
    ensemble = Ensemble(lambda i: nets[i], 3, 2)
    before, obs = ensemble.row(0), observed(OBSERVATIONS[0], (4,))
    value, targets = ensemble.value(obs, torch.tensor([1] * 4)), torch.randn(50, 2) * 7 + 3
    ensemble.update_units(1, targets)
    assert np.array_equal(ensemble.row(0), before)
    assert torch.allclose(ensemble.value(obs, torch.tensor([1] * 4)), value, rtol=1e-4, atol=1e-4)
    normal = ensemble.normalise(np.array([1, 2]), torch.ones(2, 2))
    assert torch.allclose(normal[1], nets[2].values.normalise(torch.ones(2)))
    assert torch.allclose(normal[0], (1 - ensemble.values_of("mean")[1]) / ensemble.values_of("std")[1])


def test_a_row_is_a_policy() -> None:
    ensemble = Ensemble(lambda i: members(ACTIONS[1], OBSERVATIONS[0], 5)[i], 3, 2)
    obs = observed(OBSERVATIONS[0], (6,))
    twin = ensemble.of_rows(np.stack([ensemble.row(2), ensemble.row(0)]))
    assert len(twin) == 2
    theirs = twin.probabilities(obs, torch.tensor([0, 1] * 3))
    assert np.allclose(theirs, ensemble.probabilities(obs, torch.tensor([2, 0] * 3)), atol=1e-7)
    ensemble.set_row(1, ensemble.row(2))
    assert np.array_equal(ensemble.row(1), ensemble.row(2))
    ensemble.grow(5)
    assert len(ensemble) == 5
    assert np.array_equal(ensemble.row(1), ensemble.row(2))


def test_a_gradient_that_is_not_finite_is_not_followed() -> None:
    ensemble = Ensemble(lambda i: members(ACTIONS[0], OBSERVATIONS[0], 2)[i], 2, 2)
    before = ensemble.rows.detach().clone()
    loss = ensemble(observed(OBSERVATIONS[0], (2, 4)), torch.zeros(2, 4, 3))[0]
    with pytest.raises(DivergedError, match="nan"):
        ensemble.step((loss * torch.tensor([[1.0], [float("nan")]])).sum(), adam(ensemble, 1e-3), 0.5)
    assert torch.equal(ensemble.rows, before)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_grouping_rows_and_putting_them_back(member: list[int]) -> None:
    groups = grouped(np.array(member))
    assert groups.members.tolist() == sorted(set(member))
    assert groups.rows.ravel()[groups.place].tolist() == list(range(len(member)))
    assert groups.members[groups.place // groups.rows.shape[1]].tolist() == member
