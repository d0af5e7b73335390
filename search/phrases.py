"""Which texts hold a phrase: its words one after another, whatever stands between them."""

import re
from collections.abc import Sequence
from functools import lru_cache

from .engine import tokens

_BETWEEN = rf"[^{tokens.INSIDE}{tokens.SIGNS}]"
_FOREIGN = re.compile(r"[^\x00-\x7f]+")
_fold = lru_cache(10_000)(tokens.fold)  # to fold a whole text with a few dashes in it takes ten times as long


class Phrases:
    """All of several phrases, each given as its words."""

    def __init__(self, phrases: Sequence[tuple[str, ...]]):
        self._patterns = [_pattern([tokens.fold(word) for word in words]) for words in phrases]

    def all_in(self, text: str) -> bool:
        """Most texts are ASCII but for their quotation marks, and folding takes longer than looking."""
        plain = tokens.without_signs(text)
        return self._found(plain.casefold()) or (not plain.isascii() and self._found(_folded(plain)))

    def _found(self, text: str) -> bool:
        return all(pattern.search(text) for pattern in self._patterns)


def _folded(text: str) -> str:
    return _FOREIGN.sub(lambda run: _fold(run[0]), tokens.compatible(text)).casefold()


def _pattern(words: list[str]) -> re.Pattern[str]:
    """Whole words, except in scripts that do not set words apart. Begins with letters, which the engine looks for much
    faster than for the edge of a word."""
    first, *more = map(re.escape, words)
    written = first + "".join(map(_next, words, words[1:], more))
    if tokens.is_unspaced("".join(words)):
        return re.compile(written)
    edge, end = f"(?<![{tokens.INSIDE}]{first})", f"(?![{tokens.INSIDE}])"
    edge, end = edge * (not tokens.is_sign(words[0])), end * (not tokens.is_sign(words[-1]))
    return re.compile(first + edge + written[len(first) :] + end)


def _next(before: str, word: str, written: str) -> str:
    """Beside a sign nothing need stand."""
    return f"{_BETWEEN}{'*' if tokens.is_sign(before) or tokens.is_sign(word) else '+'}{written}"
