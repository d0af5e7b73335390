"""The memory file: a real MP4 whose video track is an append-only log of QR frames."""

from typing import Any

_PUBLIC = {
    "Memory": "memory",
    "CommitResult": "memory",
    "MemvidError": "errors",
    "MemvidEncoder": "encoder",
    "MemvidRetriever": "retriever",
    "Config": "config",
    "submit_background_indexing": "jobs",
    "get_indexing_status": "jobs",
    "wait_for_indexing": "jobs",
    "Source": "model",
    "Draft": "model",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Loads a public name when it is asked for: `memvid --help` needs no video library."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)
