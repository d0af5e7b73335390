"""Pages to QR symbols, many at once.

For one QR version, error level and mask everything but the data is a constant: the coding of pages as
alphanumeric pairs is arithmetic, Reed-Solomon (ISO/IEC 18004:2015 7.5) is a linear map, the placement
(7.7.3) a permutation of bits, the mask (7.8) an XOR. So a batch of
pages becomes a batch of frames in a handful of numpy operations, 0.2 ms a version-40 symbol
instead of the 90 ms of a library that draws one symbol at a time.

The function patterns come from the `qrcode` package, which is also the reference in the tests.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from qrcode import base, constants
from qrcode.main import QRCode

from .coding import CODINGS
from .errors import UsageError

ERROR_LEVELS = {
    "L": constants.ERROR_CORRECT_L,
    "M": constants.ERROR_CORRECT_M,
    "Q": constants.ERROR_CORRECT_Q,
    "H": constants.ERROR_CORRECT_H,
}
MODE_ALPHANUMERIC = 0b0010
WHITE, BLACK = 0, 1


@dataclass(frozen=True)
class Geometry:
    """How a symbol lies in its frame. Sizes in pixels but `border`, which is in modules."""

    version: int = 40
    error: str = "L"
    mask: int = 0
    scale: int = 1
    border: int = 4
    width: int = 0
    height: int = 0
    coding: str = "base45"  # of a file whose manifest does not say

    @property
    def modules(self) -> int:
        return 17 + 4 * self.version

    @property
    def side(self) -> int:
        """Pixels of the symbol without its quiet zone."""
        return self.modules * self.scale

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width), even as 4:2:0 sampling needs."""
        least = self.side + 2 * self.border * self.scale
        return _even(max(least, self.height)), _even(max(least, self.width))

    @property
    def offset(self) -> tuple[int, int]:
        """(row, column) of the symbol's first pixel."""
        height, width = self.frame_size
        return (height - self.side) // 2, (width - self.side) // 2


def _even(n: int) -> int:
    return n + n % 2


def _count_bits(version: int) -> int:
    """Width of the character count in alphanumeric mode (ISO/IEC 18004 table 3)."""
    return 9 if version < 10 else 11 if version < 27 else 13


@lru_cache(maxsize=8)
def symbol_maker(geometry: Geometry) -> "SymbolMaker":
    return SymbolMaker(geometry)


