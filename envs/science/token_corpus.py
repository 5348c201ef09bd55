"""Labelled text without a download: Python source says itself what every token is.

``tokenize`` gives the category of a token and ``ast`` the role of an identifier (attribute, callee, parameter,
function, class), so any source file is a tagged corpus with naturally rare classes. The corpus shipped here,
``tokens.npz``, was made from this project's own source by ``python benchmarks/make_token_corpus.py``.

Words outside the vocabulary of frequent tokens are replaced by their shape, so that a labeller must use context.
"""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from morl.spec import EnvError, IntArray

CATEGORIES = ("name", "keyword", "operator", "number", "string", "layout")
ROLES = ("none", "attribute", "callee", "parameter", "function", "class")
SHAPES = ("<snake_case>", "<lower>", "<Camel>", "<CAPS>", "<_private>", "<number>", "<string>", "<layout>", "<other>")
VOCABULARY = 200
_FILE = Path(__file__).with_name("tokens.npz")
_LAYOUT = (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Tokens in reading order.

    Args:
        words: ``(N,)`` numbers in the vocabulary.
        tags: ``(N,)`` numbers in :data:`CATEGORIES`.
        entities: ``(N,)`` numbers in :data:`ROLES`.
        vocabulary: what each word number stands for.
    """

    words: IntArray
    tags: IntArray
    entities: IntArray
    vocabulary: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)


def label_source(source: str) -> list[tuple[str, int, int]]:
    """Tokens of a Python file as ``(text, category, role)``; comments are left out.

    Raises:
        EnvError: not valid Python.

    >>> [(t, CATEGORIES[c], ROLES[r]) for t, c, r in label_source("f(x.y)")][:4]
    [('f', 'name', 'callee'), ('(', 'operator', 'none'), ('x', 'name', 'none'), ('.', 'operator', 'none')]
    """
    try:
        tree = ast.parse(source)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, tokenize.TokenError) as error:
        raise EnvError(f"source is not valid Python: {error}") from None
    roles = _roles(tree, source.splitlines())
    found: list[tuple[str, int, int]] = []
    defining = ""
    for token in tokens:
        if token.type in (tokenize.COMMENT, tokenize.ENDMARKER):
            continue
        category = _category(token)
        role = roles.get(token.start, 0)
        if defining and category == 0:
            role = ROLES.index("function" if defining == "def" else "class")
        defining = token.string if token.string in ("def", "class") else ""
        found.append((token.string, category, role if category == 0 else 0))
    return found


def _category(token: tokenize.TokenInfo) -> int:
    if token.type == tokenize.NAME:
        return 1 if keyword.iskeyword(token.string) else 0
    if token.type == tokenize.NUMBER:
        return 3
    if token.type in _LAYOUT:
        return 5
    if token.type == tokenize.OP:
        return 2
    return 4  # strings, and the pieces of formatted strings in newer Pythons


def _roles(tree: ast.AST, lines: Sequence[str]) -> dict[tuple[int, int], int]:
    """Roles by (line, column of characters); ``ast`` counts columns in bytes."""

    def place(line: int, column: int) -> tuple[int, int]:
        return line, len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    roles: dict[tuple[int, int], int] = {}
    callees = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.end_lineno is not None and node.end_col_offset is not None:
            at = place(node.end_lineno, node.end_col_offset - len(node.attr.encode()))
            roles[at] = ROLES.index("callee" if id(node) in callees else "attribute")
        elif isinstance(node, ast.Name) and id(node) in callees:
            roles[place(node.lineno, node.col_offset)] = ROLES.index("callee")
        elif isinstance(node, ast.arg):
            roles[place(node.lineno, node.col_offset)] = ROLES.index("parameter")
    return roles


def shape_of(text: str, category: int) -> str:
    """The shape that stands for a rare token.

    >>> [shape_of(t, 0) for t in ("row_ptr", "rows", "MOMDP", "Front", "_rows")]
    ['<snake_case>', '<lower>', '<CAPS>', '<Camel>', '<_private>']
    """
    if category in (3, 4, 5):
        return SHAPES[category + 2]
    if category != 0:
        return SHAPES[8]
    if text.startswith("_"):
        return SHAPES[4]
    if text.isupper():
        return SHAPES[3]
    if text[0].isupper():
        return SHAPES[2]
    return SHAPES[0] if "_" in text else SHAPES[1]


def build_corpus(sources: Iterable[str], size: int = VOCABULARY) -> Corpus:
    """Label sources and keep the ``size`` − 9 most frequent names, keywords and operators as words.

    Raises:
        EnvError: no tokens, or a source that is not Python.
    """
    tokens = [token for source in sources for token in label_source(source)]
    if not tokens:
        raise EnvError("the sources hold no tokens; expected at least one non-empty Python file")
    counts = Counter(text for text, category, _ in tokens if category in (0, 1, 2))
    frequent = [text for text, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    vocabulary = (*SHAPES, *frequent[: size - len(SHAPES)])
    number = {text: i for i, text in enumerate(vocabulary)}

    def word(text: str, category: int) -> int:
        return number[text] if category in (0, 1, 2) and text in number else number[shape_of(text, category)]

    words, tags, roles = zip(*((word(text, c), c, r) for text, c, r in tokens), strict=True)
    return Corpus(np.array(words), np.array(tags), np.array(roles), vocabulary)


def save_corpus(corpus: Corpus, path: str | Path) -> None:
    """Write a corpus as ``.npz`` without pickles."""
    text = np.frombuffer("\n".join(corpus.vocabulary).encode(), dtype=np.uint8)
    arrays: dict[str, Any] = {"vocabulary": text, "words": corpus.words.astype(np.uint8)}
    if len(corpus.vocabulary) > 256:
        arrays["words"] = corpus.words.astype(np.int32)
    np.savez_compressed(path, tags=corpus.tags.astype(np.uint8), entities=corpus.entities.astype(np.uint8), **arrays)


@lru_cache(maxsize=4)
def load_corpus(path: str | Path | None = None) -> Corpus:
    """The corpus in a file; ``None`` is the one that comes with the package.

    Raises:
        EnvError: no such file, or not a corpus.
    """
    try:
        with np.load(_FILE if path is None else path, allow_pickle=False) as file:
            words, tags, roles = (file[key].astype(np.int64) for key in ("words", "tags", "entities"))
            return Corpus(words, tags, roles, tuple(file["vocabulary"].tobytes().decode().split("\n")))
    except (OSError, KeyError, ValueError) as error:
        raise EnvError(f"token corpus {str(path or _FILE)!r} cannot be read ({error})") from None
