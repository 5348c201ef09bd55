"""How long a frame takes: CPU milliseconds of ``render`` in mode ``rgb_array``, after the first.

    python benchmarks/envs_frames.py [--frames 20] [--only Molecule]

The MuJoCo tasks are drawn by Gymnasium's own OpenGL renderer, the lunar lander and the highway by their simulators.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np

import morl
from morl.spec import MorlError


def milliseconds(id: str, frames: int) -> tuple[float, list[float]]:
    """The first frame, and those after it, of an episode of random actions."""
    env = morl.make(id, render_mode="rgb_array")
    _, info = env.reset(seed=0)
    env.action_space.seed(0)
    spent = []
    for _ in range(frames + 1):
        begun = time.process_time()
        env.render()
        spent.append(1000 * (time.process_time() - begun))
        mask = info.get("action_mask")
        action = env.action_space.sample() if mask is None else env.action_space.sample(np.asarray(mask, np.int8))
        *_, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            _, info = env.reset()
    env.close()
    return spent[0], spent[1:]


def main() -> None:
    """Print one line per environment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print(f"{'environment':42s} {'first':>8s} {'median':>8s} {'worst':>8s}   CPU ms")
    for entry in morl.envs.entries():
        if options.only in entry.id:
            try:
                first, rest = milliseconds(entry.id, options.frames)
            except MorlError as error:
                print(f"{entry.id:42s} {error}")
                continue
            print(f"{entry.id:42s} {first:8.1f} {median(rest):8.1f} {max(rest):8.1f}")


if __name__ == "__main__":
    main()
