"""The sentences of a text, good enough to compare and to quote. Markup, tables and code give none."""

import re

FEWEST_WORDS, MOST_WORDS = 3, 60
LETTERS = 0.6  # share of a sentence's characters that are letters; a table or a formula has less

# After a full stop and before a capital or a digit; where CJK ends a sentence; at blank lines, bullets and headings.
_BORDER = re.compile(
    r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_a-z])|(?<=[。！？])|\n\s*\n|\n(?=\s*(?:[-*•#>|]|\d+[.)]\s))"
)
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Fig|No|Nr|Vol|Ed|vs|etc|e\.g|i\.e|cf|approx|ca|Inc|Ltd|Co)\.$"
)
_MARKUP = re.compile(r"^\s*(?:[-*•>]+|\d+[.)])\s+|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}(?=\W|$)")
_WORD = re.compile(r"\w+")


def sentences(text: str) -> list[str]:
    """In order, each on one line."""
    return [found for piece in _joined(text) if (found := _plain(piece))]


def _joined(text: str) -> list[str]:
    """The pieces between borders; a border after an abbreviation was none."""
    pieces: list[str] = []
    start = 0
    for border in _BORDER.finditer(text):
        piece = text[start : border.end()]
        if "\n" not in border[0].strip(" ") and _ABBREVIATED.search(piece.rstrip()):
            continue
        pieces.append(piece)
        start = border.end()
    return [*pieces, text[start:]]


def _plain(piece: str) -> str:
    """Empty where it is no sentence."""
    if piece.lstrip().startswith(("#", "|", "```")):
        return ""
    plain = " ".join(_MARKUP.sub("", piece).split())
    spaced = len(_WORD.findall(plain))
    unspaced = any("\u3040" <= character <= "\u9fff" for character in plain)
    if not (spaced >= FEWEST_WORDS or unspaced) or spaced > MOST_WORDS:
        return ""
    letters = sum(character.isalnum() or character.isspace() for character in plain)
    return plain if letters >= LETTERS * len(plain) else ""
