"""A changed text laid into its old chunks: each border stays where it is among the words, whoever set it."""

from collections.abc import Callable, Iterable, Iterator

from rapidfuzz.distance import Postfix, Prefix

from .align import Change, OldChunk, OrderExhausted, between
from .model import ORDER_STEP, Draft, Metadata
from .textdiff import ADDED, REMOVED, SAME, Piece, TextDiff

Cut = Callable[[str], Iterable[str]]


def reflow(old: list[OldChunk], text: str, cut: Cut, max_chunk: int) -> list[Change]:
    """The chunk operations that turn the old chunks into `text`.

    A chunk whose words are all gone is deleted. One that grew beyond `max_chunk`, and beyond twice of what it was if
    it was longer, is cut by `cut`. What is added at a border belongs to the chunk before it.
    """
    if not old:
        return [Change((place + 1) * ORDER_STEP, piece, {}) for place, piece in enumerate(cut(text)) if piece]
    parts = list(_laid(old, text))
    try:
        return [change for place, part in enumerate(parts) for change in _changes(old, place, part, cut, max_chunk)]
    except OrderExhausted:
        return _afresh(old, parts, cut, max_chunk)


def _laid(old: list[OldChunk], text: str) -> Iterator[str]:
    """The new text of each chunk."""
    borders, at = [], 0
    for chunk in old[:-1]:
        at += len(chunk.text)
        borders.append(at)
    start = 0
    for end in [*_moved(borders, pieces("".join(chunk.text for chunk in old), text)), len(text)]:
        yield text[start:end]
        start = end


def _moved(borders: list[int], found: Iterable[Piece]) -> list[int]:
    """Where positions of the old text are in the new one.

    At the end of what was replaced: behind the new words; at its beginning: before them; within: the nearer of these.
    """
    moved: list[int] = []
    before = after = 0
    steps = [piece for piece in found if piece.text]
    for piece, following in zip(steps, [*steps[1:], None], strict=True):
        length, same = len(piece.text), piece.kind == SAME
        added = len(following.text) if following is not None and following.kind == ADDED else 0
        while piece.kind != ADDED and len(moved) < len(borders) and borders[len(moved)] <= before + length:
            inside = borders[len(moved)] - before
            if same:
                moved.append(after + inside + (added if inside == length else 0))
            else:
                moved.append(after + (added if inside * 2 >= length else 0))
        before += length if piece.kind != ADDED else 0
        after += length if piece.kind != REMOVED else 0
    return moved + [after] * (len(borders) - len(moved))


def pieces(old: str, new: str) -> Iterator[Piece]:
    """Both texts in order, by words and, within one that was replaced, by the letters at its ends.

    What was removed stands before what was added in its place.
    """
    found, done = TextDiff(old, new), 0
    for index, span in enumerate(found.changes):
        yield Piece(SAME, "".join(found.old[done : span.old_from]))
        yield from _trimmed(found.passage(index).pieces)
        done = span.old_to
    yield Piece(SAME, "".join(found.old[done:]))


def _trimmed(steps: list[Piece]) -> Iterator[Piece]:
    removed = ""
    for piece in [*steps, Piece(SAME, "")]:
        if piece.kind == REMOVED:
            removed += piece.text
            continue
        added = piece.text if piece.kind == ADDED else ""
        yield from _replaced(removed, added)
        removed = ""
        if piece.kind == SAME:
            yield piece


def _replaced(removed: str, added: str) -> Iterator[Piece]:
    start = Prefix.similarity(removed, added)
    end = Postfix.similarity(removed[start:], added[start:])
    yield Piece(SAME, removed[:start])
    yield Piece(REMOVED, removed[start : len(removed) - end])
    yield Piece(ADDED, added[start : len(added) - end])
    yield Piece(SAME, removed[len(removed) - end :])


def _changes(old: list[OldChunk], place: int, part: str, cut: Cut, max_chunk: int) -> list[Change]:
    chunk = old[place]
    if part == chunk.text:
        return []
    first, *more = _cut(chunk, part, cut, max_chunk) or [None]
    changes = [Change(chunk.order, first)]
    if more:
        after = old[place + 1].order if place + 1 < len(old) else None
        changes += between(chunk.order, after, [Draft(piece, chunk.metadata) for piece in more])
    return changes


def _cut(chunk: OldChunk, part: str, cut: Cut, max_chunk: int) -> list[str]:
    longest = max_chunk if len(chunk.text) <= max_chunk else 2 * len(chunk.text)
    return [piece for piece in (cut(part) if len(part) > longest else [part]) if piece]


def _afresh(old: list[OldChunk], parts: list[str], cut: Cut, max_chunk: int) -> list[Change]:
    """Numbered anew: no order key is left between two of them."""
    fresh: list[tuple[str, Metadata]] = []
    for chunk, part in zip(old, parts, strict=True):
        fresh += [(piece, chunk.metadata) for piece in _cut(chunk, part, cut, max_chunk)]
    changes = [Change((place + 1) * ORDER_STEP, text, metadata) for place, (text, metadata) in enumerate(fresh)]
    taken = {change.order for change in changes}
    return changes + [Change(chunk.order, None) for chunk in old if chunk.order not in taken]
