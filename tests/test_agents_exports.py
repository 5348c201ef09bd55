"""Every algorithm of the registry is exported from ``morl.agents``, and known to type checkers."""

from __future__ import annotations

import ast
import inspect

import pytest

from morl import agents
from morl.agents import registry


def _typed() -> dict[str, str]:
    """What ``morl.agents`` imports for type checkers only: names and their modules."""
    tree = ast.parse(inspect.getsource(agents))
    blocks = [x for x in tree.body if isinstance(x, ast.If) and isinstance(x.test, ast.Name)]
    imports = [x for block in blocks for x in block.body if isinstance(x, ast.ImportFrom)]
    return {alias.name: str(x.module) for x in imports for alias in x.names}


def test_type_checkers_know_every_algorithm() -> None:
    assert _typed() == registry.BUILT_IN


def test_every_algorithm_is_exported() -> None:
    assert set(registry.BUILT_IN) <= set(agents.__all__)
    assert set(agents.__all__) <= set(dir(agents))


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_the_attribute_is_the_class(name: str) -> None:
    kind = getattr(agents, name)
    assert kind.__name__ == kind.info.name == name


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="NoSuchAgent"):
        _ = agents.NoSuchAgent
