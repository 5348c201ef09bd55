"""Explore fronts in a browser: one self-contained page, or the same page as a widget of a notebook."""

from morl.explorer.exploring import explore

__all__ = ["explore"]
