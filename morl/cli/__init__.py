"""The command line, ``morl``: one file per command, heavy imports only inside the command that needs them."""

from morl.cli.app import main

__all__ = ["main"]
