"""The index of agents names every built-in algorithm, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from morl.agents.registry import BUILT_IN

FOLDER = Path(__file__).parents[1] / "docs" / "agents"
LINK = re.compile(r"\[([^\]]*)\]\(([^)#:]+)\)")


def test_the_index_has_a_page_for_every_algorithm() -> None:
    linked = dict(LINK.findall((FOLDER / "README.md").read_text(encoding="utf-8")))
    assert set(BUILT_IN) <= set(linked)


@pytest.mark.parametrize("page", sorted(p.name for p in FOLDER.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    for _, target in LINK.findall((FOLDER / page).read_text(encoding="utf-8")):
        assert (FOLDER / target).exists(), f"{page} links to {target}"
