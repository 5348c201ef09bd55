"""Names for environments: finding and making them; :mod:`morl.envs.registering` adds new ones.

Everything ends up in Gymnasium's own registry, so ``gymnasium.make`` and ``gymnasium.make_vec`` work as well; what
is added here are the vector-reward checks, packages imported on demand, and errors that say what to do.
"""

from __future__ import annotations

import copy
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import DependencyNotInstalled

from morl.envs.catalog import BUILTIN, EnvEntry
from morl.envs.core import MOEnv, MOVectorEnv, mo_spec
from morl.envs.failures import described
from morl.envs.imports import Imported, import_package
from morl.spec import (
    EnvError,
    MissingExtraError,
    MorlError,
    UnknownNameError,
)

_ENTRIES: dict[str, EnvEntry] = {}
_PLUGINS_LOADED = [False]
_FOREIGN = {"mo_gymnasium": "mo-gymnasium"}
"""Packages whose ids work without an import, and the extra that installs them."""


# ---- the registry ---------------------------------------------------------------------------------------------


def add(entry: EnvEntry, *, time_limit_wrapper: bool = False) -> None:
    """Enter an environment into Gymnasium's registry and into :func:`entries`."""
    kwargs = dict(entry.kwargs)
    if entry.max_steps is not None and not time_limit_wrapper:
        kwargs["max_steps"] = entry.max_steps
    gym.registry.pop(entry.id, None)  # registering again replaces, silently
    gym.register(
        entry.id,
        entry_point=entry.entry_point,
        vector_entry_point=entry.vector_entry_point,
        max_episode_steps=entry.max_steps if time_limit_wrapper else None,
        order_enforce=time_limit_wrapper,
        disable_env_checker=True,  # Gymnasium's checker knows scalar rewards only; morl.check_env is ours
        kwargs=kwargs,
    )
    _ENTRIES[entry.id] = entry


def register_builtin() -> None:
    """Enter the catalogue. Importing :mod:`morl.envs` does it; doing it twice changes nothing."""
    for entry in BUILTIN:
        if entry.id not in _ENTRIES:
            add(entry)


# ---- finding --------------------------------------------------------------------------------------------------


def load_plugins() -> None:
    """Load the entry points of group ``morl.envs`` of all installed distributions, once.

    An entry point names a module whose import registers environments, or a function that does when called.
    """
    if _PLUGINS_LOADED[0]:
        return
    _PLUGINS_LOADED[0] = True
    for point in importlib.metadata.entry_points(group="morl.envs"):
        try:
            loaded = point.load()
            if callable(loaded):
                loaded()
        except Exception as error:
            raise EnvError(f"entry point {point.name!r} ({point.value}) failed: {error}") from error


def entries(group: str | None = None) -> list[EnvEntry]:
    """All environments registered with `morl`, in catalogue order: built-in ones, plug-ins, and your own."""
    load_plugins()
    return [e for e in _ENTRIES.values() if group is None or e.group == group]


def find(id: str) -> tuple[EnvSpec, EnvEntry | None]:
    """The Gymnasium spec of an id, importing what it takes: ``package:id``, plug-ins, mo-gymnasium.

    Raises:
        UnknownNameError: nothing of that name; the nearest ones are suggested.
        MissingExtraError: a package that must be installed first.
    """
    if not isinstance(id, str):
        raise EnvError(f"environment id is {id!r}; expected a string like 'morl/DeepSeaTreasure-v0'")
    package, _, name = id.rpartition(":")
    if package:
        import_package(package)
    if name not in gym.registry:
        load_plugins()
    if name not in gym.registry and "/" not in name:
        for module, extra in _FOREIGN.items():
            if importlib.util.find_spec(module) is not None:
                importlib.import_module(module)
            elif name.startswith("mo-"):
                raise MissingExtraError(f"environment {name!r}", extra)
    if name not in gym.registry:
        raise UnknownNameError("environment", name, known_ids())
    return gym.registry[name], _ENTRIES.get(name)


def known_ids() -> list[str]:
    """Ids worth suggesting: ours, and those of other vector-reward packages that are loaded."""
    foreign = [id for id, spec in gym.registry.items() if str(spec.entry_point).split(".")[0] in _FOREIGN]
    return [*_ENTRIES, *foreign]


# ---- making ---------------------------------------------------------------------------------------------------


def make(id: str | EnvSpec, **kwargs: Any) -> MOEnv[Any, Any]:
    """An environment with a vector reward, by id.

    Args:
        id: ours (``"morl/DeepSeaTreasure-v0"``), mo-gymnasium's (``"minecart-v0"``), your own, or
            ``"package:id"`` to import the package first; or a spec of what is registered.
        kwargs: arguments of the environment, and Gymnasium's (``max_episode_steps``, ``render_mode``, …).

    Raises:
        UnknownNameError: no such id; the nearest ones are suggested.
        MissingExtraError: the environment needs an extra that is not installed.
        EnvError: its reward is not a vector, or it does not take these arguments.
    """
    spec, entry = _known(id) if isinstance(id, EnvSpec) else find(id)
    kwargs.setdefault("disable_env_checker", True)
    env = _guard(lambda: gym.make(spec, **kwargs), spec.id, entry)
    try:
        mo_spec(env)
    except EnvError:
        env.close()
        raise
    made: MOEnv[Any, Any] = env
    return made


