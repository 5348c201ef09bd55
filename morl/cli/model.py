"""From what a person types (an environment id or a model file) to a finite model and its specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from morl.momdp import MOMDP
    from morl.spec import MOSpec


def load_model(
    name: str, discount: float | None, imports: Sequence[str] = (), minimise: Sequence[str] = ()
) -> tuple[MOMDP, MOSpec | None]:
    """The finite model behind an id or a file, and the environment's specification where it has one.

    Args:
        minimise: objectives of a model file that are costs.

    Raises:
        ModelError: the environment has no finite model, or the file is not one.
        UnknownNameError: no such environment.
    """
    from morl.envs import import_package
    from morl.exact.dispatch import as_momdp

    for package in imports:
        import_package(package)
    model, env, _ = as_momdp(name, discount, minimise)
    return model, getattr(env, "mo_spec", None)
