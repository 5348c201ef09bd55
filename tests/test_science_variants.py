"""The conformance suite on the driving, dosing, portfolio and speaker environments, options included."""

from __future__ import annotations

import gymnasium as gym
import pytest

import morl
from morl.envs import registration
from morl.envs.catalog import EnvEntry
from morl.envs.registration import add, entries

VARIANTS = (
    ("Driving-v0", {}),
    ("Driving-v0", {"discrete": True, "expose_fault": True, "energy": False}),
    ("CarFollowingLQ-v0", {}),
    ("SpeakerCommand-v0", {}),
    ("SpeakerCommand-v0", {"nuisance": False}),
    pytest.param(("Portfolio-v0", {}), marks=pytest.mark.slow),
    pytest.param(("Portfolio-v0", {"turnover": False}), marks=pytest.mark.slow),
    pytest.param(("MultiDrugDosing-v0", {}), marks=pytest.mark.slow),
    pytest.param(("MultiDrugDosing-v0", {"discrete": True, "hide_genotype": True}), marks=pytest.mark.slow),
)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_conformance(variant):
    name, options = variant
    known = next(entry for entry in entries("science") if entry.id == f"morl/{name}")
    id = f"morl-test/{name}" if options else known.id
    if options:
        kwargs = {**known.kwargs, **options}
        add(EnvEntry(id, known.entry_point, known.vector_entry_point, known.max_steps, kwargs))
    try:
        morl.check_env(id)
    finally:
        if options:
            gym.registry.pop(id)
            registration._ENTRIES.pop(id)
