"""How the site and its embedder talk over a Unix socket.

Both ways a message is the length of its header (uint32, little-endian), then the header, a JSON object in UTF-8.
A connection carries any number of requests, one after another.

    request   {"do": "health"}
              {"do": "embed", "kind": "query" | "document", "texts": [...], "within": seconds}
              {"do": "rerank", "query": ..., "texts": [...], "within": seconds}
    answer    {"state": "loading" | "ready" | "failed", "model": ..., "dimension": ..., "reason": ..., "waiting": ...,
               "rerank": {"model": ..., "reason": ...}}; "rerank" where a model is set, "reason" why it is not there
              {"model": ..., "rows": n, "dimension": d}, followed by n * d float32, little-endian, row by row;
              "rerank" has one column, higher for a text that answers the query better
              {"error": "loading" | "failed" | "busy" | "late" | "bad" | "stopping", "reason": one line}

`within` is how long the one who asks will wait: what is older when its turn comes is not embedded any more.
After a "bad" request the connection is closed, as nobody knows where the next one would begin.
"""

import json
import struct
from typing import Any

LENGTH = struct.Struct("<I")
MOST_HEADER = 2 << 20
MOST_TEXTS = 32  # of one request
MOST_CHARACTERS = 8_192  # of one text: models read no further than some hundred words
LONGEST_WAIT = 600.0


class BadMessage(Exception):
    """Its text is one line for the one who sent it."""


def pack(header: dict[str, Any]) -> bytes:
    data = json.dumps(header, ensure_ascii=False).encode("utf-8", "replace")
    if len(data) > MOST_HEADER:
        raise BadMessage(f"a message of {len(data)} bytes; the most is {MOST_HEADER}")
    return LENGTH.pack(len(data)) + data


def header_size(data: bytes) -> int:
    (size,) = LENGTH.unpack(data)
    if not 2 <= size <= MOST_HEADER:
        raise BadMessage(f"a header of {size} bytes; it must have 2 to {MOST_HEADER}")
    return size


def unpack(data: bytes) -> dict[str, Any]:
    try:
        header = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"the header is no JSON: {type(error).__name__}") from None
    if not isinstance(header, dict):
        raise BadMessage("the header is no JSON object")
    return header


def query_of(header: dict[str, Any]) -> str:
    return texts_of({"texts": [header.get("query")]})[0]


def texts_of(header: dict[str, Any]) -> list[str]:
    texts = header.get("texts")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_TEXTS:
        raise BadMessage(f"texts must be a list of 1 to {MOST_TEXTS} texts")
    if not all(isinstance(text, str) and len(text) <= MOST_CHARACTERS for text in texts):
        raise BadMessage(f"a text must be a string of at most {MOST_CHARACTERS} characters")
    return [text.encode("utf-8", "replace").decode() for text in texts]  # JSON can spell half a character


def wait_of(header: dict[str, Any]) -> float:
    within = header.get("within", LONGEST_WAIT)
    if isinstance(within, bool) or not isinstance(within, int | float) or not 0 < within <= LONGEST_WAIT:
        raise BadMessage(f"within must be a number of seconds up to {LONGEST_WAIT:.0f}")
    return float(within)
