"""Every registered environment passes every check: no fault, and no false alarm."""

from __future__ import annotations

import pytest

import morl
from morl.envs.catalog import BUILTIN, EnvEntry
from morl.envs.checker import find_faults
from morl.spec import MissingExtraError


@pytest.mark.slow
@pytest.mark.parametrize("entry", BUILTIN, ids=lambda entry: entry.id)
def test_conformance(entry: EnvEntry) -> None:
    """Fronts have tests of their own; what needs a graphics driver is drawn by the gallery."""
    try:
        morl.make(entry.id).close()
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    if entry.extra == "highway":  # a third of a second a step
        only = ["objectives", "spaces", "reset", "step", "reward", "spec-json", "before-reset", "closing"]
        assert [str(fault) for fault in find_faults(entry.id, only=only, steps=4)] == []
        return
    skip = ["front", "rendering"] if entry.extra else ["front"]
    assert [str(fault) for fault in find_faults(entry.id, skip=skip, steps=30)] == []
