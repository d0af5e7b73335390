"""The roots that documents came from, as commits record them.

A root is known by fingerprints of its place: a folder's own, or for a file those of its folder and its name. Files
of one folder share a record, as people name them by the hundred.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model import Commit
from .records import deflate_json

MOST_IN_A_COMMIT = 600  # compressed bytes of the roots in an end page, which holds other facts too
SHARE = 32  # file names in a record

Record = dict[str, Any]


@dataclass(frozen=True)
class Root:
    """`name` is the first part of its documents' paths (for a file, the whole path)."""

    name: str
    kind: str  # folder, file
    places: tuple[str, ...]


def places_of(path: Path, memory: Path | None) -> tuple[str, ...]:
    """Absolute and as seen from the memory's folder; fingerprints only, so that a memory that is handed on does
    not say where its owner's folders are."""
    absolute = os.path.realpath(path)
    if os.path.isdir(absolute):
        return _fingerprints(absolute, memory)
    folder, name = os.path.split(absolute)
    ending = os.fsencode(name).decode("utf-8", "backslashreplace")
    return tuple(f"{place}/{ending}" for place in _fingerprints(folder, memory))


def _fingerprints(absolute: str, memory: Path | None) -> tuple[str, ...]:
    if memory is None:
        return (fingerprint(absolute),)
    relative = os.path.relpath(absolute, os.path.realpath(memory.parent))
    return fingerprint(absolute), fingerprint("./" + relative)


def fingerprint(place: str) -> str:
    return hashlib.sha256(os.fsencode(place)).hexdigest()[:16]


def recorded_roots(commits: Iterable[Commit]) -> list[Root]:
    return [root for commit in commits for record in commit.metadata.get("roots", ()) for root in _expand(record)]


def _expand(record: Record) -> Iterator[Root]:
    places = record["places"]
    if record["kind"] != "files":
        yield Root(record["name"], record["kind"], tuple(places))
        return
    for name, ending in record["names"].items():
        yield Root(name, "file", tuple(f"{place}/{ending or name}" for place in places))


def root_records(roots: Iterable[Root]) -> list[Record]:
    """As commits store them; the last root of a name counts."""
    last = {root.name: root for root in roots}
    folders: list[Record] = []
    files: dict[tuple[str, ...], dict[str, str]] = {}
    for root in last.values():
        if root.kind == "file":
            parts = [place.partition("/") for place in root.places]
            ending = parts[0][2]
            shared = files.setdefault(tuple(folder for folder, _, _ in parts), {})
            shared[root.name] = "" if ending == root.name else ending
        else:
            folders.append({"name": root.name, "kind": root.kind, "places": list(root.places)})
    return folders + [
        {"kind": "files", "places": list(places), "names": dict(names[start : start + SHARE])}
        for places, shared in files.items()
        for names in [sorted(shared.items())]
        for start in range(0, len(names), SHARE)
    ]


def in_commits(records: list[Record]) -> list[list[Record]]:
    """The records in portions that each fit an end page."""
    portions: list[list[Record]] = [[]]
    for record in records:
        if portions[-1] and len(deflate_json([*portions[-1], record])) > MOST_IN_A_COMMIT:
            portions.append([])
        portions[-1].append(record)
    return portions
