"""MemvidRetriever: a memory opened for searching and reading, for programs."""

import functools
import importlib.util
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from memories.engine.config import Config
from memories.engine.errors import UsageError
from memories.engine.indexing import coverage, load_embedder, load_reranker
from memories.engine.memory import Memory
from memories.engine.model import Chunk, ChunkRef

if TYPE_CHECKING:
    from search.engine.searcher import Hit, Results


class MemvidRetriever:
    """Sees the state the memory had when it was opened (`at`: a commit number or a time).

    `index`, a sidecar, is read where it is current; the index in the memory is enough without it.
    """

    def __init__(
        self,
        video: str | Path,
        index: str | Path | None = None,
        config: Config | None = None,
        at: int | str | None = None,
    ) -> None:
        from search.engine.searcher import Searcher

        self.config = (config or Config()).checked()
        self.memory = Memory.open(video, at=at, config=self.config)
        search = self.config.search
        self._searcher = Searcher(
            self.memory,
            lambda: load_embedder(self.config),
            cache_size=search.cache_size,
            threads=search.search_threads,
            sidecar=Path(index) if index else None,
            reranker_loader=functools.cache(lambda: load_reranker(self.config)) if self.config.rerank.model else None,
        )

    def results(self, query: str, top_k: int | None = None, mode: str = "hybrid", context: int = 0) -> "Results":
        """The hits with what there is to say about them: how it was searched, notes, how many matched."""
        search = self.config.search
        top_k = search.default_top_k if top_k is None else top_k
        if not 1 <= top_k <= search.max_top_k:
            raise UsageError(f"{top_k} results: between 1 and {search.max_top_k} can be had (search.max_top_k)")
        found = self._searcher.search(query, top_k, mode=mode, context=context, threshold=search.similarity_threshold)
        return replace(found, notes=[_about_faiss(), *found.notes]) if search.use_faiss else found

    def search(self, query: str, top_k: int | None = None) -> "list[Hit]":
        """Best first; each has .text, .score, .document, .frame, .commit, .chunk_id and .metadata."""
        return self.results(query, top_k).hits

    def search_with_metadata(self, query: str, top_k: int | None = None) -> "list[Hit]":
        return self.search(query, top_k)

    def search_with_context(self, query: str, top_k: int | None = None, window: int = 1) -> "list[Hit]":
        """Each hit has the texts of up to `window` chunks .before and .after it, too."""
        return self.results(query, top_k, context=window).hits

    def get_chunk(self, chunk_id: str) -> Chunk:
        return self.memory.read(chunk_id)

    def get_context_window(self, chunk_id: str, window: int = 1) -> list[Chunk]:
        """The chunk between up to `window` neighbours on each side, of the same document."""
        ref = self.memory.ref(chunk_id)
        refs = self.memory.chunks(ref.document)
        place = refs.index(ref)
        return self._read(refs[max(0, place - window) : place + window + 1])

    def get_chunks_by_frames(self, frames: list[int]) -> list[Chunk]:
        wanted = set(frames)
        refs = [ref for ref in self.memory.chunks() if wanted & set(range(ref.frame, ref.frame + ref.frames))]
        return self._read(refs)

    def extract_frame(self, number: int) -> str:
        """The text that one frame holds."""
        return self.memory.page_text(number)

    def extract_frames(self, numbers: list[int]) -> dict[int, str]:
        return {number: self.extract_frame(number) for number in numbers}

    def get_stats(self) -> dict[str, Any]:
        return self.memory.stats() | coverage(self.memory)

    def get_video_info(self) -> dict[str, Any]:
        """About the video track: frames, size in pixels, frames per second, codec, seconds."""
        fps = float(self.memory.profile.rate)
        height, width = self.memory.frame_image(0).shape
        stats = self.memory.stats()
        return {
            "path": str(self.memory.path),
            "total_frames": stats["frames"],
            "duration_seconds": stats["frames"] / fps,
            "fps": fps,
            "width": width,
            "height": height,
            "codec": stats["codec"],
            "file_size_bytes": stats["bytes"],
        }

    def close(self) -> None:
        self.memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, refs: list[ChunkRef]) -> list[Chunk]:
        """In reading order, whatever the order in the file."""
        chunks = {chunk.id: chunk for chunk in self.memory.read_many(refs)}
        return [chunks[ref.id] for ref in refs]


def _about_faiss() -> str:
    state = "not needed" if importlib.util.find_spec("faiss") else "not installed"
    return f"faiss is {state}: exact search with numpy"
