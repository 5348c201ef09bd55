"""Published set-ups under which fronts are measured, so that numbers can be compared with those of papers."""

from morl.bench.protocols import Protocol, Published, Setup, get, names, setup_of
from morl.bench.standings import Standing, Standings, compare_under

__all__ = [
    "Protocol",
    "Published",
    "Setup",
    "Standing",
    "Standings",
    "compare_under",
    "get",
    "names",
    "setup_of",
]
