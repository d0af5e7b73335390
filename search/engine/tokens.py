"""Text to search terms, the same for what is indexed and what is asked.

- NFKC, case folded, accents folded ("Café" and "CAFE" are one term).
- Scripts written without spaces (Chinese, Japanese, Korean, Thai, ...) become single characters and pairs:
  pairs find words without a dictionary, single characters find words of one character.
- Identifiers are kept whole and also split at `_` and at capitals, so `parse_http` is found by "http".
- No stop words: BM25 weighs "the" next to nothing by itself, and "to be or not to be" stays a query.
- Without a language English plurals only (Harman's S stemmer, 1991, and a silent e dropped so that boxes and caches
  meet box and cache). With one, Snowball's stems (`languages`). On CISI, without, plurals and Snowball: nDCG@10 0.333,
  0.361 and 0.360, mean reciprocal rank 0.605, 0.603 and 0.624, recall@100 0.421 and 0.428 for the latter two.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from search.engine import languages

# Names the rules above inside an index. Change it with them, and old keyword indexes are built again.
NAME = "words-1"

# A term longer than this is a blob, not a word; its beginning stands for it.
LONGEST = 64


def _spans(points: Iterable[int]) -> str:
    """Letters as a pattern has them between brackets: in ranges, as that of a long phrase has these many times."""
    runs = groupby(enumerate(points), lambda pair: pair[1] - pair[0])
    ends = ([point for _, point in run] for _, run in runs)
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in ends)


# Python's \w leaves out combining marks, which would cut Hindi or Arabic words at their vowels.
_MARKS = _spans(point for point in range(0x300, 0x10000) if unicodedata.category(chr(point))[0] == "M")
INSIDE, SIGNS = rf"\w{_MARKS}", "\u2600-\u27bf\U0001f300-\U0001faff"  # of a word; each a word by itself
WORD = re.compile(f"[{INSIDE}]+|[{SIGNS}]")
_INSIDE, _SIGN = re.compile(f"[{INSIDE}]"), re.compile(f"[{SIGNS}]")
_ASCII = "\x7f"
_ASCII_WORDS = "".join(letter if _INSIDE.match(letter) else " " for letter in map(chr, range(128)))
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"  # CJK
)
_RUNS = re.compile(rf"([{UNSPACED}][{UNSPACED}{_MARKS}]*)|[^{UNSPACED}]+")
_PIECES = re.compile(r"[A-Z][A-Z0-9]*(?![^A-Z0-9_])|[A-Z]?[^A-Z_]+")
_ACCENT = re.compile("[\u0300-\u036f]+")
_SILENT_E = ("sse", "xe", "che", "she", "ze")
_UNDECOMPOSED = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ı": "i"})


def terms(text: str, language: str = "") -> list[str]:
    """All terms of a text, in order, repeated as often as they occur."""
    return [term for word in words(text) for term in word_terms(word, language)]


def words(text: str) -> list[str]:
    """The words as written; `word_terms` turns each into its terms (and is worth remembering per word)."""
    return written(compatible(text))


def written(text: str) -> list[str]:
    """As WORD finds them, in a quarter of its time where all is ASCII but for the signs that print sets."""
    plain = without_signs(text)
    return plain.translate(_ASCII_WORDS).split() if plain.isascii() else WORD.findall(text)


def without_signs(text: str) -> str:
    """Quotation marks and dashes stand between words, where a space does too."""
    if not text.isascii():
        for sign in "“”‘’—–…":
            text = text.replace(sign, " ")
    return text


def compatible(text: str) -> str:
    """A word or text as it is, in the form that `word_terms` takes."""
    return text if without_signs(text).isascii() else unicodedata.normalize("NFKC", text)


def goes_on(letter: str) -> bool:
    """Whether a word goes on with it; with nothing it does not."""
    return letter.isalnum() or letter == "_" or (letter > _ASCII and _INSIDE.match(letter) is not None)


def is_sign(word: str) -> bool:
    """Whether it is a word by itself, whatever stands beside it."""
    return word > _ASCII and _SIGN.fullmatch(word) is not None


def is_unspaced(text: str) -> bool:
    """Whether some of it is in a script that does not set words apart."""
    return any(run[1] for run in _RUNS.finditer(text))


@lru_cache(maxsize=100_000)
def word_terms(word: str, language: str = "") -> tuple[str, ...]:
    found: list[str] = []
    for run in _RUNS.finditer(word):
        found += _pairs(run[0]) if run[1] else _identifier(run[0], language)
    return tuple(term[:LONGEST] for term in found if term)


def whole_terms(word: str, language: str = "") -> tuple[str, ...]:
    """The terms that stand together wherever the word stands: of an identifier its whole, which has its pieces."""
    found: list[str] = []
    for run in _RUNS.finditer(word):
        found += _pairs(run[0]) if run[1] else _identifier(run[0], language)[:1]
    return tuple(term[:LONGEST] for term in found if term)


def _identifier(word: str, language: str) -> list[str]:
    whole = [_term(word.strip("_"), language)]
    plain = "_" not in word and (word.islower() or word.isupper())
    pieces = () if plain else _PIECES.findall(word)
    if len(pieces) < 2:
        return whole
    return whole + [_term(piece, language) for piece in pieces if len(piece) > 1]


def _term(word: str, language: str) -> str:
    if not language:
        return _stem(fold(word))
    folded = fold(word)
    if folded.isascii():  # folded first, so that a word meets itself written without its accents
        return languages.stem(folded, language)
    return fold(languages.stem(word.casefold(), language))


def _pairs(run: str) -> list[str]:
    return [*run, *(run[place : place + 2] for place in range(len(run) - 1))]


def fold(word: str) -> str:
    word = word.casefold()
    if word.isascii():
        return word
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", word))
    return unicodedata.normalize("NFC", bare).translate(_UNDECOMPOSED)


def _stem(word: str) -> str:
    if len(word) < 4 or not word.isascii():
        return word
    word = _singular(word) if word[-1] == "s" else word
    return word[:-1] if word.endswith(_SILENT_E) else word


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word if word[-4] in "ae" else word[:-3] + "y"
    if word.endswith("es"):
        return word if word[-3] in "aeo" else word[:-1]
    return word if word[-2] in "us" else word[:-1]
