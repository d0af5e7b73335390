"""The log of a live document: the only place that updates are written to, and the truth about its text.

1. An update gets the next number under the lock of the document's row, so that numbers have no gap and one order.
2. `append` returns after the commit: what is acknowledged is on disk. The same message again gives its number again.
3. Whoever reads takes snapshot and tail in one statement, which sees one state of the database.

The asynchronous functions are for sockets and go through a pool of their own; each has a twin for jobs and views on
Django's connection, where the caller's transaction decides when it counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection as django
from psycopg.errors import UniqueViolation
from pycrdt import get_state, get_update, merge_updates

from . import pool
from .updates import EMPTY

APPEND = """
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(payloads)s::bytea[], %(authors)s::bigint[]) WITH ORDINALITY
    AS g(message_id, payload, author_id, place)
), known AS (
    SELECT message_id, seq FROM collab_liveupdate WHERE live_id = %(live)s AND message_id = ANY(%(ids)s::uuid[])
), fresh AS (
    SELECT *, row_number() OVER (ORDER BY place) AS nth FROM given
    WHERE message_id NOT IN (SELECT message_id FROM known)
), head AS (
    UPDATE collab_livedocument SET head_seq = head_seq + (SELECT count(*) FROM fresh), updated_at = now()
    WHERE id = %(live)s AND generation = %(generation)s RETURNING head_seq - (SELECT count(*) FROM fresh) AS before
), stored AS (
    INSERT INTO collab_liveupdate (live_id, seq, message_id, payload, author_id, created_at)
    SELECT %(live)s, head.before + nth, message_id, payload, author_id, now() FROM fresh, head
    RETURNING message_id, seq
)
SELECT message_id, seq, true FROM stored
UNION ALL SELECT message_id, seq, false FROM known, head
"""
STATE = """
SELECT d.generation, d.head_seq, d.projected_seq, d.projected_commit, d.projected_at, d.snapshot,
    (SELECT array_agg(u.payload ORDER BY u.seq) FROM collab_liveupdate AS u
     WHERE u.live_id = d.id AND u.seq > d.snapshot_seq)
FROM collab_livedocument AS d
WHERE d.id = %(live)s AND d.generation = coalesce(%(generation)s::bigint, d.generation)
"""
SINCE = """
SELECT d.head_seq, d.projected_seq, d.projected_commit, d.projected_at,
    d.snapshot_seq > %(seq)s AND oldest.seq IS DISTINCT FROM %(seq)s + 1,
    (SELECT array_agg(u.payload ORDER BY u.seq) FROM collab_liveupdate AS u WHERE u.live_id = d.id AND u.seq > %(seq)s)
FROM collab_livedocument AS d
LEFT JOIN collab_liveupdate AS oldest ON oldest.live_id = d.id AND oldest.seq = %(seq)s + 1
WHERE d.id = %(live)s AND d.generation = %(generation)s
"""


class Gone(Exception):
    """The document is no longer there, or its text began anew: another generation."""


class Entry(NamedTuple):
    message: UUID
    update: bytes
    author: int | None


class Stored(NamedTuple):
    seq: int
    new: bool  # False: it was in the log before


@dataclass(frozen=True)
class State:
    generation: int
    head: int
    projected: "Projected"
    update: bytes  # everything up to the head, as one

    def missing(self, vector: bytes | None) -> bytes:
        """What somebody with that state vector lacks. Raises ValueError when it is none."""
        return get_update(self.update, vector) if vector else self.update

    @property
    def vector(self) -> bytes:
        return get_state(self.update)


class Projected(NamedTuple):
    """How much of the log stands in the video."""

    seq: int
    commit: int
    time: datetime | None

    def shown(self) -> dict[str, Any]:
        return {"seq": self.seq, "commit": self.commit, "time": self.time.isoformat() if self.time else None}


class Tail(NamedTuple):
    head: int
    update: bytes
    projected: Projected


async def append(live: UUID, generation: int, entries: Sequence[Entry]) -> dict[UUID, Stored]:
    """Raises Gone. The entries must have been checked; two of one message count once."""
    values = _values(live, generation, entries)
    async with pool.connection() as database:
        try:
            rows = await (await database.execute(APPEND, values, binary=True)).fetchall()
        except UniqueViolation:  # the same message came by another way at the same moment
            rows = await (await database.execute(APPEND, values, binary=True)).fetchall()
    return _stored(rows, entries)


def append_now(live: UUID, generation: int, entries: Sequence[Entry]) -> dict[UUID, Stored]:
    """The twin: counts when the caller's transaction does. Raises Gone."""
    with django.cursor() as cursor:
        cursor.execute(APPEND, _values(live, generation, entries))
        return _stored(cursor.fetchall(), entries)


def _values(live: UUID, generation: int, entries: Sequence[Entry]) -> dict[str, Any]:
    once = list({entry.message: entry for entry in entries}.values())
    return {
        "live": live, "generation": generation, "ids": [entry.message for entry in once],
        "payloads": [entry.update for entry in once], "authors": [entry.author for entry in once],
    }  # fmt: skip


def _stored(rows: list[Any], entries: Sequence[Entry]) -> dict[UUID, Stored]:
    found = {message: Stored(seq, new) for message, seq, new in rows}
    if entries and not found:
        raise Gone
    return found


async def state(live: UUID, generation: int) -> State:
    """Raises Gone."""
    values = {"live": live, "generation": generation}
    async with pool.connection() as database:
        return _state(await (await database.execute(STATE, values, binary=True)).fetchone())


def state_now(live: UUID) -> State:
    """Of the generation that it has now."""
    with django.cursor() as cursor:
        cursor.execute(STATE, {"live": live, "generation": None})
        return _state(cursor.fetchone())


def _state(row: Any) -> State:
    if row is None:
        raise Gone
    generation, head, *projected, snapshot, tail = row
    return State(generation, head, Projected(*projected), merged([snapshot, *(tail or ())]))


async def since(live: UUID, generation: int, seq: int) -> "Tail":
    """The updates after `seq` as one. Raises Gone.

    Where compaction has put some of them into the snapshot, the whole state: applying it twice does no harm.
    """
    values = {"live": live, "generation": generation, "seq": seq}
    async with pool.connection() as database:
        row = await (await database.execute(SINCE, values, binary=True)).fetchone()
    if row is None:
        raise Gone
    head, *projected, compacted, tail = row
    if compacted:
        whole = await state(live, generation)
        return Tail(whole.head, whole.update, whole.projected)
    return Tail(head, merged(tail or ()), Projected(*projected))


def merged(updates: Sequence[bytes]) -> bytes:
    """As one update. No document is built, so that what waits for an update before it is kept."""
    parts = [bytes(update) for update in updates if update != EMPTY]
    return merge_updates(*parts) if len(parts) > 1 else parts[0] if parts else EMPTY
