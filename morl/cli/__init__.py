"""Command-line interface, ``morl``: one file per command; heavy imports are inside the command that needs them."""

from morl.cli.app import main

__all__ = ["main"]
