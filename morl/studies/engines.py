"""Engines by name: this process, several processes, or a Ray cluster."""

from __future__ import annotations

from morl.spec import SpecError, UnknownNameError
from morl.studies.engine import Engine, InProcess, Processes
from morl.studies.ray import RayEngine


def engine_of(name: str = "local", jobs: int = 1, address: str | None = None) -> Engine:
    """An engine by name.

    Args:
        name: ``"local"`` or ``"ray"``.
        jobs: local processes; one job runs in this process.
        address: of the Ray cluster; one is started on this machine where there is none.

    Raises:
        UnknownNameError: no such engine.
        SpecError: fewer than one job, or an address of what has none.
    """
    if name not in ("local", "ray"):
        raise UnknownNameError("engine", name, ("local", "ray"))
    if jobs < 1:
        raise SpecError(f"number of jobs is {jobs}; expected at least 1")
    if name == "ray":
        return RayEngine(address)
    if address is not None:
        raise SpecError(f"address {address!r} is of no engine; give --engine ray")
    return InProcess() if jobs == 1 else Processes(jobs)
