"""The language of a document, and the stems of its words.

Detection by py3langid (Lui and Baldwin, "langid.py", ACL 2012), stems by Snowball (https://snowballstem.org), which is
what PostgreSQL's text search uses too. A document of a language without a stemmer, code, or a text too short to
tell, counts as English: its words are then at worst cut at an English ending.
"""

import threading
from functools import lru_cache

DEFAULT = "english"
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french",
    "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian",
    "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish",
}  # fmt: skip
LANGUAGES = frozenset(STEMMERS.values())

LEAST = 40  # characters: names and headings are guessed wrongly too often
MOST = 2_000
_local = threading.local()  # a stemmer may not be used by two threads at once


def detect(text: str) -> str:
    """The name of a Snowball stemmer."""
    text = " ".join(text[: 2 * MOST].split())[:MOST]
    if sum(letter.isalpha() for letter in text) < LEAST:
        return DEFAULT
    from py3langid import classify  # loads its model

    code, _ = classify(text.casefold() if text.isupper() else text)
    return STEMMERS.get(code, DEFAULT)


@lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """Of a case-folded word; one that is not in the language's script stays as it is."""
    stemmers = _local.__dict__.setdefault("stemmers", {})
    if language not in stemmers:
        import Stemmer

        stemmers[language] = Stemmer.Stemmer(language, 0)
    return stemmers[language].stemWord(word)
