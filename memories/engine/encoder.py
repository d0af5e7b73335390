"""MemvidEncoder: collects what is to be stored and writes it as one commit, for programs."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from memories.engine.config import Config, FolderConfig
from memories.engine.errors import MemvidError, UsageError
from memories.engine.gather import Gathering, refuse_empty, split_settings, text_name
from memories.engine.indexing import index_as_configured
from memories.engine.ingest import chunks_source, text_source
from memories.engine.memory import Memory
from memories.engine.model import Outcome
from memories.engine.roots import recorded_roots

if TYPE_CHECKING:
    from memories.engine.ingest import Found

Place = str | Path


@dataclass(frozen=True)
class VideoStats:
    file_size_bytes: int
    codec: str
    fps: float


@dataclass(frozen=True)
class EncodingStats:
    """Seconds are measured. `commit` is None when nothing had changed; `index_job` names a background job."""

    total_chunks: int
    total_frames: int
    encoding_time_seconds: float
    indexing_time_seconds: float
    video_stats: VideoStats
    commit: int | None
    outcomes: list[Outcome]
    index_job: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderStats:
    files_found: int
    files_processed: int
    files_skipped: int
    files_failed: int
    bytes_processed: int
    processing_time_ms: int
    outcomes: list[Outcome]


class MemvidEncoder:
    """Adding only notes what to take, files are read by `build_video`; a document added twice is stored once."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = (config or Config()).checked()
        self._video: Path | None = None  # the memory that this continues
        self._gathering = Gathering(self.config)

    @classmethod
    def load_existing(cls, video: Place, index: Place | None = None, config: Config | None = None) -> Self:
        """Continues a memory: building to the same path adds a commit to it."""
        encoder = cls(config)
        encoder._continue(Path(video), index)
        return encoder

    def add_chunks(self, chunks: Iterable[str], name: str | None = None) -> None:
        """One document with exactly these chunks."""
        chunks = list(chunks)
        name = name or text_name("chunks", chunks)
        self._gathering.ready.append(chunks_source(chunks, name, split_settings(self.config)))

    def add_text(self, text: str, name: str | None = None) -> None:
        name = name or text_name("text", [text])
        self._gathering.ready.append(text_source(text, name, split_settings(self.config)))

    def add_file(self, path: Place) -> None:
        """Any format that is known; IngestError if it cannot be read."""
        self._gathering.add_file(path)

    add_text_file = add_data_file = add_csv_file = add_parquet_file = add_code_file = add_log_file = add_file
    add_pdf = add_epub = add_file

    def add_directory(self, folder: Place, config: FolderConfig | None = None) -> FolderStats:
        return self.add_directories([folder], config)

    def add_directories(self, folders: Iterable[Place], config: FolderConfig | None = None) -> FolderStats:
        """`config`: other filters than the encoder's, for these folders."""
        begun = time.monotonic()
        gathering = self._gathering
        files, outcomes = len(gathering.files), len(gathering.outcomes)
        gathering.add_paths(folders, config)
        new, left_out = gathering.files[files:], gathering.outcomes[outcomes:]
        states = Counter(outcome.state for outcome in left_out)
        return FolderStats(
            files_found=len(new) + len(left_out),
            files_processed=len(new),
            files_skipped=states["skipped"],
            files_failed=states["failed"],
            bytes_processed=sum(found.size for found, _ in new),
            processing_time_ms=round((time.monotonic() - begun) * 1000),
            outcomes=left_out,
        )

    def preview_directory(self, folder: Place, config: FolderConfig | None = None) -> "list[Found]":
        """What `add_directory` would take; nothing is added."""
        preview = Gathering(self.config, self._video)
        preview.add_paths([folder], config)
        return [found for found, _ in preview.files]

    def chunks(self) -> Iterator[str]:
        """The texts of all chunks: those of the memory that is continued, then those added."""
        if self._video:
            with Memory.open(self._video, config=self.config) as memory:
                yield from (chunk.text for chunk in memory.read_many(memory.chunks()))
        for source in self._gathering.sources():
            yield from (draft.text for draft in source.drafts())

    def __len__(self) -> int:
        return sum(1 for _ in self.chunks())

    def clear(self) -> None:
        """Forgets what was added since the last build."""
        self._gathering = Gathering(self.config, self._video, self._gathering.recorded)

    def build_video(self, video: Place, index: Place | None = None, codec: str | None = None) -> EncodingStats:
        """Writes what was added as one commit, then indexes as the settings say."""
        path = Path(video)
        if not self._video and not self._gathering.names():
            raise MemvidError(f"nothing to store in {path}: nothing was added")
        begun = time.monotonic()
        with self._opened(path, codec) as memory:
            result = memory.commit(self._gathering.sources(), roots=self._gathering.records(path))
            outcomes = [*result.outcomes, *self._gathering.outcomes]
            refuse_empty(memory, result, outcomes)
        number = result.commit.number if result.commit else None
        seconds = time.monotonic() - begun
        self._continue(path, index)
        return _finished(path, index, self.config, seconds, number, outcomes)

    def append_to_video(self, video: Place, index: Place | None = None) -> EncodingStats:
        """Adds what was collected to an existing memory, whichever this encoder continued before."""
        with Memory.open(video, config=self.config) as memory:
            self._gathering.recorded = recorded_roots(memory.commits())
        self._video = Path(video)
        return self.build_video(video, index)

    def create_incremental_video(
        self, chunks: Iterable[str], video: Place, index: Place | None = None
    ) -> EncodingStats:
        """A memory of its own with only these chunks."""
        encoder = MemvidEncoder(self.config)
        encoder.add_chunks(chunks)
        return encoder.build_video(video, index)

    @classmethod
    def merge_videos(
        cls,
        videos: Sequence[Place],
        indexes: Sequence[Place],
        video: Place,
        index: Place | None = None,
        config: Config | None = None,
    ) -> EncodingStats:
        """A new memory with the contents of several. `indexes` are not needed: each memory holds its own."""
        if len(videos) != len(indexes):
            raise UsageError(f"{len(videos)} videos and {len(indexes)} indexes: name an index or None for each video")
        config = (config or Config()).checked()
        begun = time.monotonic()
        Memory.merge(video, videos, config.drawing()).close()
        with Memory.open(video, config=config) as memory:
            number = memory.head.number if memory.head else None
        return _finished(Path(video), index, config, time.monotonic() - begun, number, [])

    def _continue(self, video: Path, index: Place | None) -> None:
        with Memory.open(video, config=self.config) as memory:
            recorded = recorded_roots(memory.commits())
        self._video = video
        self._gathering = Gathering(self.config, video, recorded, (Path(index),) if index else ())

    def _opened(self, path: Path, codec: str | None) -> Memory:
        settings = self.config.video
        if self._video and path.exists() and path.samefile(self._video):
            return Memory.open(path, config=self.config)
        if self._video:  # the contents of the one that was loaded, then the new ones
            return Memory.merge(path, [self._video], self.config.drawing())
        return Memory.create(path, settings.profile, codec or settings.default_codec, self.config)


def _finished(
    path: Path, index: Place | None, config: Config, seconds: float, number: int | None, outcomes: list[Outcome]
) -> EncodingStats:
    begun = time.monotonic()
    built = index_as_configured(path, index, config)
    with Memory.open(path, config=config) as memory:
        stats, fps = memory.stats(), float(memory.profile.rate)
    return EncodingStats(
        total_chunks=stats["chunks"],
        total_frames=stats["frames"],
        encoding_time_seconds=seconds,
        indexing_time_seconds=time.monotonic() - begun,
        video_stats=VideoStats(stats["bytes"], stats["codec"], fps),
        commit=number,
        outcomes=outcomes,
        index_job=built.job,
        notes=built.notes,
    )
