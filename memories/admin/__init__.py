"""The panel for curation: what mirrors a file is shown, and changed by jobs alone."""

from . import chunks, documents, jobs, memories

__all__ = ["chunks", "documents", "jobs", "memories"]
