"""Commit-end pages: what closes a commit and chains it to the one before (SHA-256, FIPS 180-4)."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from .model import Commit
from .pages import Kind, Page
from .records import inflate_json
from .shapes import check_facts

GENESIS = bytes(32)


class Chain:
    """SHA-256 over the hash of the commit before and the packed pages of this one, parity and end left out."""

    def __init__(self, previous: bytes):
        self._hash = sha256(previous)

    def add(self, page: Page, packed: bytes | None = None) -> None:
        if page.kind not in (Kind.PARITY, Kind.COMMIT_END):
            self._hash.update(packed or page.pack())

    def value(self) -> str:
        return self._hash.hexdigest()


def read_end(page: Page) -> dict[str, Any]:
    """The facts of a commit from its end page, with its hash; raises Damaged when one is missing."""
    info = check_facts(inflate_json(page.payload))
    return {**info, "hash": sha256(page.pack()).hexdigest()}


def as_commit(info: dict[str, Any]) -> Commit:
    return Commit(
        number=info["number"],
        time=datetime.fromtimestamp(info["time"] / 1000, UTC),
        author=info["author"],
        message=info["message"],
        put=info["put"],
        deleted=info["deleted"],
        frames=info["frames"],
        first_frame=info["first_frame"],
        request_id=info["request"],
        hash=bytes.fromhex(info["hash"]),
        metadata=info["metadata"],
    )
