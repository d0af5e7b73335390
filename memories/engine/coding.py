"""Pages as pairs of alphanumeric characters, which a symbol stores in 11 bits each (ISO/IEC 18004:2015 7.4.4).

A pair is a number below 45 * 45 = 2025. The dense coding reads 35 of them as one number in base 2025 and holds
48 bytes in it, 99.9 % of what the characters can carry; Base45 (RFC 9285), in which earlier files are drawn,
holds 97 %. All pages of a batch are coded at once: a change of base is a product with a table of powers,
exact in double precision, and one pass of carries.
"""

import numpy as np

from .errors import Damaged

ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
BASE = 45 * 45
GROUP_PAIRS, GROUP_BYTES = 35, 48  # 256^48 is just below 2025^35
_DIGIT = np.full(256, 255, np.uint8)
_DIGIT[np.frombuffer(ALPHABET, np.uint8)] = np.arange(45)


def pairs_of_text(text: str) -> np.ndarray:
    """(pairs,) int64 of a text of the alphabet; raises Damaged on any other."""
    digits = _DIGIT[np.frombuffer(text.encode("utf-8", "replace"), np.uint8)].astype(np.int64)
    if len(digits) % 2 or (digits > 44).any():
        raise Damaged("the symbol does not hold a page of a memory")
    return digits[::2] * 45 + digits[1::2]


class Dense:
    """Groups of up to 35 pairs, the last one shorter, each as many whole bytes as it can always hold."""

    def __init__(self, most_pairs: int):
        groups, rest = divmod(most_pairs, GROUP_PAIRS)
        self._tail_pairs, self._tail_bytes = rest, ((BASE**rest).bit_length() - 1) // 8
        self._groups = groups + 1
        self.pairs = most_pairs
        self.capacity = groups * GROUP_BYTES + self._tail_bytes

    def pack(self, pages: np.ndarray) -> np.ndarray:
        """(n, capacity) uint8 -> (n, pairs)."""
        padded = _led_by_zeros(pages, self._tail_bytes, GROUP_BYTES)
        sums = _product(padded.view(">u2").reshape(len(pages), -1, GROUP_BYTES // 2), _PAIRS_OF_WORDS)
        for position in range(GROUP_PAIRS - 1, 0, -1):
            carry = sums[position] // BASE
            sums[position] -= carry * BASE
            sums[position - 1] += carry
        pairs = sums.T.astype(np.uint16, order="C").reshape(len(pages), -1)
        return _without_led_zeros(pairs, self._tail_pairs, GROUP_PAIRS)

    def unpack(self, pairs: np.ndarray) -> np.ndarray:
        """(n, pairs) -> (n, capacity) uint8; of pairs that no page gives, some bytes that no digest fits."""
        padded = _led_by_zeros(pairs, self._tail_pairs, GROUP_PAIRS)
        sums = _product(padded.reshape(len(pairs), -1, GROUP_PAIRS), _WORDS_OF_PAIRS)
        for position in range(len(sums) - 1, 0, -1):
            sums[position - 1] += sums[position] >> 32
        data = sums.T.astype(">u4", order="C").view(np.uint8).reshape(len(pairs), -1)
        return _without_led_zeros(data, self._tail_bytes, GROUP_BYTES)


def _product(digits: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """(n, groups, digits) -> (places, n * groups) int64, before the carries; page by page, as BLAS starts
    threads for larger products, and they cost more than they help."""
    sums = digits.astype(np.float64) @ powers
    return sums.reshape(-1, powers.shape[1]).T.astype(np.int64, order="C")


def _led_by_zeros(rows: np.ndarray, tail: int, size: int) -> np.ndarray:
    """(n, k * size + tail) -> (n, (k + 1) * size): a short group is a whole one that begins with zeros."""
    head = rows.shape[1] - tail
    out = np.zeros((len(rows), head + size), rows.dtype)
    out[:, :head] = rows[:, :head]
    out[:, head + size - tail :] = rows[:, head:]
    return out


def _without_led_zeros(rows: np.ndarray, tail: int, size: int) -> np.ndarray:
    head = rows.shape[1] - size
    return np.concatenate([rows[:, :head], rows[:, head + size - tail :]], axis=1)


def _powers(base: int, count: int, target: int, digits: int) -> np.ndarray:
    """(count, digits): base^(count-1), ..., base, 1, each in `digits` digits of base `target`."""
    values = [base**power for power in range(count - 1, -1, -1)]
    places = [target**place for place in range(digits - 1, -1, -1)]
    return np.array([[value // place % target for place in places] for value in values], np.float64)


_PAIRS_OF_WORDS = _powers(1 << 16, GROUP_BYTES // 2, BASE, GROUP_PAIRS)
_WORDS_OF_PAIRS = _powers(BASE, GROUP_PAIRS, 1 << 32, GROUP_BYTES // 4)


class Base45:
    """Four bytes in six characters."""

    def __init__(self, most_pairs: int):
        self.pairs = most_pairs // 3 * 3
        self.capacity = self.pairs // 3 * 4

    def pack(self, pages: np.ndarray) -> np.ndarray:
        words = np.ascontiguousarray(pages).view(">u2").astype(np.uint16).reshape(len(pages), -1, 2)
        first, second = words[:, :, 0], words[:, :, 1]
        # The least significant digit comes first: c + 45 d + 2025 e.
        c1, d1, e1 = first % 45, first // 45 % 45, first // 2025
        c2, d2, e2 = second % 45, second // 45 % 45, second // 2025
        return np.stack([c1 * 45 + d1, e1 * 45 + c2, d2 * 45 + e2], axis=2).reshape(len(pages), -1)

    def unpack(self, pairs: np.ndarray) -> np.ndarray:
        groups = pairs.astype(np.uint32).reshape(len(pairs), -1, 3)
        first, middle, last = groups[:, :, 0], groups[:, :, 1], groups[:, :, 2]
        words = np.empty((*first.shape, 2), ">u2")
        words[:, :, 0] = first // 45 + first % 45 * 45 + middle // 45 * 2025
        words[:, :, 1] = middle % 45 + last // 45 * 45 + last % 45 * 2025
        return words.reshape(len(pairs), -1).view(np.uint8)


CODINGS = {"dense": Dense, "base45": Base45}


def decodings(text: str) -> list[bytes]:
    """What a symbol's text says in each coding; raises Damaged on a text of no coding."""
    pairs = pairs_of_text(text)
    found = []
    for coding in (kind(len(pairs)) for kind in CODINGS.values()):
        if coding.pairs == len(pairs):
            found.append(coding.unpack(pairs[None])[0].tobytes())
    return found
