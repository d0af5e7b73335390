"""Frames of the socket: JSON, bytes in base64, and long ones in parts. Daphne ends a socket at a message of 1 MB."""

import json
from base64 import b64decode, b64encode
from binascii import Error
from typing import Any

PART = 200_000  # characters of base64 in a frame
MOST = 8 << 20  # characters of base64 in a message of several parts


def frames(header: dict[str, Any], data: bytes) -> list[str]:
    """The header with the bytes as its "update"; or, where they are long, with how many parts follow."""
    text = b64encode(data).decode()
    if len(text) <= PART:
        return [json.dumps({**header, "update": text})]
    pieces = [text[start : start + PART] for start in range(0, len(text), PART)]
    parts = [{"type": "part", "index": i, "of": len(pieces), "data": piece} for i, piece in enumerate(pieces)]
    return [json.dumps(frame) for frame in ({**header, "parts": len(pieces)}, *parts)]


def bytes_of(text: Any) -> bytes:
    """Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("its bytes are missing")
    try:
        return b64decode(text, validate=True)
    except Error:
        raise ValueError("its bytes are not base64") from None


class Parts:
    """The parts of one message, which come in order; those of the next one begin when it is whole."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._pieces: list[str] = []
        self._size = 0

    def add(self, frame: dict[str, Any]) -> bytes | None:
        """The message's bytes with its last part. Raises ValueError, and begins anew."""
        try:
            return self._add(frame)
        except ValueError:
            self.__init__()
            raise

    def _add(self, frame: dict[str, Any]) -> bytes | None:
        index, of, data = frame.get("index"), frame.get("of"), frame.get("data")
        if not isinstance(index, int) or not isinstance(of, int) or not isinstance(data, str):
            raise ValueError("a part of it is damaged")
        if index == 0:
            self.__init__()
            self._id = frame["id"]
        if frame["id"] != self._id or index != len(self._pieces) or not index < of:
            raise ValueError("a part of it is missing")
        self._size += len(data)
        if self._size > MOST:
            raise ValueError("it is longer than 8 MB: send it in several updates")
        self._pieces.append(data)
        if len(self._pieces) < of:
            return None
        whole = "".join(self._pieces)
        self.__init__()
        return bytes_of(whole)
