"""The leg of words: PostgreSQL's full text search."""

import re
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Case, Value, When

from memories.mirroring import SEPARATORS, TEXT_SEARCH
from memories.models import Chunk, Memory

CANDIDATES = 1_000  # rows that are ranked: those with all words, and those with any
MOST_WORDS = 32
LONGEST_WORD = 100

_SEPARATOR = re.compile(SEPARATORS)
_QUOTES = str.maketrans(dict.fromkeys("“”„«»", '"'))
_WORD = re.compile(r"\w+")
_LAST = re.compile(r"(?:^|\s)(\w{2,})$")


@dataclass(frozen=True)
class Asked:
    """A query as PostgreSQL's: `every` as written, the last word perhaps unfinished; `some`: any of its words."""

    every: SearchQuery
    some: SearchQuery

    @classmethod
    def of(cls, text: str) -> "Asked | None":
        """None where there is no word in it."""
        text = _SEPARATOR.sub(" ", text.translate(_QUOTES))
        text = " ".join(word[:LONGEST_WORD] for word in text.split())
        found = _WORD.findall(text)[:MOST_WORDS]
        if not found:
            return None
        every = SearchQuery(text, config=TEXT_SEARCH, search_type="websearch")
        some = reduce(or_, (SearchQuery(word, config=TEXT_SEARCH) for word in found))
        if '"' not in text and (last := _LAST.search(text)):
            begun = SearchQuery(f"{last[1]}:*", config=TEXT_SEARCH, search_type="raw")
            head = text[: last.start()].strip()
            every |= SearchQuery(head, config=TEXT_SEARCH, search_type="websearch") & begun if head else begun
            some |= begun
        operators = '"' in text or any(word.startswith("-") for word in text.split())
        return cls(every, every if operators else some)


def by_words(visible: QuerySet[Memory], asked: Asked, most: int) -> list[int]:
    """Chunks with all the words before those with some, within each the most often and closest first."""
    chunks = Chunk.objects.present().filter(memory__in=visible)
    every = chunks.filter(words=asked.every).values("pk")[:CANDIDATES]
    some = chunks.filter(words=asked.some).values("pk")[:CANDIDATES]
    ranked = (
        Chunk.objects.filter(pk__in=every.union(some))
        .annotate(
            whole=Case(When(Q(words=asked.every), then=Value(1)), default=Value(0)),
            rank=SearchRank(F("words"), asked.some, normalization=Value(1)),
        )
        .order_by("-whole", "-rank", "pk")
    )
    return list(ranked.values_list("pk", flat=True)[:most])
