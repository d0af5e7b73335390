"""Who is where in a document: awareness as y-protocols encodes it, with what a browser may not say put right.

A state is one client's: {"user": {id, name, colour}, "cursor": {anchor, head}}. The server knows which client a
socket is and whose it is, so both are set here, whatever was sent.
"""

import json
from typing import Any

from pycrdt import write_var_uint

from . import updates
from .updates import MOST_CLIENT, ROOT, Reader

MOST_BYTES = 8 << 10
MOST_CLIENTS = 100
MOST_CLOCK = (1 << 32) - 1
# Dark enough for white words on them, and for a thin cursor on white.
COLOURS = (
    "#b3261e", "#8f4300", "#6b5900", "#2e6b00", "#006b3c", "#006a6a",
    "#00639b", "#3b53c4", "#6a45b8", "#8b3a9e", "#a4326d", "#5c5f66",
)  # fmt: skip


def person(user: Any) -> dict[str, Any]:
    """What others see of somebody."""
    return {"id": user.pk, "name": user.short_name, "colour": COLOURS[user.pk % len(COLOURS)]}


def own_state(update: bytes, client: int, who: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
    """(clock, state or None when it goes) of that client in the update. Raises ValueError when there is none."""
    if len(update) > MOST_BYTES:
        raise ValueError("it is too long")
    for found, clock, state in _states(update):
        if found == client:
            return clock, None if state is None else _corrected(state, who)
    raise ValueError("it is about somebody else")


def _states(update: bytes) -> list[tuple[int, int, Any]]:
    reader = Reader(update)
    try:
        count = reader.number(MOST_CLIENTS)
        return [
            (reader.number(MOST_CLIENT), reader.number(MOST_CLOCK), json.loads(reader.text())) for _ in range(count)
        ]
    except (IndexError, RecursionError) as error:
        raise ValueError("it is cut off or damaged") from error


def _corrected(state: Any, who: dict[str, Any]) -> dict[str, Any]:
    cursor = state.get("cursor") if isinstance(state, dict) else None
    places = [_place(cursor.get(end)) for end in ("anchor", "head")] if isinstance(cursor, dict) else [None]
    return {"user": who, "cursor": dict(zip(("anchor", "head"), places, strict=True)) if all(places) else None}


def _place(found: Any) -> dict[str, Any] | None:
    """A relative position in the text, as Yjs writes it in JSON; None for anything else, which would end the drawing
    of all cursors in every other browser."""
    if not isinstance(found, dict):
        return None
    item, side = found.get("item"), -1 if found.get("assoc") == -1 else 0
    if item is None:
        return {"tname": ROOT, "assoc": side} if found.get("tname") == ROOT else None
    client, clock = (item.get(name) for name in ("client", "clock")) if isinstance(item, dict) else (None, None)
    if not _counts(client, MOST_CLIENT) or not _counts(clock, updates.MOST_CLOCK):
        return None
    return {"item": {"client": client, "clock": clock}, "assoc": side}


def _counts(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def encode(client: int, clock: int, state: dict[str, Any] | None) -> bytes:
    if not 0 <= clock <= MOST_CLOCK:
        raise ValueError("its clock is out of range")
    text = json.dumps(state, separators=(",", ":")).encode()
    return b"".join(map(write_var_uint, (1, client, clock, len(text)))) + text


def clock_of(update: bytes) -> int:
    """Of the first client in it."""
    return _states(update)[0][1]
