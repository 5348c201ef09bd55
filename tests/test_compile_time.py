"""Compilation is measured apart from what is compiled."""

from __future__ import annotations

import time

import numpy as np
import pytest

from morl.agents import registry
from morl.compile_time import Stopwatch, compile_seconds, compiled_apart


def test_compilation_is_no_part_of_a_stopwatch() -> None:
    numba = pytest.importorskip("numba")
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    watch, before = Stopwatch(), compile_seconds()

    @numba.njit
    def total(x):  # type: ignore[no-untyped-def]
        out = 0.0
        for value in x:
            out += np.sqrt(value)
        return out

    began = time.perf_counter()
    assert total(np.ones(3)) == 3.0
    passed = time.perf_counter() - began
    watch.stop()
    compiled = compile_seconds() - before
    assert 0 < compiled <= passed + 1e-6
    assert watch.compiled == pytest.approx(compiled)
    assert watch.seconds + watch.compiled >= passed - 1e-6
    assert "compiled, once per machine" in compiled_apart(watch.compiled) or watch.compiled < 0.05
    total(np.ones(4))
    assert compile_seconds() - before == compiled  # compiled already


def test_an_agent_reports_both() -> None:
    agent = registry.get("MultiWeightQLearning")("morl/DeepSeaTreasure-v0", seed=0).learn(2000)
    assert agent.seconds > 0
    assert agent.compile_seconds >= 0
    assert set(agent.front().provenance) >= {"seconds", "compile_seconds"}
