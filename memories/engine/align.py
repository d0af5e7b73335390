"""Old chunk borders laid over a changed text, so that only what changed is written again."""

from dataclasses import dataclass

from .model import ORDER_STEP, Draft, Metadata

LOOKAHEAD = 1 << 16  # characters in which a moved chunk is looked for
LEAST_ANCHOR = 40  # a shorter chunk is found anywhere, so it anchors nothing
MOST_REFRESHED = 2  # a renamed heading must not write every chunk below it again


@dataclass(frozen=True)
class OldChunk:
    order: int
    text: str
    metadata: Metadata


@dataclass(frozen=True)
class Change:
    """`text` None deletes the chunk at `order`."""

    order: int
    text: str | None
    metadata: Metadata | None = None


def align(old: list[OldChunk], drafts: list[Draft], max_chunk: int, settled: bool = True) -> list[Change]:
    """The fewest chunk operations that turn the old chunks into the text of the drafts.

    Whole old chunks are kept from the front, from the back, and in between wherever they are found
    again in order. What lies between two kept ones is cut at the borders of the drafts, or stays one
    chunk if it is short enough. Chunks of the same text keep their metadata unless the parser, having
    met no errors (`settled`), found other metadata for a few of them.
    """
    text = "".join(draft.text for draft in drafts)
    kept = _kept(old, text)
    changes = _refreshed(old, kept, drafts) if settled else []
    changes = changes if len(changes) <= MOST_REFRESHED else []
    for first, last, start, end in _gaps(old, kept, len(text)):
        pieces = _cut(text, start, end, drafts, max_chunk)
        changes += _replace(old, first, last, pieces)
    return sorted(changes, key=lambda change: change.order)


def _kept(old: list[OldChunk], text: str) -> list[tuple[int, int]]:
    """(index of the old chunk, where it starts in the new text), in order."""
    front, at = [], 0
    for index, chunk in enumerate(old):
        if not text.startswith(chunk.text, at):
            break
        front.append((index, at))
        at += len(chunk.text)
    back, end = [], len(text)
    for index in range(len(old) - 1, len(front) - 1, -1):
        start = end - len(old[index].text)
        if start < at or not text.startswith(old[index].text, start):
            break
        back.append((index, start))
        end = start
    back.reverse()
    middle = _found_again(old, len(front), len(old) - len(back), text, at, end)
    return front + middle + back


def _found_again(old: list[OldChunk], first: int, last: int, text: str, at: int, end: int) -> list[tuple[int, int]]:
    found = []
    for index in range(first, last):
        chunk = old[index].text
        if len(chunk) < LEAST_ANCHOR:
            continue
        start = text.find(chunk, at, min(end, at + LOOKAHEAD + len(chunk)))
        if start >= 0:
            found.append((index, start))
            at = start + len(chunk)
    return found


def _gaps(old: list[OldChunk], kept: list[tuple[int, int]], length: int) -> list[tuple[int, int, int, int]]:
    """(first, last) old indices that are not kept and the [start, end) of the new text in their place."""
    gaps, index, at = [], 0, 0
    for position, start in [*kept, (len(old), length)]:
        if position > index or start > at:
            gaps.append((index, position, at, start))
        if position < len(old):
            index, at = position + 1, start + len(old[position].text)
    return gaps


def _cut(text: str, start: int, end: int, drafts: list[Draft], max_chunk: int) -> list[Draft]:
    if start == end:
        return []
    borders, metadata, at = [], [], 0
    for draft in drafts:
        if at + len(draft.text) > start and at < end:
            borders.append(max(at, start))
            metadata.append(draft.metadata)
        at += len(draft.text)
    if end - start <= max_chunk:
        return [Draft(text[start:end], metadata[0])]
    return _without_slivers(text, [*borders, end], metadata, max_chunk)


def _without_slivers(text: str, borders: list[int], metadata: list[Metadata | None], max_chunk: int) -> list[Draft]:
    """Drafts between the borders; a short one joins its neighbour where both fit into one chunk."""
    pieces: list[tuple[int, int, Metadata | None]] = []
    for start, end, data in zip(borders, borders[1:], metadata, strict=False):
        if (
            pieces
            and min(end - start, pieces[-1][1] - pieces[-1][0]) < max_chunk // 4
            and end - pieces[-1][0] <= max_chunk
        ):
            pieces[-1] = (pieces[-1][0], end, pieces[-1][2])
        else:
            pieces.append((start, end, data))
    return [Draft(text[start:end], data) for start, end, data in pieces]


def _replace(old: list[OldChunk], first: int, last: int, pieces: list[Draft]) -> list[Change]:
    """The pieces take the places of old[first:last]; further ones go between, missing ones are deleted."""
    places = [chunk.order for chunk in old[first:last]]
    changes = [Change(order, piece.text, piece.metadata) for order, piece in zip(places, pieces, strict=False)]
    changes += [Change(order, None) for order in places[len(pieces) :]]
    extra = pieces[len(places) :]
    if extra:
        before = places[-1] if places else (old[first - 1].order if first else 0)
        after = old[last].order if last < len(old) else None
        changes += between(before, after, extra)
    return changes


def between(before: int, after: int | None, pieces: list[Draft]) -> list[Change]:
    step = ORDER_STEP if after is None else (after - before) // (len(pieces) + 1)
    if step < 1:
        raise OrderExhausted
    return [Change(before + (i + 1) * step, piece.text, piece.metadata) for i, piece in enumerate(pieces)]


class OrderExhausted(Exception):
    """No order key is left between two neighbours: the document's chunks must be numbered afresh."""


def _refreshed(old: list[OldChunk], kept: list[tuple[int, int]], drafts: list[Draft]) -> list[Change]:
    """Kept chunks whose every overlapping draft now has other metadata."""
    changes, position, at = [], 0, 0
    for index, start in kept:
        chunk, end = old[index], start + len(old[index].text)
        while position < len(drafts) and at + len(drafts[position].text) <= start:
            at += len(drafts[position].text)
            position += 1
        seen, cursor, scan = [], position, at
        while cursor < len(drafts) and scan < end:
            seen.append(drafts[cursor].metadata or {})
            scan += len(drafts[cursor].text)
            cursor += 1
        if seen and chunk.metadata not in seen:
            changes.append(Change(chunk.order, chunk.text, seen[0]))
    return changes
