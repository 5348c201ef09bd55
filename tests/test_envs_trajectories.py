"""Every built-in id does what it did: summaries of seeded episodes, single and vector, in every autoreset mode.

``python tests/test_envs_trajectories.py`` writes ``data/env_trajectories.json`` anew; do that only where a change of
behaviour is meant and named in the changelog.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import morl
from morl.envs.catalog import BUILTIN, EnvEntry

DATA = Path(__file__).parent / "data" / "env_trajectories.json"
OURS = [e for e in BUILTIN if e.extra is None and "FourRoom" not in e.id]  # others' simulators are theirs to test
MODES = ("NEXT_STEP", "SAME_STEP", "DISABLED")
STEPS, ENVS = 40, 3


def _sampled(space: Any, mask: Any) -> Any:
    return space.sample() if mask is None else space.sample(np.asarray(mask, np.int8))


def single(id: str) -> list[float]:
    """Sum of all observations, rewards summed per objective, and the number of ends."""
    env = morl.make(id)
    observation, info = env.reset(seed=11)
    env.action_space.seed(11)
    total, seen, ends = np.zeros(morl.envs.mo_spec(env).k), float(np.sum(observation)), 0
    for _ in range(STEPS):
        observation, reward, terminated, truncated, info = env.step(_sampled(env.action_space, info.get("action_mask")))
        seen, total = seen + float(np.sum(observation)), total + reward
        if terminated or truncated:
            ends += 1
            observation, info = env.reset()
            seen += float(np.sum(observation))
    env.close()
    return [seen, *total.tolist(), float(ends)]


def vector(id: str, mode: str) -> list[float]:
    """The same over parallel environments."""
    env = morl.make_vec(id, ENVS, autoreset_mode=mode)
    observation, info = env.reset(seed=12)
    space = env.single_action_space
    space.seed(12)
    masks = info.get("action_mask")
    total, seen, ends = np.zeros(env.mo_spec.k), float(np.sum(observation)), 0
    for _ in range(STEPS):
        rows = [None] * ENVS if masks is None else [m if m.any() else np.ones_like(m) for m in masks]
        actions = np.stack([_sampled(space, m) for m in rows])
        observation, reward, terminated, truncated, info = env.step(actions)
        masks = info.get("action_mask")
        seen, total = seen + float(np.sum(observation)), total + reward.sum(axis=0)
        done = terminated | truncated
        ends += int(done.sum())
        if mode == "DISABLED" and done.any():
            observation, info = env.reset(options={"reset_mask": done})
            seen += float(np.sum(observation))
            if masks is not None:
                masks = np.where(done[:, None], info["action_mask"], masks)
    env.close()
    return [seen, *total.tolist(), float(ends)]


@pytest.mark.skipif(os.environ.get("MORL_TEST_SEED_SHIFT", "0") != "0", reason="what is recorded has seeds of its own")
@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.id)
def test_seeded_episodes_are_what_they_were(entry: EnvEntry) -> None:
    known = json.loads(DATA.read_text(encoding="utf-8"))[entry.id]
    np.testing.assert_allclose(single(entry.id), known["single"], rtol=1e-4, atol=1e-4)
    for mode in MODES:
        np.testing.assert_allclose(vector(entry.id, mode), known[mode], rtol=1e-4, atol=1e-4)


def test_every_id_is_recorded() -> None:
    assert set(json.loads(DATA.read_text(encoding="utf-8"))) == {e.id for e in OURS}


if __name__ == "__main__":
    found = {e.id: {"single": single(e.id)} | {m: vector(e.id, m) for m in MODES} for e in OURS}
    rounded = {i: {k: [float(f"{x:.7g}") for x in v] for k, v in one.items()} for i, one in found.items()}
    lines = ",\n".join(f"{json.dumps(i)}: {json.dumps(one)}" for i, one in rounded.items())
    DATA.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
