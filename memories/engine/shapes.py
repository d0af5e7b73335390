"""What a commit's facts and a document's record must look like before anything relies on them."""

from functools import lru_cache
from typing import Any

from .errors import Damaged

FACTS = {
    "number": int, "time": int, "author": str, "message": str, "request": str, "put": int, "deleted": int,
    "frames": int, "first_frame": int, "chain": str, "documents": int, "chunks": int, "text_bytes": int,
    "next_document": int, "metadata": dict,
}  # fmt: skip
RECORD = {
    "number": int, "path": str, "type": str, "size": int, "digest": str, "tags": list, "meta": dict,
    "overlap": int, "split": str,
}  # fmt: skip
ORIGINAL = {"commit": int, "at": int, "parts": int, "size": int, "packed": int}
LARGEST = 1 << 62
LAST_MOMENT = 253_402_300_799_000  # ms; the end of the year 9999


def check_facts(info: dict[str, Any]) -> dict[str, Any]:
    """The facts of a commit; raises Damaged when one is missing or absurd."""
    number = info.get("number")
    _check(info, FACTS, f"commit {number if isinstance(number, int) else '?'}")
    if info["time"] > LAST_MOMENT:
        raise Damaged(f"commit {number}: its time lies after the year 9999")
    return info


def check_record(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a document; raises Damaged when it could not be used."""
    name = f"the record of document {record.get('path', '?')!r:.80}"
    _check(record, RECORD, name)
    if record["number"] >= 1 << 32:
        raise Damaged(f"{name} makes no sense: number")
    if not all(isinstance(tag, str) for tag in record["tags"]):
        raise Damaged(f"{name} makes no sense: tags")
    if not _is_digest(record["digest"]):
        raise Damaged(f"{name} makes no sense: digest")
    encoding = record.get("encoding", 0)
    if encoding is not None and not (isinstance(encoding, str) and _is_encoding(encoding)):
        raise Damaged(f"{name} makes no sense: encoding")
    if "original" in record:
        if not isinstance(record["original"], dict):
            raise Damaged(f"{name} makes no sense: original")
        _check(record["original"], ORIGINAL, name)
    return record


def _check(values: dict[str, Any], types: dict[str, type], name: str) -> None:
    for key, kind in types.items():
        value = values.get(key)
        if not isinstance(value, kind) or (kind is int and not 0 <= value <= LARGEST):
            raise Damaged(f"{name} makes no sense: {key}")


def _is_digest(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 32
    except ValueError:
        return False


@lru_cache(64)
def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
        return True
    except (LookupError, ValueError):
        return False
