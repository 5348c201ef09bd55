"""The index of agents names every built-in algorithm, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from morl.agents.core.config import options
from morl.agents.registry import BUILT_IN, get

FOLDER = Path(__file__).parents[1] / "docs" / "agents"
LINK = re.compile(r"\[([^\]]*)\]\(([^)#:]+)\)")


def test_the_index_has_a_page_for_every_algorithm() -> None:
    linked = dict(LINK.findall((FOLDER / "README.md").read_text(encoding="utf-8")))
    assert set(BUILT_IN) <= set(linked)


@pytest.mark.parametrize("page", sorted(p.name for p in FOLDER.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    for _, target in LINK.findall((FOLDER / page).read_text(encoding="utf-8")):
        assert (FOLDER / target).exists(), f"{page} links to {target}"


OF_FUNCTIONS = {"tuned", "updates", "episodes", "seed", "preference", "raw", "exact"}
"""Arguments of an agent's constructor and methods."""

ELSEWHERE = {"MORL_MAX_MEMORY", "OMP_NUM_THREADS", "MORL_TEST_SEED_SHIFT", "ideal", "sharpness"}
"""Environment variables, and what the texts of utilities have."""


@pytest.mark.parametrize("page", sorted(p.name for p in FOLDER.glob("*.md")))
def test_options_named_on_a_page_exist(page: str) -> None:
    """``name=value`` in backticks is an option of some algorithm, or an argument that every agent's methods have."""
    known = {option.name for name in BUILT_IN for option in options(get(name).Config)} | OF_FUNCTIONS | ELSEWHERE
    text = re.sub(r"^```.*?^```$", "", (FOLDER / page).read_text(encoding="utf-8"), flags=re.S | re.M)
    for code in re.findall(r"`([^`\n]+)`", text):
        if not re.match(r"(python|morl|OMP_NUM_THREADS)\b", code):
            for name in re.findall(r"\b([A-Za-z_]\w*)=", code):
                assert name in known, f"{page}: `{code}`"
