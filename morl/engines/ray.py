"""Tasks on a Ray cluster (extra ``ray``), with the same results as in processes of this machine.

What goes through Ray is a task one way, and its outcome the other: a cell's configuration and one line, a client's
trunk and what it became. All else lies in folders, which all nodes need under the same path: a network file system, or
the disk of one machine.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Sequence
from typing import Any

from morl.engines.local import ATTEMPTS, Engine, Function, Listener, Outcome, attempt
from morl.spec import MissingExtraError, RunError

AHEAD = 2
"""Tasks handed to the cluster for each of its cores: the others wait here, so that the driver's load is bounded."""


class RayEngine(Engine):
    """Runs tasks on the nodes of a Ray cluster.

    A task whose worker or node dies is begun again elsewhere, up to three times: it goes on from what it left on disk.

    Args:
        address: of a cluster (``"auto"``, ``"ray://host:10001"``); by default one is started on this machine.
        cores: cores that a task takes.
    """

    def __init__(self, address: str | None = None, cores: float = 1.0) -> None:
        self.address, self.cores = address, cores
        self._started = False

    def _open(self) -> None:
        """Join the cluster, or start one.

        Raises:
            MissingExtraError: Ray is not installed.
            RunError: there is no cluster at the address.
        """
        self._started = _connected(_ray(), self.address)

    def _close(self) -> None:
        if self._started:
            _ray().shutdown()

    def _run(self, function: Function, tasks: Sequence[Any], listener: Listener) -> list[Outcome]:
        ray = _ray()
        remote = ray.remote(num_cpus=self.cores, max_retries=ATTEMPTS - 1, retry_exceptions=False)(_task)
        paths = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        remote = remote.options(
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}}
        )
        waiting = collections.deque(range(len(tasks)))
        running: dict[Any, int] = {}
        outcomes: dict[int, Outcome] = {}
        while waiting or running:
            room = max(1, int(AHEAD * ray.cluster_resources().get("CPU", 1.0) / self.cores))
            while waiting and len(running) < room:
                i = waiting.popleft()
                running[remote.remote(function, tasks[i])] = i
            ready, _ = ray.wait(list(running), timeout=10.0)
            for reference in ready:
                i = running.pop(reference)
                outcomes[i] = _outcome(ray, reference)
                listener.ended(i, outcomes[i])
        return [outcomes[i] for i in range(len(tasks))]


def _task(function: Function, task: Any) -> Outcome:
    """One task, in a worker of a node."""
    return attempt(function, task, lambda number: None)


def _outcome(ray: Any, reference: Any) -> Outcome:
    try:
        found: Outcome = ray.get(reference)
        return found
    except ray.exceptions.RayError as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return Outcome(error=f"its worker or node died {ATTEMPTS} times ({said})")


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingExtraError("Ray", "ray") from None
    return ray


def _connected(ray: Any, address: str | None) -> bool:
    """Join a cluster, or start one; true where this call did."""
    if ray.is_initialized():
        return False
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False if address is None else None)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise RunError(f"no Ray cluster can be reached at {address or 'this machine'!r} ({said})") from None
    return True
