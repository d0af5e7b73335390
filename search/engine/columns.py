"""Columns of integers as compressed bytes: LEB128 varints by numpy, without a loop over values, then zstd."""

import numpy as np
import zstandard

# What a compressed part may inflate to: an index box comes from a file that anybody may have made.
LIMIT = 1 << 28
LONGEST = 10  # bytes of an integer


def deflate(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=9).compress(data)


def inflate(data: bytes, limit: int = LIMIT) -> bytes:
    """The inverse of `deflate`. ValueError on anything else, or on more than `limit` bytes."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= limit:
            raise ValueError("a compressed part of an index is larger than it may be")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed part of an index is damaged ({error})") from error


def pack(values: np.ndarray) -> bytes:
    """Non-negative integers, compressed."""
    return deflate(encode(values).tobytes())


def unpack(data: bytes, most: int = LIMIT // LONGEST) -> np.ndarray:
    """At most `most` integers; ValueError on more."""
    return decode(inflate(data, LONGEST * most))


def pack_deltas(values: np.ndarray) -> bytes:
    """Integers of any sign, as the zigzagged differences from one to the next, compressed."""
    steps = np.diff(np.asarray(values, np.int64), prepend=0)
    return pack(((steps << 1) ^ (steps >> 63)).view(np.uint64))


def unpack_deltas(data: bytes, most: int = LIMIT // LONGEST) -> np.ndarray:
    steps = unpack(data, most).view(np.uint64)
    return np.cumsum((steps >> np.uint64(1)).astype(np.int64) ^ -(steps & np.uint64(1)).astype(np.int64))


def encode(values: np.ndarray) -> np.ndarray:
    """Non-negative integers -> uint8 bytes, seven bits a byte, the last byte of each below 128."""
    return encode_sized(values)[0]


def encode_sized(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `encode`, with the number of bytes that each value took."""
    values = np.asarray(values).astype(np.uint64)
    sizes = np.ones(len(values), np.int64)
    while (longer := values >> (7 * sizes).astype(np.uint64) > 0).any():
        sizes += longer
        if sizes.max() == 10:
            break
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    for byte in range(int(sizes.max(initial=0))):
        held = sizes > byte
        bits = (values[held] >> np.uint64(7 * byte)) & np.uint64(127)
        more = (sizes[held] > byte + 1).astype(np.uint64) << np.uint64(7)
        out[ends[held] - sizes[held] + byte] = bits | more
    return out, sizes


def decode(data: np.ndarray | bytes) -> np.ndarray:
    """The inverse of `encode`: int64 values. ValueError when the bytes stop inside a value."""
    data = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(data < 128)
    if not len(data):
        return np.zeros(0, np.int64)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ValueError("a column of integers is cut short")
    starts = np.concatenate(([0], ends[:-1] + 1))
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    if place.max() > 9:
        raise ValueError("an integer of more than ten bytes")
    return np.add.reduceat((data & 127).astype(np.int64) << (7 * place), starts)
