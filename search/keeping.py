"""What a process keeps between requests because it cannot change, up to a size."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any


class Kept:
    """The least recently used go first; one lock, as searches run in several threads."""

    def __init__(self, most: int):
        self._most, self._size, self._lock = most, 0, threading.Lock()
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def some(self, keys: Iterable[Hashable]) -> dict[Hashable, Any]:
        """Of those that are kept."""
        with self._lock:
            found = {key: self._items[key][0] for key in keys if key in self._items}
            for key in found:
                self._items.move_to_end(key)
        return found

    def put(self, key: Hashable, value: Any, size: int) -> None:
        with self._lock:
            if key in self._items:
                self._size -= self._items.pop(key)[1]
            self._items[key] = value, size
            self._size += size
            while self._size > self._most and len(self._items) > 1:
                self._size -= self._items.popitem(last=False)[1][1]
