"""The Range header of one request (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

MOST_RANGE = 4 << 20  # bytes of one answer
_DIGITS = 18  # more are past the end of any file, and past what int() takes
_SINGLE = re.compile(r"\s*bytes\s*=[\s,]*(\d*)-(\d*)[\s,]*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Span:
    """Bytes `start` to `stop`, the last one not included."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Unsatisfiable(Exception):
    """The range lies outside the file: 416."""


def wanted_span(header: str | None, size: int) -> Span | None:
    """The part to send; None for the whole file, as a header that is malformed, of another unit or of several
    ranges may be ignored (14.2). Raises Unsatisfiable."""
    match = _SINGLE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    first, last = _number(match[1]), _number(match[2])
    if first is None:
        if not last or not size:
            raise Unsatisfiable
        return _limited(max(0, size - last), size)
    if last is not None and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return _limited(first, size if last is None else min(last + 1, size))


def _limited(start: int, stop: int) -> Span:
    return Span(start, min(stop, start + MOST_RANGE))


def _number(digits: str) -> int | None:
    digits = digits.lstrip("0") or digits[:1]
    if not digits:
        return None
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS
