"""What a Yjs update (v1 encoding) may hold: plain text under the root "content", and deletions; nothing else.

Checked before an update is stored, because nobody can take it out again: other types would swell every browser, a
carriage return shifts every later position of an editor that counts lines by line feeds alone, and a clock beyond
31 bits is more than the server's library counts.
"""

from pycrdt import get_state

ROOT = "content"
EMPTY = b"\x00\x00"
MOST_CLOCK = (1 << 31) - 1
MOST_CLIENT = (1 << 53) - 1
_GC, _DELETED, _STRING, _SKIP = 0, 1, 4, 10
_LEFT, _RIGHT, _KEYED = 0x80, 0x40, 0x20


class BadUpdate(ValueError):
    """One line for the person whose editor sent it."""


def check(update: bytes) -> set[int]:
    """The clients whose text it holds. Raises BadUpdate."""
    reader = Reader(update)
    try:
        clients = reader.structs()
        reader.deletions()
    except (IndexError, UnicodeDecodeError):
        raise BadUpdate("it is cut off or damaged") from None
    if reader.at != len(update):
        raise BadUpdate("there is more in it than an update")
    try:
        get_state(update)
    except ValueError:
        raise BadUpdate("it cannot be read") from None
    return clients


def reaches(vector: bytes, update: bytes) -> bool:
    """Whether all that the update deletes is in the state of that vector; if not, a deletion waits."""
    reader = Reader(vector)
    known = {reader.number(MOST_CLIENT): reader.number() for _ in range(reader.number())}
    reader = Reader(update)
    reader.structs()
    return all(end <= known.get(client, 0) for client, end in reader.deletions().items())


class Reader:
    def __init__(self, data: bytes):
        self._data, self.at = data, 0

    def number(self, most: int = MOST_CLOCK) -> int:
        """A varint of seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = self._data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 56:
                raise BadUpdate("a number in it is too large")
        if value > most:
            raise BadUpdate("a number in it is too large")
        return value

    def text(self) -> str:
        length = self.number()
        end = self.at + length
        if end > len(self._data):
            raise IndexError("it ends before its text does")
        text = self._data[self.at : end].decode()
        self.at = end
        return text

    def structs(self) -> set[int]:
        clients: set[int] = set()
        for _ in range(self.number()):
            count, client, clock = self.number(), self.number(MOST_CLIENT), self.number()
            if client in clients:
                raise BadUpdate("it names a client twice")
            clients.add(client)
            for _ in range(count):
                clock += self._struct()
                if clock > MOST_CLOCK:
                    raise BadUpdate("a number in it is too large")
        return clients

    def _struct(self) -> int:
        """Its length in clocks."""
        info = self._data[self.at]
        self.at += 1
        kind = info & 0x1F
        if info in (_GC, _SKIP):
            return self._length()
        if kind not in (_DELETED, _STRING):
            raise BadUpdate("it holds something else than text")
        for present in (_LEFT, _RIGHT):
            if info & present:
                self.number(MOST_CLIENT)
                self.number()
        if not info & (_LEFT | _RIGHT):
            self._parent(info)
        return self._length() if kind == _DELETED else self._string()

    def _parent(self, info: int) -> None:
        if self.number() != 1 or self.text() != ROOT or info & _KEYED:
            raise BadUpdate("it writes elsewhere than into the text")

    def _length(self) -> int:
        if (length := self.number()) == 0:
            raise BadUpdate("it holds a piece of no length")
        return length

    def _string(self) -> int:
        text = self.text()
        if not text:
            raise BadUpdate("it holds a piece of no length")
        if "\r" in text:
            raise BadUpdate("it holds a carriage return: lines end with a line feed here")
        return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2

    def deletions(self) -> dict[int, int]:
        """Where the deletions end, by client."""
        ends: dict[int, int] = {}
        for _ in range(self.number()):
            client = self.number(MOST_CLIENT)
            for _ in range(self.number()):
                end = self.number() + self.number()
                if end > MOST_CLOCK:
                    raise BadUpdate("a number in it is too large")
                ends[client] = max(end, ends.get(client, 0))
        return ends
