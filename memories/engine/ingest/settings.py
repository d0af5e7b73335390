"""What a person can set about cutting text and walking folders."""

from dataclasses import dataclass

from memories.engine.errors import UsageError

BINARY_EXTENSIONS = (
    "exe", "dll", "so", "dylib", "bin", "o", "a", "class", "pyc", "zip",
    "gz", "tar", "7z", "rar", "mp3", "mp4", "avi", "png", "jpg", "gif",
)  # fmt: skip
EXCLUDED_PATTERNS = (
    "target", "node_modules", ".git", ".svn", ".hg", "build", "dist", "__pycache__",
    "*.tmp", "*.temp", "*.cache",
)  # fmt: skip


@dataclass(frozen=True)
class SplitSettings:
    """All sizes are in characters. A chunk aims at `chunk_size` and never exceeds `max_chunk`."""

    chunk_size: int = 1000
    overlap: int = 50
    max_chunk: int = 1500
    min_chunk: int = 100

    def __post_init__(self) -> None:
        if self.chunk_size < 1:
            raise UsageError(f"chunk_size is {self.chunk_size}: give at least 1")
        if self.max_chunk < self.chunk_size:
            raise UsageError(f"max_chunk ({self.max_chunk}) is below chunk_size ({self.chunk_size}): raise it")
        if not 0 <= self.min_chunk <= self.chunk_size:
            raise UsageError(f"min_chunk ({self.min_chunk}) must lie between 0 and chunk_size ({self.chunk_size})")
        if not 0 <= self.overlap <= self.chunk_size:
            raise UsageError(f"overlap ({self.overlap}) must lie between 0 and chunk_size ({self.chunk_size})")

    @classmethod
    def around(cls, chunk_size: int, overlap: int = 50) -> "SplitSettings":
        """Settings in the default proportions, for a caller who names only the size."""
        return cls(chunk_size, min(overlap, chunk_size), chunk_size * 3 // 2, chunk_size // 10)

    def named(self, parser: str) -> str:
        return f"{parser}:{self.chunk_size}/{self.max_chunk}/{self.min_chunk}"


@dataclass(frozen=True)
class FolderSettings:
    """Which files of a folder to take. `max_depth` 0 is the folder's own files, None is no limit; sizes are bytes."""

    max_depth: int | None = 10
    include_extensions: tuple[str, ...] | None = None
    exclude_extensions: tuple[str, ...] = BINARY_EXTENSIONS
    exclude_patterns: tuple[str, ...] = EXCLUDED_PATTERNS
    min_file_size: int = 0
    max_file_size: int = 100 * 1024 * 1024
    follow_symlinks: bool = False
    include_hidden: bool = False
    skip_binary: bool = True
