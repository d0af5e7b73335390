"""What processes tell each other of live documents. A message is only a hint: whoever misses one reads the log.

`tell` is for synchronous code; sockets publish through their hub.
"""

from typing import Any
from uuid import UUID

from ..events import send

MOST_CARRIED = 8 << 10  # bytes of updates that a hint carries along; others read longer ones from the log


def live_group(live: UUID) -> str:
    return f"live.{live}"


def appended(live: UUID, generation: int, first: int, updates: list[bytes]) -> dict[str, Any]:
    carried = updates if sum(map(len, updates)) <= MOST_CARRIED else []
    return {
        "type": "live.appended", "live": str(live), "generation": generation, "first": first,
        "last": first + len(updates) - 1, "updates": carried,
    }  # fmt: skip


def presence(live: UUID, states: dict[int, bytes], asks: bool = False) -> dict[str, Any]:
    """`states` by client, each an awareness update; `asks` for those of the other processes."""
    return {"type": "live.presence", "live": str(live), "states": list(states.items()), "asks": asks}


def look_again(live: UUID) -> None:
    """The document's row has changed: more updates, a projection, another generation, or it is gone."""
    send(live_group(live), {"type": "live.changed", "live": str(live)})
