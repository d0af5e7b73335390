"""Questions that a text can answer, to show a person what may be asked."""

import re
from collections import Counter
from collections.abc import Sequence

LOOKED_AT = 3_000  # characters
ENOUGH = 3  # times that a word which is no name stands in a text about it
LONGEST = 80
_HEADING = re.compile(r"^#{1,3}\s+(.{3,90}?)\s*#*$", re.MULTILINE)
# Not at the beginning of a sentence, where every word has a capital.
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{4,}(?: [A-Z][a-z]{2,})?")
_WORD = re.compile(r"\b[a-z]{7,}\b")
_TAG = re.compile(r"<[/!?]?[A-Za-z-][^<>]*>")
_CODE = re.compile(r"`[^`]*`|\{[{%#].*?[}%#]\}|\b[\w.]+\([^()]*\)|\b\w+://\S+")
_SIGN = re.compile(r"[<>{}\[\]()=;|\\/$%@~^`]")
MOST_CODE = 0.5  # of a heading's letters
MOST_SIGNS = 0.3  # of its characters


def about(text: str, headings: Sequence[str] = ()) -> str:
    """ "What is said about ...?"; empty where the text has no subject to speak of."""
    subject = _subject(text[:LOOKED_AT], headings)
    return f"What is said about {subject}?" if subject else ""


def _subject(text: str, headings: Sequence[str]) -> str:
    for heading in (*reversed(headings), *_HEADING.findall(text)):
        if _is_code(str(heading)):
            continue
        plain = " ".join(re.sub(r"[^\w\s'’-]", " ", _TAG.sub(" ", str(heading))).split())
        if 3 <= len(plain) <= LONGEST and not plain.isdigit():
            return f"“{plain}”" if " " in plain else plain
    for name, _ in Counter(_NAME.findall(text)).most_common(1):
        return name
    for word, times in Counter(_WORD.findall(text)).most_common(1):
        return word if times >= ENOUGH else ""
    return ""


def _is_code(heading: str) -> bool:
    """Nobody asks about what is mostly markup or code."""
    characters = "".join(heading.split())
    written = sum(map(str.isalnum, characters))
    left = sum(map(str.isalnum, _CODE.sub(" ", _TAG.sub(" ", heading))))
    return left < (1 - MOST_CODE) * written or len(_SIGN.findall(characters)) > MOST_SIGNS * len(characters)
