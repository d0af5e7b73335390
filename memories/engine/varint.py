"""LEB128 integers, the only number coding inside a page's payload."""

from collections.abc import Iterable

from .errors import Damaged


def put(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_all(out: bytearray, values: Iterable[int]) -> None:
    for value in values:
        put(out, value)


def get(data: bytes, at: int) -> tuple[int, int]:
    """Returns (value, position after it); at most ten bytes, as in 64-bit LEB128."""
    value = shift = 0
    while shift < 70 and at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    raise Damaged("a number inside a page is cut off")


def get_all(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    values = []
    for _ in range(count):
        value, at = get(data, at)
        values.append(value)
    return values, at


def zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def unzigzag(value: int) -> int:
    return value >> 1 if value & 1 == 0 else -(value + 1 >> 1)
