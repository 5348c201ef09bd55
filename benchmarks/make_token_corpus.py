"""Make the token corpus of SequenceLabelling from this project's source: `python benchmarks/make_token_corpus.py`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from morl.envs.science.token_corpus import CATEGORIES, ROLES, build_corpus, save_corpus

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("morl/pareto", "morl/exact", "envs/science")
FILES = ("morl/spec.py", "morl/momdp.py")


def main() -> None:
    """Label the source files and write ``envs/science/tokens.npz``."""
    paths = [ROOT / name for name in FILES] + [p for folder in FOLDERS for p in sorted((ROOT / folder).glob("*.py"))]
    corpus = build_corpus(path.read_text(encoding="utf-8") for path in paths)
    save_corpus(corpus, ROOT / "envs" / "science" / "tokens.npz")
    print(f"{len(corpus)} tokens of {len(paths)} files, {len(corpus.vocabulary)} words")
    for names, labels in ((CATEGORIES, corpus.tags), (ROLES, corpus.entities)):
        counts = Counter(labels.tolist())
        print("  " + ", ".join(f"{counts[i]} {name}" for i, name in enumerate(names)))


if __name__ == "__main__":
    main()
