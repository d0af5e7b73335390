"""Finding and checking the directory and index boxes of a file."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .container import DIRECTORY, INDEX, Box, UserBox, View, last_box, read_box
from .directory import SCHEMAS, Directory, Segment
from .errors import Damaged
from .shapes import check_facts
from .walk import ends_with_trailer

# A row takes some 31 bytes inflated and no less than 4 in its page, and the page is in the file too.
MOST_INFLATION = 16
ROOM = 1 << 20
Heal = Callable[[Segment], Segment] | None  # see Segment.heal
_WIDTHS = {name: sum(np.dtype(kind).itemsize for kind in schema.values()) for name, schema in SCHEMAS.items()}


def directory_at_end(view: View, heal: Heal) -> tuple[Directory, int | None] | None:
    """(directory, place of the newest index box), or None unless the file ends with readable boxes of ours."""
    box = last_box(view)
    if box is None:
        return None
    newest_index = box.offset if box.user_type == INDEX else None
    try:
        if box.user_type == INDEX:
            box = read_box(view, int(box.header["directory"]))
        directory = parse_directory(view, box, heal)
    except (Damaged, KeyError, TypeError, ValueError, OverflowError):
        return None
    return directory, directory.head["index"] if newest_index is None else newest_index


def directory_at(view: View, offset: int, heal: Heal) -> Directory | None:
    try:
        return parse_directory(view, read_box(view, offset), heal)
    except Damaged:
        return None


def parse_directory(view: View, box: UserBox, heal: Heal = None) -> Directory:
    """Raises Damaged unless its segments cover the file's pages and commits from the first without a gap."""
    try:
        if box.user_type != DIRECTORY:
            raise ValueError("no directory")
        segments = [_segment(view, reference, box, heal) for reference in box.header["segments"]]
        head = _head(box.header["head"], view)
        page, commit = 0, 1
        for segment in segments:
            if (segment.first_page, segment.first_commit) != (page, commit) or segment.last_commit < commit:
                raise ValueError("a gap")
            page, commit = segment.last_page + 1, segment.last_commit + 1
        if head["number"] != commit - 1 or segments[-1].box != box.offset:
            raise ValueError("another head")
        return Directory(segments, head)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError) as error:
        raise Damaged(f"the directory at byte {box.offset} makes no sense ({error})") from None


def _segment(view: View, reference: dict[str, Any], newest: UserBox, heal: Heal) -> Segment:
    offset = int(reference["box"])
    first, last = (int(number) for number in reference["commits"])
    rows = {name: int(reference["rows"][name]) for name in SCHEMAS}
    most = MOST_INFLATION * view.length + ROOM
    if min(rows.values()) < 0 or rows["pages"] < 1 or sum(_WIDTHS[name] * rows[name] for name in SCHEMAS) > most:
        raise ValueError("an absurd number of rows")

    def load(name: str) -> bytes:
        box = newest if offset == newest.offset else read_box(view, offset)
        return box.load(name)

    return Segment(
        first, last, int(reference["first_page"]), rows, load, int(reference["level"]), offset,
        most_inflated=most, heal=heal,
    )  # fmt: skip


def _head(head: dict[str, Any], view: View) -> dict[str, Any]:
    """What the directory says of the head, beyond the facts of its end page in sane shapes too."""
    bytes.fromhex(head["hash"])
    dictionaries = [[int(first), int(parts)] for first, parts in head.get("dictionaries", [])]
    index = head.get("index")
    return {
        **check_facts(head),
        "dictionaries": dictionaries,
        "sequence": int(head.get("sequence", 0)) & 0xFFFFFFFF,
        "index": index if isinstance(index, int) and 0 <= index < view.length else None,
    }


def index_at(view: View, offset: int) -> UserBox | None:
    try:
        box = read_box(view, offset)
        return box if box.user_type == INDEX else None
    except Damaged:
        return None


def acknowledged_end(view: View, boxes: Iterable[Box]) -> int:
    """A commit before this byte was finished: a box of ours, readable or not, was written behind it."""
    if ends_with_trailer(view):
        return view.length
    return max((box.offset + box.size for box in boxes if is_ours(view, box)), default=0)


def is_ours(view: View, box: Box) -> bool:
    return box.kind == b"uuid" and (not box.sound or view.read(box.offset + 8, 16) in (DIRECTORY, INDEX))
