"""`morl runs list` over many run folders: seconds, the start of Python and imports included.

python benchmarks/runs_list.py --runs 10000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from morl.runs import RunFolder


def main() -> int:
    """Make the folders, list them three times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    number = parser.parse_args().runs
    pattern = RunFolder.open("zoo:minecart").path
    files = {name: (pattern / name).read_bytes() for name in ("config.json", "status.json", "seal.json")}
    with tempfile.TemporaryDirectory() as root:
        for i in range(number):
            folder = Path(root) / f"run-{i:05d}"
            folder.mkdir()
            for name, payload in files.items():
                (folder / name).write_bytes(payload)
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            words = [sys.executable, "-m", "morl", "runs", "list", root]
            listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            seconds.append(time.monotonic() - began)
            assert listed.count("ParetoEvolution") == number
    print(f"{number:,} runs listed in {min(seconds):.2f} to {max(seconds):.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
