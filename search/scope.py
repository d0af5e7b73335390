"""Where a search looks: what the person may see, narrowed by what they chose."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

OFFICE = "application/vnd.openxmlformats-officedocument."
MODES = ("hybrid", "semantic", "keyword", "fuzzy", "phrase")

# Media types as people think of them: beginnings of types, of which the first family that has one counts.
FAMILIES = {
    "text": ("text/plain", "text/markdown", "text/x-rst", "text/html", "application/epub+zip"),
    "table": ("text/csv", "text/tab-separated-values", "application/vnd.apache.parquet", f"{OFFICE}spreadsheetml"),
    "data": ("application/json", "application/yaml", "application/toml", "application/xml"),
    "pdf": ("application/pdf",),
    "office": (OFFICE,),
    "code": ("text/", "application/sql", "application/x-"),
}


def family_of(media_type: str) -> str:
    """Empty for what belongs to none."""
    return next((name for name, heads in FAMILIES.items() if media_type.startswith(heads)), "")


@dataclass(frozen=True)
class Scope:
    """Every part narrows; an empty one does not.

    `tags`: of the memory or of the document, any of them. `types`: families of media types (FAMILIES), any of them.
    `author`: of the commit that added the passage, any part of the name. `since` and `until`: days of that commit,
    both included. `path`: a part of the document's path, or a pattern with * and ?. `as_of`: the state at that
    moment, or, in one memory, at that commit.
    """

    memories: tuple[UUID, ...] | None = None
    workspace: int | None = None
    tags: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    author: str = ""
    since: date | None = None
    until: date | None = None
    path: str = ""
    as_of: int | datetime | None = None
