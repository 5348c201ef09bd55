"""Where many tasks run, with the same results: in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

from morl.engines.local import Engine, InProcess, Listener, Outcome, Processes, Silent
from morl.engines.ray import RayEngine
from morl.spec import SpecError, UnknownNameError

__all__ = ["Engine", "InProcess", "Listener", "Outcome", "Processes", "RayEngine", "Silent", "engine_of"]


def engine_of(engine: Engine | str = "local", jobs: int = 1, address: str | None = None) -> Engine:
    """An engine by name; an engine is its own.

    Args:
        engine: ``"local"`` or ``"ray"``.
        jobs: local processes; one job runs in this process.
        address: of the Ray cluster; one is started on this machine where there is none.

    Raises:
        UnknownNameError: no such engine.
        SpecError: fewer than one job, or an address of what has none.
    """
    if not isinstance(engine, str):
        return engine
    if engine not in ("local", "ray"):
        raise UnknownNameError("engine", engine, ("local", "ray"))
    if jobs < 1:
        raise SpecError(f"number of jobs is {jobs}; expected at least 1")
    if engine == "ray":
        return RayEngine(address)
    if address is not None:
        raise SpecError(f"address {address!r} is of no engine; give --engine ray")
    return InProcess() if jobs == 1 else Processes(jobs)
