"""A memory without a file, and an embedder without a model: only what search needs of either."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from memories.engine.errors import Damaged, NotFound
from memories.engine.model import ORDER_STEP, Chunk, ChunkRef, Commit, Document, parse_chunk_id


@dataclass(frozen=True)
class FakeBox:
    kind: str
    model: str
    first_commit: int
    last_commit: int
    header: dict
    payload: bytes

    @property
    def size(self) -> int:
        return len(self.payload)

    def load(self) -> bytes:
        return self.payload


class FakeMemory:
    """`put` replaces a document by chunks, one frame each; every put or remove is a commit."""

    def __init__(self, id: str = "00ff"):
        self.id = id
        self.damaged: set[int] = set()
        self.reads = 0
        self.fail_append_after: int | None = None
        self._boxes: list[FakeBox] = []
        self._documents: dict[str, Document] = {}
        self._chunks: dict[tuple[int, int], tuple[ChunkRef, str]] = {}
        self._commits: list[Commit] = []
        self._frames = 0

    def put(self, path: str, *texts: str, overlap: int = 10, tags: tuple[str, ...] = ()) -> None:
        """Chunks whose text did not change at their place keep their commit."""
        commit = len(self._commits) + 1
        old = self._documents.get(path)
        number = old.number if old else 1 + max((d.number for d in self._documents.values()), default=0)
        self._documents[path] = Document(number, path, "text/plain", "utf-8", 0, b"", tags, {}, overlap, "", commit)
        before = {order: held for (document, order), held in self._chunks.items() if document == number}
        for order in before:
            del self._chunks[number, order]
        for place, text in enumerate(texts):
            order = place * ORDER_STEP
            if order in before and before[order][1] == text:
                self._chunks[number, order] = before[order]
                continue
            ref = ChunkRef(number, order, commit, self._frames, 1, len(text.encode()), text.count("\n"))
            self._chunks[number, order] = (ref, text)
            self._frames += 1
        self._commit()

    def remove(self, path: str) -> None:
        number = self._documents.pop(path).number
        self._chunks = {key: held for key, held in self._chunks.items() if key[0] != number}
        self._commit()

    def _commit(self) -> None:
        number = len(self._commits) + 1
        digest = hashlib.sha256(f"{self.id} {number} {self.texts()}".encode()).digest()
        time = datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC)
        self._commits.append(Commit(number, time, "", "", 0, 0, 0, 0, "", digest))

    def at(self) -> "FakeMemory":
        """The state now, kept; it shares the boxes, as every state of one file does."""
        past = FakeMemory(self.id)
        past._boxes = self._boxes
        past._documents, past._chunks = dict(self._documents), dict(self._chunks)
        past._commits = list(self._commits)
        return past

    @property
    def head(self) -> Commit | None:
        return self._commits[-1] if self._commits else None

    def texts(self) -> list[str]:
        return [self._chunks[ref.document, ref.order][1] for ref in self.chunks()]

    def documents(self) -> list[Document]:
        return [self._documents[path] for path in sorted(self._documents)]

    def document(self, key: str | int) -> Document:
        for document in self._documents.values():
            if key in (document.path, document.number):
                return document
        raise NotFound(f"There is no document {key!r} in this memory.")

    def chunks(self) -> list[ChunkRef]:
        return [self._chunks[key][0] for key in sorted(self._chunks)]

    def read(self, which: str | ChunkRef) -> Chunk:
        key = parse_chunk_id(which) if isinstance(which, str) else (which.document, which.order)
        ref, text = self._chunks[key]
        if ref.frame in self.damaged:
            raise Damaged(f"Frame {ref.frame} cannot be read.")
        self.reads += 1
        document = self.document(ref.document)
        earlier = [self._chunks[k] for k in sorted(self._chunks) if k[0] == key[0] and k[1] < key[1]]
        before = earlier[-1][1][-document.overlap :] if earlier else ""
        line = 1 + sum(held[0].lines for held in earlier)
        return Chunk(ref, document.path, text, before, {"heading": "h"}, line)

    def read_many(self, refs: Iterable[ChunkRef]) -> Iterator[Chunk]:
        for ref in sorted(refs, key=lambda ref: ref.frame):
            yield self.read(ref)

    def indexes(self) -> list[FakeBox]:
        return list(self._boxes)

    def append_index(
        self,
        kind: str,
        model: str,
        header: dict,
        payload: bytes,
        *,
        first_commit: int,
        last_commit: int,
        wait: float = 0,
    ) -> None:
        if self.fail_append_after is not None and len(self._boxes) >= self.fail_append_after:
            raise KeyboardInterrupt
        self._boxes.append(FakeBox(kind, model, first_commit, last_commit, header, payload))

    def spoil(self, place: int, **header: object) -> None:
        box = self._boxes[place]
        self._boxes[place] = replace(box, header=box.header | header)


class FakeEmbedder:
    """Words hashed to directions, so that texts sharing words are near each other; counts what it embeds."""

    dimension = 64

    def __init__(self, name: str = "fake"):
        self.name = name
        self.embedded = 0
        self.queries = 0

    def embed(self, texts: list[str], progress: object = None) -> np.ndarray:
        self.embedded += len(texts)
        return np.array([self._vector(text) for text in texts], np.float32).reshape(-1, self.dimension)

    def embed_query(self, text: str) -> np.ndarray:
        self.queries += 1
        return self._vector(text)

    def other(self, name: str) -> "FakeEmbedder":
        return FakeEmbedder(name)

    def _vector(self, text: str) -> np.ndarray:
        vector = np.full(self.dimension, 1e-3, np.float32)
        for word in text.lower().split():
            seed = int.from_bytes(hashlib.sha256(f"{self.name} {word}".encode()).digest()[:4], "big")
            vector += np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)
        return vector / np.linalg.norm(vector)
