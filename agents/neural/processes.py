"""Processes that learn beside this one."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext


def prepared_context() -> BaseContext:
    """Where new processes come from: a server that has imported torch and stable-baselines3 and forks.

    Importing takes two seconds, a fork of the server some milliseconds. The server starts with the first round and
    lives as long as this process, so that later calls of ``learn``, of any agent, find it ready. (Forking this
    process itself would be unsafe: it may have threads.) Where there is no fork, every process imports for itself.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The first optimizer of a process imports torch._dynamo, which takes half of the two seconds.
    context.set_forkserver_preload(["morl.agents.neural.scalarised", "morl.envs", "torch._dynamo"])
    return context
