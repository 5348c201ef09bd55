"""``python -m morl`` is the command ``morl``."""

from morl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
