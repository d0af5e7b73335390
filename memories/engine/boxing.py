"""The directory box: which segment it holds, and what it says of the others."""

from typing import Any

from .container import DIRECTORY, make_box
from .directory import Directory, Segment, add_segment, merge_segments


def directory_box(segments: list[Segment], head: dict[str, Any], newest: Segment) -> bytes:
    references = [segment.reference() for segment in segments]
    return make_box(DIRECTORY, {"head": head, "segments": references}, newest.blobs())


def restored_box(directory: Directory, position: int, index: int | None) -> bytes:
    """A box at `position` for the segments that none holds: their commits were adopted from the pages."""
    boxed = _boxed(directory.segments)
    merged = _united(directory.segments[boxed:])
    merged.box = position
    head = directory.head | ({} if index is None else {"index": index})
    return directory_box([*directory.segments[:boxed], merged], head, merged)


def settle(segments: list[Segment], new: Segment) -> tuple[list[Segment], Segment]:
    """Adds a segment; those that no box holds (a lost box, an adopted tail) are merged into it."""
    boxed = _boxed(segments)
    if boxed == len(segments):
        return add_segment(segments, new)
    merged = _united([*segments[boxed:], new])
    return [*segments[:boxed], merged], merged


def _boxed(segments: list[Segment]) -> int:
    """How many segments, from the first, lie in boxes."""
    return next((i for i, segment in enumerate(segments) if segment.box < 0), len(segments))


def _united(segments: list[Segment]) -> Segment:
    merged = merge_segments(segments)
    merged.level = max(0, (merged.last_commit - merged.first_commit + 1).bit_length() // 3)
    return merged
