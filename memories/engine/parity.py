"""Parity pages: a Cauchy Reed-Solomon code over GF(2^8) across the pages of a commit.

The pages of a run are dealt to `lanes` in turn, so that a run of lost frames is spread over all of
them. A lane of k pages gets m parity pages and survives the loss of any m of its k + m. m is set so
that a random loss of 5 % exceeds it less than once in a hundred million lanes (mean + 6 sigma).
A protected page is its packed bytes with zeros up to `protected_size`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from . import varint
from .errors import Damaged
from .pages import HEADER_SIZE
from .symbols import MULTIPLY

FIELDS = 7
OVERHEAD = 28  # the fields of a parity payload, at most
LANE = 192  # most data pages in a lane
LOSS = 0.05


def protected_size(capacity: int) -> int:
    return capacity - HEADER_SIZE - OVERHEAD


def parity_count(pages: int) -> int:
    """Parity pages for a lane of that many pages."""
    sigma = math.sqrt(pages * LOSS * (1 - LOSS))
    return max(2, math.ceil(pages * LOSS + 6 * sigma * (1 + LOSS)))


MOST = parity_count(LANE)
_INVERSE = np.zeros(256, np.uint8)
_INVERSE[1:] = [int(np.flatnonzero(MULTIPLY[value] == 1)[0]) for value in range(1, 256)]


def coefficient(row: int, index: int) -> int:
    """Cauchy: 1 / (x_row + y_index), x counted from 255 downwards and y from 0 upwards."""
    return int(_INVERSE[(255 - row) ^ index])


@dataclass(frozen=True)
class ParityPage:
    """Row `row` of lane `lane`, over `count` pages from `first` and then `end`, the commit-end page (0: none)."""

    first: int
    count: int
    end: int
    lanes: int
    lane: int
    row: int
    rows: int
    data: bytes

    def pack(self) -> bytes:
        out = bytearray()
        varint.put_all(out, (self.first, self.count, self.end, self.lanes, self.lane, self.row, self.rows))
        return bytes(out) + self.data

    @staticmethod
    def unpack(payload: bytes) -> "ParityPage":
        values, at = varint.get_all(payload, 0, FIELDS)
        page = ParityPage(*values, payload[at:])
        sane = 0 < page.lanes <= 4096 and page.lane < page.lanes and page.row < page.rows <= 255
        if not sane or page.count > 255 * page.lanes:
            raise Damaged("a parity page makes no sense")
        return page

    def covered(self) -> list[int]:
        """Numbers of the pages in this lane, in order of their index."""
        numbers = [self.first + i for i in range(self.lane, self.count, self.lanes)]
        if self.end and self.count % self.lanes == self.lane:
            numbers.append(self.end)
        return numbers

    def run(self) -> range:
        """Numbers of all parity pages of this run, which follow its data pages."""
        lengths = (len(range(lane, self.count + bool(self.end), self.lanes)) for lane in range(self.lanes))
        start = self.first + self.count
        return range(start, start + sum(parity_count(length) for length in lengths if length))


class ParityWriter:
    """Takes the packed pages of a commit as they come; memory is lanes * MOST * page size."""

    def __init__(self, size: int, expected_pages: int):
        self._size = size
        self.lanes = max(1, math.ceil((expected_pages + 1) / (LANE - 1)))
        self._sums = np.zeros((self.lanes, MOST, size), np.uint8)
        self._rows = np.arange(MOST)
        self.count = 0

    @property
    def full(self) -> bool:
        return self.count >= self.lanes * (LANE - 1)

    def add(self, packed: bytes) -> None:
        lane, index = self.count % self.lanes, self.count // self.lanes
        data = np.zeros(self._size, np.uint8)
        data[: len(packed)] = np.frombuffer(packed, np.uint8)
        factors = _INVERSE[(255 - self._rows) ^ index]
        self._sums[lane] ^= MULTIPLY[factors][:, data]
        self.count += 1

    def pages(self, first: int, end: int = 0) -> Iterable[ParityPage]:
        """Parity of the pages added since the last call; `end` is given when the last was the commit-end page."""
        data_pages = self.count - (1 if end else 0)
        for row in range(MOST):
            for lane in range(self.lanes):
                covered = len(range(lane, self.count, self.lanes))
                rows = parity_count(covered) if covered else 0
                if row < rows:
                    data = self._sums[lane, row].tobytes()
                    yield ParityPage(first, data_pages, end, self.lanes, lane, row, rows, data)
        self._sums[:] = 0
        self.count = 0

    def page_count(self) -> int:
        counts = (len(range(lane, self.count, self.lanes)) for lane in range(self.lanes))
        return sum(parity_count(count) for count in counts if count)


def recover(numbers: list[int], known: dict[int, bytes], parity: list[ParityPage]) -> dict[int, bytes]:
    """The missing protected pages of one lane; raises Damaged when more are missing than parity remains.

    `numbers` are the lane's pages by index, `known` their packed bytes, `parity` what was read of the lane.
    """
    missing = [index for index, number in enumerate(numbers) if number not in known]
    if len(missing) > len(parity):
        raise Damaged(f"{len(missing)} frames are lost where parity can mend {len(parity)}")
    if not missing:
        return {}
    rows = parity[: len(missing)]
    size = len(rows[0].data)
    right = np.stack([np.frombuffer(page.data, np.uint8) for page in rows]).copy()
    for index, number in enumerate(numbers):
        if number in known:
            data = np.frombuffer(known[number][:size].ljust(size, b"\0"), np.uint8)
            for r, page in enumerate(rows):
                right[r] ^= MULTIPLY[coefficient(page.row, index)][data]
    matrix = np.array([[coefficient(page.row, index) for index in missing] for page in rows], np.uint8)
    _solve(matrix, right)
    return {numbers[index]: right[r].tobytes() for r, index in enumerate(missing)}


def _solve(matrix: np.ndarray, right: np.ndarray) -> None:
    """Gauss-Jordan in place; a square part of a Cauchy matrix is never singular."""
    for column in range(len(matrix)):
        pivot = column + int(np.flatnonzero(matrix[column:, column])[0])
        matrix[[column, pivot]], right[[column, pivot]] = matrix[[pivot, column]], right[[pivot, column]]
        inverse = _INVERSE[matrix[column, column]]
        matrix[column], right[column] = MULTIPLY[inverse][matrix[column]], MULTIPLY[inverse][right[column]]
        for row in range(len(matrix)):
            if row != column and (factor := matrix[row, column]):
                matrix[row] ^= MULTIPLY[factor][matrix[column]]
                right[row] ^= MULTIPLY[factor][right[column]]
