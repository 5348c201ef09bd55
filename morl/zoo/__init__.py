"""A zoo of trained runs: run folders with a card, in a folder, under a URL, or shipped with the package."""

from __future__ import annotations

from morl.zoo.card import Card
from morl.zoo.sharing import cards, pull, push

__all__ = ["Card", "cards", "pull", "push"]
