"""BM25 over chunks: an inverted index in segments, each built once and only masked afterwards.

A segment's postings are varints, per term: for each chunk the gap to the one before and whether the term occurs
more than once there, then the counts of those. Postings are compressed in blocks, so that a query inflates only
the blocks that hold its terms. Document frequencies, lengths and N are summed over the living chunks of all
segments at query time, so segments and deletions score exactly as one fresh index would.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from memories.engine.errors import Damaged
from search.engine import columns, tokens
from search.engine.counting import Counted, count

K1 = 1.5
B = 0.75

# Postings are compressed this many bytes at a time: a smaller block costs size, a larger one query time.
BLOCK = 1 << 15

# What the terms of a segment may inflate to: a language has less, and sorted words shrink to a fifth or so.
LEAST_TERMS, MOST_TERMS, TERMS_RATIO = 1 << 16, 1 << 25, 32

REMEDY = "write the memory anew with `memvid vacuum`, then index it"

Sections = dict[str, bytes]
SECTIONS = ("lengths", "terms", "counts", "sizes", "blocks", "postings")


class Segment:
    """The postings of some chunks, which are numbered from 0 in the order they were given."""

    def __init__(self, sections: Mapping[str, bytes], chunks: int):
        self._sections = {name: sections[name] for name in SECTIONS}
        self.lengths = columns.unpack(sections["lengths"], chunks)  # terms in each chunk
        self._inflated: tuple[int, bytes] = (-1, b"")

    def __len__(self) -> int:
        return len(self.lengths)

    def sections(self) -> Sections:
        return dict(self._sections)

    @cached_property
    def terms(self) -> list[bytes]:
        """Sorted by UTF-8 bytes."""
        packed = self._sections["terms"]
        blob = columns.inflate(packed, min(MOST_TERMS, LEAST_TERMS + TERMS_RATIO * len(packed)))
        return blob.split(b"\n") if blob else []

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each term: in how many chunks it occurs, where its postings begin and end."""
        counts, sizes = (columns.unpack(self._sections[name], len(self.terms)) for name in ("counts", "sizes"))
        ends = np.cumsum(sizes)
        return counts, ends - sizes, ends

    def postings(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """The chunks that hold a term, ascending, and how often each does."""
        try:
            rows, times = self._decode(term.encode())
        except (ValueError, IndexError) as error:
            raise Damaged(f"The keyword index does not verify ({error}): {REMEDY}.") from error
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise Damaged(f"The keyword index names chunks that it does not have: {REMEDY}.")
        return rows, times

    def _decode(self, term: bytes) -> tuple[np.ndarray, np.ndarray]:
        place = bisect_left(self.terms, term)
        if place == len(self.terms) or self.terms[place] != term:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        counts, starts, ends = self._table
        values = columns.decode(self._bytes(int(starts[place]), int(ends[place])))
        gaps, rest = values[: counts[place]], values[counts[place] :]
        times = np.ones(len(gaps), np.int64)
        times[gaps & 1 == 1] = rest + 2
        return np.cumsum((gaps >> 1) + 1) - 1, times

    def _bytes(self, start: int, end: int) -> bytes:
        first, last = start // BLOCK, (end - 1) // BLOCK
        data = b"".join(self._block(number) for number in range(first, last + 1))
        return data[start - first * BLOCK : end - first * BLOCK]

    def _block(self, number: int) -> bytes:
        held, data = self._inflated
        if held != number:
            ends = self._block_ends
            data = columns.inflate(self._sections["postings"][ends[number] : ends[number + 1]], BLOCK)
            self._inflated = (number, data)
        return data

    @cached_property
    def _block_ends(self) -> np.ndarray:
        most = len(self._sections["postings"])  # a block takes more than a byte
        return np.concatenate(([0], np.cumsum(columns.unpack(self._sections["blocks"], most))))


def build_segment(texts: Iterable[str]) -> Segment:
    return _assemble(count((text, "") for text in texts))


def _assemble(counted: Counted) -> Segment:
    terms, term, chunk, times = counted.terms, counted.term, counted.chunk, counted.times
    counts = np.bincount(term, minlength=len(terms))
    first = np.diff(term, prepend=-1) > 0
    gaps = np.where(first, chunk, np.diff(chunk, prepend=0) - 1)
    repeated = times > 1
    # Within a term all gaps come first, then the counts above 1: a stable sort by (term, which of the two).
    values = np.concatenate([gaps << 1 | repeated, times[repeated] - 2])
    owner = np.concatenate([term << 1, term[repeated] << 1 | 1])
    order = np.argsort(owner, kind="stable")
    data, sizes = columns.encode_sized(values[order])
    blocks = [columns.deflate(data[start : start + BLOCK].tobytes()) for start in range(0, len(data), BLOCK)]
    spans = np.bincount(owner[order] >> 1, weights=sizes, minlength=len(terms)).astype(np.int64)
    return Segment(
        {
            "lengths": columns.pack(counted.lengths),
            "terms": columns.deflate(b"\n".join(terms)),
            "counts": columns.pack(counts),
            "sizes": columns.pack(spans),
            "blocks": columns.pack(np.array([len(block) for block in blocks], np.int64)),
            "postings": b"".join(blocks),
        },
        len(counted.lengths),
    )


class KeywordIndex:
    """Several segments scored as one. `places` says, for each segment, where among `size` living chunks
    its chunks are, -1 for one that was deleted or replaced."""

    def __init__(self, segments: Sequence[Segment], places: Sequence[np.ndarray], size: int):
        self._parts = list(zip(segments, places, strict=True))
        lengths = np.zeros(size, np.float32)
        covered = np.zeros(size, bool)
        for segment, place in self._parts:
            lengths[place[place >= 0]] = segment.lengths[place >= 0]
            covered[place[place >= 0]] = True
        self.size = size
        self._count = int(covered.sum())
        mean = lengths.sum() / self._count if lengths.any() else 1.0
        self._norm = K1 * (1 - B + B * lengths / mean)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "KeywordIndex":
        segment = build_segment(texts)
        return cls([segment], [np.arange(len(segment))], len(segment))

    def scores(self, query: str) -> np.ndarray:
        """BM25 of every living chunk, float32; 0 where no term of the query occurs."""
        scores = np.zeros(self.size, np.float32)
        for term, weight in Counter(tokens.terms(query)).items():
            places, times = self._postings(term)
            rarity = np.log1p((self._count - len(places) + 0.5) / (len(places) + 0.5))
            scores[places] += weight * rarity * times * (K1 + 1) / (times + self._norm[places])
        return scores

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """The best k (place, score), the earlier chunk first among equals."""
        scores = self.scores(query)
        return [(place, float(scores[place])) for place in best(scores, k) if scores[place] > 0]

    def _postings(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        found = []
        for segment, place in self._parts:
            rows, times = segment.postings(term)
            alive = place[rows] >= 0
            found.append((place[rows[alive]], times[alive]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([places for places, _ in found]), np.concatenate([times for _, times in found])


def best(scores: np.ndarray, k: int) -> list[int]:
    """Indexes of the k highest scores, in order; equal scores keep the order of their indexes."""
    if k == 0:
        return []
    if k >= len(scores):
        return np.argsort(-scores, kind="stable").tolist()
    floor = np.partition(scores, len(scores) - k)[len(scores) - k]
    among = np.flatnonzero(scores >= floor)
    return among[np.argsort(-scores[among], kind="stable")][:k].tolist()