def _known(spec: EnvSpec) -> tuple[EnvSpec, EnvEntry | None]:
    """A spec that may be made: specs can be read from JSON, so the code that they name must be known already.

    Raises:
        EnvError: text in it names a class that is not registered, or a wrapper that is none or not imported.
    """
    registered = gym.registry.get(spec.id)
    for kind in ("entry_point", "vector_entry_point"):
        point = getattr(spec, kind)
        if isinstance(point, str) and point != getattr(registered, kind, None):
            raise EnvError(
                f"spec {spec.id!r} names the code {point!r}, which is not what is registered under this id; register "
                "it first: gymnasium.register(id, entry_point=…)"
            )
    for wrapper in spec.additional_wrappers:
        module, _, name = str(wrapper.entry_point).partition(":")
        found = getattr(sys.modules.get(module), name, None)
        if not (isinstance(found, type) and issubclass(found, gym.Wrapper)):
            raise EnvError(
                f"spec {spec.id!r} names {wrapper.entry_point!r}; expected a wrapper that is imported already"
            )
    return spec, _ENTRIES.get(spec.id)


def admit(spec: EnvSpec) -> EnvSpec:
    """Register a spec that another process of this program sent, where it is not registered here."""
    gym.registry.setdefault(spec.id, spec)
    return spec


def make_vec(
    id: str | EnvSpec, num_envs: int = 1, *, vectorization_mode: str | None = None, **kwargs: Any
) -> MOVectorEnv:
    """A vector environment with rewards ``(num_envs, K)``, by id.

    Args:
        id: as for :func:`make`.
        num_envs: number of parallel environments.
        vectorization_mode: ``"native"`` (arrays all the way; ours have it), ``"sync"`` (one after the other),
            ``"async"`` (in worker processes, one per core); ``None`` is native where it exists, else sync.
        kwargs: ``autoreset_mode``, arguments of the environment and, for ``"async"``, those of
            :class:`~morl.envs.vector.AsyncVectorEnv` (``num_workers``, ``context``, ``timeout``).

    Raises:
        EnvError: there is no native form, or any error of :func:`make`.
    """
    spec, entry = _known(id) if isinstance(id, EnvSpec) else find(id)
    mode = vectorization_mode or ("native" if spec.vector_entry_point is not None else "sync")
    if mode in ("native", "vector_entry_point"):
        if spec.vector_entry_point is None:
            raise EnvError(
                f"environment {spec.id!r} has no native vector form; use vectorization_mode='sync' or 'async'"
            )
        made = _guard(
            lambda: gym.make_vec(spec, num_envs, vectorization_mode="vector_entry_point", **kwargs), spec.id, entry
        )
        native: MOVectorEnv = made
        return native
    from morl.envs.vector import AsyncVectorEnv, SyncVectorEnv

    kinds: Mapping[str, Any] = {"sync": SyncVectorEnv, "async": AsyncVectorEnv}
    if mode not in kinds:
        raise EnvError(f"vectorization_mode is {mode!r}; expected 'native', 'sync', 'async' or None")
    if isinstance(num_envs, bool) or not isinstance(num_envs, int) or num_envs < 1:
        raise EnvError(f"num_envs is {num_envs!r}; expected a positive integer")
    own = ("autoreset_mode", "num_workers", "context", "timeout") if mode == "async" else ("autoreset_mode",)
    vector_kwargs = {key: kwargs.pop(key) for key in own if key in kwargs}
    maker = _Maker(spec, kwargs)
    env: MOVectorEnv = kinds[mode]([maker] * num_envs, **vector_kwargs)
    env.spec = spec
    return env


_CALL_ONLY = ("render_mode", "num_envs", "vectorization_mode", "vector_kwargs", "autoreset_mode", "max_episode_steps")
"""What Gymnasium adds to the arguments in a spec: how one call was made, not which problem it is."""


def recipe(env: Any) -> EnvSpec | None:
    """The spec that makes this problem again, or ``None`` where wrappers around it say more than the spec does.

    Args:
        env: a single environment or a vector environment; the spec makes either.
    """
    spec: EnvSpec | None = getattr(env, "spec", None)
    if spec is None or spec.additional_wrappers or spec.kwargs.get("wrappers"):
        return None
    if isinstance(env, gym.vector.VectorEnv) and env is not env.unwrapped:
        return None
    clean = copy.copy(spec)
    clean.kwargs = {key: value for key, value in spec.kwargs.items() if key not in _CALL_ONLY}
    clean.max_episode_steps = spec.kwargs.get("max_episode_steps", spec.max_episode_steps)
    return clean


class _Maker:
    """A picklable function that makes one environment, for workers in other processes.

    What was imported from files goes along, before the spec that may need it.
    """

    def __init__(self, spec: EnvSpec, kwargs: dict[str, Any], imported: Imported | None = None) -> None:
        self.spec, self.kwargs = spec, kwargs

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.spec, self.kwargs, Imported())

    def __call__(self) -> MOEnv[Any, Any]:
        return make(admit(self.spec), **self.kwargs)


def _guard(build: Callable[[], Any], id: str, entry: EnvEntry | None) -> Any:
    """Run a constructor, and turn what goes wrong into one clear line."""
    try:
        return build()
    except MorlError:
        raise
    except (ImportError, DependencyNotInstalled) as error:
        extra = entry.extra if entry is not None else None
        if extra is not None and not (getattr(error, "name", None) or "").startswith("morl"):
            raise MissingExtraError(f"environment {id!r}", extra) from error
        raise EnvError(f"environment {id!r} needs a package that is not installed: {error}") from error
    except TypeError as error:
        text = str(error).split(" was raised from the environment creator")[0]
        if "unexpected keyword argument" in text:
            raise EnvError(f"environment {id!r}: {text.split('.')[-1].removeprefix('__init__() ')}") from error
        raise EnvError(f"environment {id!r} cannot be made: {described(error)}") from error
    except Exception as error:
        raise EnvError(f"environment {id!r} cannot be made: {described(error)}") from error


def names(found: Iterable[EnvEntry]) -> list[str]:
    """The ids of entries."""
    return [entry.id for entry in found]