class SymbolMaker:
    """Draws pages of exactly `capacity` bytes as frames of one geometry."""

    def __init__(self, geometry: Geometry):
        if not 1 <= geometry.version <= 40 or geometry.error not in ERROR_LEVELS or not 0 <= geometry.mask <= 7:
            raise UsageError(f"no QR code has version {geometry.version}, level {geometry.error}, mask {geometry.mask}")
        if geometry.coding not in CODINGS:
            raise UsageError(f"pages are coded as {' or '.join(CODINGS)}, not as {geometry.coding!r}")
        self.geometry = geometry
        self._blocks = base.rs_blocks(geometry.version, ERROR_LEVELS[geometry.error])
        self._data_count = sum(block.data_count for block in self._blocks)
        self._coding = CODINGS[geometry.coding]((self._data_count * 8 - 4 - _count_bits(geometry.version)) // 11)
        self.capacity, self.pairs = self._coding.capacity, self._coding.pairs

    def modules(self, pages: np.ndarray) -> np.ndarray:
        """(n, capacity) uint8 -> (n, modules, modules) uint8, 1 for dark."""
        bits = np.unpackbits(self._codewords(pages), axis=1)
        bits = np.pad(bits, ((0, 0), (0, 2)))
        bits[:, -1] = BLACK
        side = self.geometry.modules
        return (np.take(bits, self._source_bit, axis=1) ^ self._mask).reshape(len(pages), side, side)

    def frames(self, modules: np.ndarray) -> np.ndarray:
        """(n, modules, modules) -> (n, height, width) uint8 luma, white 255."""
        geometry = self.geometry
        height, width = geometry.frame_size
        row, column = geometry.offset
        luma = np.full((len(modules), height, width), 255, np.uint8)
        scaled = (modules ^ 1) * np.uint8(255)
        if geometry.scale > 1:
            scaled = scaled.repeat(geometry.scale, axis=1).repeat(geometry.scale, axis=2)
        luma[:, row : row + geometry.side, column : column + geometry.side] = scaled
        return luma

    def sample(self, luma: np.ndarray) -> np.ndarray:
        """(n, height, width) decoded luma -> (n, modules, modules), each module read at its centre."""
        geometry = self.geometry
        row, column = geometry.offset
        half = geometry.scale // 2
        rows = slice(row + half, row + geometry.side, geometry.scale)
        columns = slice(column + half, column + geometry.side, geometry.scale)
        return (luma[:, rows, columns] < 128).view(np.uint8)

    def pages(self, modules: np.ndarray) -> np.ndarray:
        """The inverse of `modules`, without error correction: (n, capacity) uint8, to be checked by digest."""
        flat = np.pad(modules.reshape(len(modules), -1) ^ self._mask, ((0, 0), (0, 1)))
        pairs = np.packbits(np.take(flat, self._module_of_pair_bit, axis=1), axis=1).view(">u2")
        return self._coding.unpack(pairs)

    def _codewords(self, pages: np.ndarray) -> np.ndarray:
        """Data codewords block by block, then the error codewords block by block."""
        data = self._data_codewords(pages)
        return np.concatenate([data, self._error_codewords(data)], axis=1)

    def _data_codewords(self, pages: np.ndarray) -> np.ndarray:
        count = pages.shape[0]
        pairs = self._coding.pack(pages)
        payload = np.unpackbits(pairs.astype(">u2").view(np.uint8).reshape(count, -1, 2), axis=2)[:, :, 5:]
        bits = np.zeros((count, self._data_count * 8), np.uint8)
        header = self._header_bits
        bits[:, : len(header)] = header
        bits[:, len(header) : len(header) + payload.shape[1] * 11] = payload.reshape(count, -1)
        data = np.packbits(bits, axis=1)
        data[:, self._first_pad_codeword :] = self._padding
        return data

    @cached_property
    def _header_bits(self) -> np.ndarray:
        width = _count_bits(self.geometry.version)
        value = MODE_ALPHANUMERIC << width | 2 * self.pairs
        return np.array([value >> i & 1 for i in range(width + 3, -1, -1)], np.uint8)

    @cached_property
    def _first_pad_codeword(self) -> int:
        """After the payload come up to four zero bits, zero bits to the byte border, then pad codewords (7.4.10)."""
        bits = len(self._header_bits) + self.pairs * 11
        return min(self._data_count, -(-min(bits + 4, self._data_count * 8) // 8))

    @cached_property
    def _padding(self) -> np.ndarray:
        count = self._data_count - self._first_pad_codeword
        return np.resize(np.array([0xEC, 0x11], np.uint8), count)

    def _error_codewords(self, data: np.ndarray) -> np.ndarray:
        """Every codeword adds a fixed row to the remainder, so the remainder is an XOR of table rows."""
        tables = self._error_tables
        longest, count = tables.shape[0], len(data)
        padded = np.pad(data, ((0, 0), (0, 1)))  # the last column is a zero for the shorter blocks
        blocks = np.take(padded, self._block_columns, axis=1)
        columns = np.ascontiguousarray(blocks.reshape(-1, longest).T)
        remainder = tables[0][columns[0]]
        for position in range(1, longest):
            remainder ^= tables[position][columns[position]]
        length = self._blocks[0].total_count - self._blocks[0].data_count
        return remainder.view(np.uint8).reshape(count, len(self._blocks), -1)[:, :, :length].reshape(count, -1)

    @cached_property
    def _block_columns(self) -> np.ndarray:
        """(blocks, longest) positions in the data; shorter blocks are led by zeros, which change no remainder."""
        longest = max(block.data_count for block in self._blocks)
        columns = np.full((len(self._blocks), longest), self._data_count, np.intp)
        start = 0
        for row, block in zip(columns, self._blocks, strict=True):
            row[longest - block.data_count :] = np.arange(start, start + block.data_count)
            start += block.data_count
        return columns

    @cached_property
    def _error_tables(self) -> np.ndarray:
        """(longest, 256, words) uint64: what each value at each position of a block adds to its remainder."""
        length = self._blocks[0].total_count - self._blocks[0].data_count
        longest = self._block_columns.shape[1]
        generator = _generator_polynomial(length)
        tables = np.zeros((longest, 256, -(-length // 8) * 8), np.uint8)
        powers = np.zeros(length, np.uint8)  # x^(length + i) mod generator, from the last position backwards
        powers[:] = generator
        for position in range(longest - 1, -1, -1):
            tables[position, :, :length] = MULTIPLY[:, powers]
            powers = np.append(powers[1:], 0).astype(np.uint8) ^ MULTIPLY[powers[0], generator]
        return tables.view(np.uint64)

    @cached_property
    def _source_bit(self) -> np.ndarray:
        """For each module the index of the codeword bit that it shows; -2 is a light, -1 a dark constant."""
        drawn = self._function_patterns
        source = np.where(drawn, -1, -2).reshape(-1)
        order = self._placement
        bits = self._interleaved_bits
        source[order[: len(bits)]] = bits
        source[order[len(bits) :]] = -2  # remainder bits are zero
        return source

    @cached_property
    def _module_of_pair_bit(self) -> np.ndarray:
        """For each bit of each pair, led by 5 zero bits (-1), the flat index of its module."""
        start, count = len(self._header_bits), self.pairs * 11
        where = np.empty(len(self._interleaved_bits), np.intp)
        where[self._interleaved_bits] = self._placement[: len(self._interleaved_bits)]
        return np.pad(where[start : start + count].reshape(-1, 11), ((0, 0), (5, 0)), constant_values=-1).reshape(-1)

    @cached_property
    def _interleaved_bits(self) -> np.ndarray:
        """Bit indices into the block-by-block codewords, in the order in which the symbol places them (7.6)."""
        data, errors, start = [], [], 0
        for block in self._blocks:
            data.append(range(start, start + block.data_count))
            start += block.data_count
        for block in self._blocks:
            errors.append(range(start, start + block.total_count - block.data_count))
            start += block.total_count - block.data_count
        codewords = np.array(_interleave(data) + _interleave(errors))
        return (codewords[:, None] * 8 + np.arange(8)).reshape(-1)

    @cached_property
    def _placement(self) -> np.ndarray:
        """Flat module indices in the order of the bit stream: pairs of columns, upwards and downwards (7.7.3)."""
        side, free, order = self.geometry.modules, self._free_modules, []
        upwards, column = True, side - 1
        while column > 0:
            if column == 6:  # the vertical timing pattern
                column -= 1
            for row in range(side - 1, -1, -1) if upwards else range(side):
                order += [row * side + c for c in (column, column - 1) if free[row, c]]
            upwards, column = not upwards, column - 2
        return np.array(order)

    @cached_property
    def _mask(self) -> np.ndarray:
        """(1, modules * modules): the mask where data lies, zero elsewhere."""
        rows, columns = np.indices((self.geometry.modules,) * 2)
        condition = MASKS[self.geometry.mask](rows, columns) == 0
        return (condition & self._free_modules).astype(np.uint8).reshape(1, -1)

    @property
    def _free_modules(self) -> np.ndarray:
        return self._template[1]

    @property
    def _function_patterns(self) -> np.ndarray:
        return self._template[0]

    @cached_property
    def _template(self) -> tuple[np.ndarray, np.ndarray]:
        """(dark function modules, modules free for data)."""
        geometry = self.geometry
        side = geometry.modules
        code = QRCode(
            version=geometry.version, error_correction=ERROR_LEVELS[geometry.error], mask_pattern=geometry.mask
        )
        code.modules_count = side
        code.modules = [[None] * side for _ in range(side)]
        for corner in ((0, 0), (side - 7, 0), (0, side - 7)):
            code.setup_position_probe_pattern(*corner)
        code.setup_position_adjust_pattern()
        code.setup_timing_pattern()
        code.setup_type_info(False, geometry.mask)
        if geometry.version >= 7:
            code.setup_type_number(False)
        drawn = np.array([[bool(module) for module in row] for row in code.modules])
        free = np.array([[module is None for module in row] for row in code.modules])
        return drawn, free


MASKS = (  # ISO/IEC 18004 table 10, i the row, j the column
    lambda i, j: (i + j) % 2,
    lambda i, j: i % 2,
    lambda i, j: j % 3,
    lambda i, j: (i + j) % 3,
    lambda i, j: (i // 2 + j // 3) % 2,
    lambda i, j: i * j % 2 + i * j % 3,
    lambda i, j: (i * j % 2 + i * j % 3) % 2,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2,
)


def _interleave(blocks: list[range]) -> list[int]:
    longest = max(len(block) for block in blocks)
    return [block[i] for i in range(longest) for block in blocks if i < len(block)]


def _multiplication_table() -> np.ndarray:
    """(256, 256) products in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, the field of QR codes."""
    exponent, value = np.zeros(510, np.int64), 1
    logarithm = np.zeros(256, np.int64)
    for power in range(255):
        exponent[power] = exponent[power + 255] = value
        logarithm[value] = power
        value = value << 1 ^ (0x11D if value & 0x80 else 0)
    table = exponent[logarithm[:, None] + logarithm[None, :]].astype(np.uint8)
    table[0, :] = table[:, 0] = 0
    return table


MULTIPLY = _multiplication_table()


def _generator_polynomial(length: int) -> np.ndarray:
    """Coefficients of (x - 1)(x - a)...(x - a^(length-1)) below the leading one, highest power first."""
    polynomial, root = np.array([1], np.uint8), 1
    for _ in range(length):
        shifted = np.append(polynomial, 0).astype(np.uint8)
        shifted[1:] ^= MULTIPLY[root, polynomial]
        polynomial, root = shifted, int(MULTIPLY[root, 2])
    return polynomial[1:]
