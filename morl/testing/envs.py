"""Conformance suite for environments: subclass it in any repository, and every check becomes a test.

.. code-block:: python

    from morl.testing import EnvConformance

    class TestMyProblem(EnvConformance):
        env = "lab/MyProblem-v0"
"""

from __future__ import annotations

from typing import Any, ClassVar

from morl.envs.checker import as_case, choose, run_checks


def _one(name: str) -> Any:
    def test(self: EnvConformance) -> None:
        if name in self.skip:
            return
        target = type(self).__dict__.get("env", self.env)
        faults = run_checks(as_case(target, self.steps, self.seed), [name])
        assert not faults, "\n".join(str(fault) for fault in faults)

    test.__name__ = f"test_{name.replace('-', '_')}"
    test.__doc__ = f"The check {name!r} finds nothing."
    return test


class EnvConformance:
    """Base class of conformance tests (not collected itself, its name does not begin with Test).

    Class attributes:
        env: an id, or a function or class that makes the environment.
        steps: length of the rollouts.
        seed: of resets and actions.
        skip: names of checks that do not apply, see :data:`morl.envs.checker.CHECKS`.
    """

    env: Any = None
    steps: int = 200
    seed: int = 0
    skip: ClassVar[tuple[str, ...]] = ()


for _name in choose(None, ()):
    setattr(EnvConformance, f"test_{_name.replace('-', '_')}", _one(_name))
