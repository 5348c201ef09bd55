"""The native vector environment does, copy by copy, what the single one does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from morl.envs.checks.case import Case, Chooser, Finding, same
from morl.envs.failures import short


def single_and_vector(case: Case) -> Iterator[Finding]:
    """With one environment and one seed, both forms give the same observations, rewards and flags, step by step."""
    vector = _native(case, 1)
    if vector is None:
        return
    env = case.make()
    if env.observation_space != vector.single_observation_space or env.action_space != vector.single_action_space:
        yield "the vector form has other spaces than the single one", "build both from the same spaces"
        return
    one, info = env.reset(seed=case.seed)
    many, _ = vector.reset(seed=case.seed)
    if not same(np.asarray(one), np.asarray(many)[0]):
        yield f"reset shows {short(one)} alone and {short(many[0])} in the vector form", "share the start states"
        return
    chooser = Chooser(env.action_space, case.seed)
    over = False
    for t in range(case.steps):
        action = chooser(info.get("action_mask"))
        batch = vector.step(np.asarray(action)[None])
        if over:
            one, info = env.reset()
            expected: tuple[Any, ...] = (one, np.zeros(case.spec.k), False, False)
        else:
            *moved, info = env.step(action)
            expected = tuple(moved)
        for name, x, y in zip(("observation", "reward", "terminated", "truncated"), expected, batch, strict=False):
            if not same(np.asarray(x), np.asarray(y)[0]):
                yield (
                    f"step {t} gives {name} {short(x)} alone and {short(y[0])} in the vector form",
                    "let both forms use one transition function and draw random numbers in the same order",
                )
                return
        over = bool(expected[2] or expected[3])
    env.close()
    vector.close()


def shapes(case: Case) -> Iterator[Finding]:
    """Rewards of n environments are fresh float64 of shape (n, K), whatever the autoreset mode; seeds hold."""
    for mode in AutoresetMode:
        pair = _native(case, 3, mode), _native(case, 3, mode)
        if pair[0] is None or pair[1] is None:
            return
        first, second = pair
        if first.metadata.get("autoreset_mode") is not mode:
            yield f'metadata["autoreset_mode"] is not {mode.name}', "store the mode in the instance's metadata"
        both = [v.reset(seed=case.seed) for v in pair if v is not None]
        masks = [info.get("action_mask") for _, info in both]
        chooser = [Chooser(first.single_action_space, case.seed + i) for i in range(3)]
        for t in range(min(case.steps, 120)):
            actions = np.stack([np.asarray(chooser[i](None if masks[0] is None else masks[0][i])) for i in range(3)])
            out = [v.step(actions.copy()) for v in pair if v is not None]
            rewards = out[0][1]
            if rewards.shape != (3, case.spec.k) or rewards.dtype != np.float64:
                yield (
                    f"rewards of 3 environments are {rewards.dtype} {rewards.shape}",
                    f"return float64 (3, {case.spec.k})",
                )
                return
            if not same(list(out[0][:4]), list(out[1][:4])):
                yield f"with the same seed, step {t} differs between two vector environments", "use self.np_random"
                return
            done = out[0][2] | out[0][3]
            masks = [o[4].get("action_mask") for o in out]
            if mode is AutoresetMode.DISABLED and done.any():
                fresh = [v.reset(options={"reset_mask": done.copy()}) for v in pair if v is not None]
                if masks[0] is not None:
                    masks = [np.where(done[:, None], f[1]["action_mask"], m) for f, m in zip(fresh, masks, strict=True)]
            if mode is AutoresetMode.SAME_STEP and done.any() and "final_obs" not in out[0][4]:
                yield "an environment that ends in SAME_STEP mode leaves no final_obs in info", 'set info["final_obs"]'
                return
        first.close()
        second.close()


def _native(case: Case, n: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> Any:
    """The registered native vector form, or ``None``."""
    from morl.envs.registration import make_vec

    if case.registered is None or case.registered.vector_entry_point is None:
        return None
    return make_vec(case.registered, n, vectorization_mode="native", autoreset_mode=mode)
