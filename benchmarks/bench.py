"""What the benchmarks share: the text, how much of it, and the memories that several of them need."""

import itertools
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from memories.engine import Memory
from memories.engine.errors import UsageError
from memories.engine.ingest import SplitSettings, chunks_source, read_source

CHUNK = 1000  # characters
PER_DOCUMENT = 100  # chunks in one document of a made memory
SHIFT = 137  # characters by which each round through the text begins later, so that no two chunks are alike


class Bench:
    """`quick` takes a tenth of the text and shorter chunks where only their number matters."""

    def __init__(self, corpus: Path, folder: Path, quick: bool = False):
        self.corpus, self.folder, self.quick = corpus, folder, quick
        self.rounds = 1 if quick else 3
        self.memory_of = cache(self._memory_of)

    @cached_property
    def text(self) -> str:
        """Ten million characters of the corpus, or what there is."""
        return self.prose(self.sized(10_000_000))

    def sized(self, full: int) -> int:
        return full // 10 if self.quick else full

    def prose(self, characters: int) -> str:
        parts, missing = [], characters
        for path in self._files():
            part = path.read_bytes().decode("utf-8", "replace")[:missing]
            parts.append(part)
            missing -= len(part)
            if not missing:
                break
        return "".join(parts)

    def _files(self) -> list[Path]:
        found = sorted(path for path in self.corpus.rglob("*.txt") if path.is_file())
        if not found:
            raise UsageError(f"{self.corpus} holds no .txt file: name a folder of prose")
        return found

    def files(self, characters: int) -> Path:
        """A folder with the first `characters` of the corpus, in files as there."""
        folder = self.folder / f"text-{characters}"
        if folder.is_dir():
            return folder
        folder.mkdir()
        for number, path in enumerate(self._files()):
            part = path.read_bytes().decode("utf-8", "replace")[:characters]
            if part:
                (folder / f"{number:03}-{path.name}").write_bytes(part.encode())
            characters -= len(part)
        return folder

    def chunks(self, count: int) -> list[str]:
        """Pieces of the text, CHUNK characters each, spread over all of it."""
        step = max(1, (len(self.text) - CHUNK) // count)
        return [self.text[at : at + CHUNK] for at in range(0, step * count, step)]

    def _memory_of(self, count: int) -> Path:
        """A memory of exactly `count` chunks."""
        path = self.folder / f"chunks-{count}.mp4"
        pieces = itertools.islice(self._pieces(), count)
        with Memory.create(path) as memory:
            memory.commit(
                chunks_source(group, f"document-{number:05}.txt")
                for number, group in enumerate(_grouped(pieces, PER_DOCUMENT))
            )
            if memory.stats()["chunks"] != count:
                raise RuntimeError(f"{path} has {memory.stats()['chunks']} chunks instead of {count}")
        return path

    def _pieces(self) -> Iterator[str]:
        size = self.sized(CHUNK)
        for round_ in itertools.count():
            for at in range(round_ * SHIFT, len(self.text) - size, size):
                yield self.text[at : at + size]


def store(folder: Path, path: Path, profile: str = "compact", codec: str | None = None) -> Memory:
    """All files of a folder into a new memory, as `memvid encode --no-index` does; the caller closes it."""
    memory = Memory.create(path, profile=profile, codec=codec)
    split = SplitSettings()
    memory.commit(read_source(file, file.name, split) for file in sorted(folder.iterdir()))
    return memory


def _grouped(items: Iterator[str], size: int) -> Iterator[list[str]]:
    while group := list(itertools.islice(items, size)):
        yield group
