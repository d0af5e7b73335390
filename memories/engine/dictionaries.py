"""The dictionaries used last in this process; loading one takes some 80 frames."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from zstandard import ZstdCompressionDict


class _Cache:
    def __init__(self, size: int):
        self._size, self._lock = size, threading.Lock()
        self._items: OrderedDict[tuple, ZstdCompressionDict] = OrderedDict()

    def get(self, key: tuple, load: Callable[[], ZstdCompressionDict]) -> ZstdCompressionDict:
        with self._lock:
            if key not in self._items:
                self._items[key] = load()
                if len(self._items) > self._size:
                    self._items.popitem(last=False)
            self._items.move_to_end(key)
            return self._items[key]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()


_cache = _Cache(8)
cached = _cache.get
forget_dictionaries = _cache.clear
