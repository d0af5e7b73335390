"""Ingestion: files, folders and pasted text become Sources with exact text."""

from memories.engine.ingest.read import chunks_source, read_source, text_source
from memories.engine.ingest.settings import FolderSettings, SplitSettings
from memories.engine.ingest.walk import Found, Preview, preview, walk

__all__ = [
    "FolderSettings",
    "Found",
    "Preview",
    "SplitSettings",
    "chunks_source",
    "preview",
    "read_source",
    "text_source",
    "walk",
]
