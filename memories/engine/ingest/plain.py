"""Running text."""

from collections.abc import Iterable, Iterator

from memories.engine.ingest.settings import SplitSettings
from memories.engine.ingest.split import prose
from memories.engine.model import Draft, Source


def parse(texts: Iterable[str], split: SplitSettings, source: Source, option: str) -> Iterator[Draft]:
    return map(Draft, prose(texts, split))
