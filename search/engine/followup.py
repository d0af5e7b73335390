"""Questions that lean on the one before: "and when was that?" is searched for with the words of both."""

from collections.abc import Sequence

from search.engine import tokens

SHORT = 3  # words
FURTHEST = 3  # questions back
_LEANING = frozenset(
    "it its he him his she her hers they them their theirs this that these those there then one ones"
    " er ihn ihm sie ihr ihre es dies das elle il ils elles eux lui leur ça cela ella ellos eso".split()
)
_JOINING = frozenset("and but or so then also why und oder aber et mais y pero e ma".split())


def with_earlier(question: str, earlier: Sequence[str]) -> str:
    """What to search for; `question` itself where it stands on its own."""
    parts = [question]
    for before in list(reversed(earlier))[:FURTHEST]:
        if not leans(parts[0]):
            break
        parts.insert(0, before)
    return " ".join(parts)


def leans(question: str) -> bool:
    words = [word.casefold() for word in tokens.words(question)]
    if not words or _unspaced(question):
        return False
    return len(words) <= SHORT or words[0] in _JOINING or any(word in _LEANING for word in words)


def _unspaced(question: str) -> bool:
    """Chinese and its like have no spaces: one "word" may be a whole question."""
    return any(len(tokens.word_terms(word)) > 6 for word in tokens.words(question))
