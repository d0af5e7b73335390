"""Words that are written nearly like a word, among those that the chunks in reach hold."""

from collections.abc import Iterable

from django.db.models import Q, Sum
from django.db.models.functions import Length

from .models import Posting
from .table import Table

SHORTEST = 4  # letters of a word that may be mistyped
LONG = 8  # letters from which on two mistakes are allowed
MOST = 8  # terms that are given, or looked for
SCANNED = 200_000


def beginning_with(table: Table, head: str) -> list[str]:
    """The most frequent terms that go on from `head`."""
    if len(head) < 2:
        return []
    rows = _terms(table).filter(term__startswith=head).values("term").annotate(n=Sum("count")).order_by("-n", "term")
    return [row["term"] for row in rows[:MOST]]


def similar_to(table: Table, terms: Iterable[str]) -> list[str]:
    """Terms one mistake away (two from LONG letters on), a swap of neighbours counting as one; the nearest first, and
    of these the most frequent. The first letter may be swapped or one too many, but not lost or another one."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    found: dict[str, tuple[int, int]] = {}
    mistyped = sorted(word for word in terms if len(word) >= SHORTEST and word.isalpha())[:MOST]
    near = _near(table, mistyped) if mistyped else {}
    known = list(near)
    for word in mistyped:
        for term, distance, _ in extract(word, known, scorer=OSA.distance, score_cutoff=_allowed(word), limit=MOST):
            if term != word:
                found[term] = min(found.get(term, (9, 0)), (int(distance), -near[term]))
    return sorted(found, key=lambda term: (found[term], term))[:MOST]


def nearest(word: str, forms: Iterable[str]) -> str:
    """Empty where there are none."""
    from rapidfuzz.distance import OSA

    return min(forms, key=lambda form: (OSA.distance(word, form), form), default="")


def _allowed(word: str) -> int:
    return 2 if len(word) >= LONG else 1


def _near(table: Table, words: list[str]) -> dict[str, int]:
    """Terms that may be similar to one of the words, and how often they occur: one statement for all of them."""
    first = Q()
    for letter in sorted({letter for word in words for letter in word[:2]}):
        first |= Q(term__startswith=letter)
    sizes = min(len(word) - _allowed(word) for word in words), max(len(word) + _allowed(word) for word in words)
    rows = (
        _terms(table)
        .filter(first)
        .annotate(length=Length("term"))
        .filter(length__range=sizes)
        .values_list("term", "count")
    )
    counts: dict[str, int] = {}
    for term, count in rows[:SCANNED].iterator(chunk_size=10_000):
        counts[term] = counts.get(term, 0) + count
    return counts


def _terms(table: Table):
    return Posting.objects.filter(segment__in=[part.pk for part in table.parts])
