"""What a memory is called and who may see it, noted in its file: a restore from the files alone brings it back.

Each commit of the site carries these facts in its metadata. A change of them alone becomes an empty commit.
"""

from typing import Any

from .engine import Memory as MemoryFile
from .engine.records import deflate_json
from .models import Memory, Visibility

KEY = "workspace"
ROOM = 900  # compressed bytes: a commit's end page must hold them beside the message
MOST_TAGS = 50


def of(row: Memory) -> dict[str, Any]:
    """{"workspace": {...}}, its description shortened where the page lacks room for it."""
    facts = {
        "workspace": row.workspace.name, "name": row.name, "description": row.description, "tags": row.tags,
        "visibility": row.visibility, "index_mode": row.index_mode,
    }  # fmt: skip
    while len(deflate_json(facts)) > ROOM and (facts["description"] or facts["tags"]):
        if facts["description"]:
            facts["description"] = facts["description"][: len(facts["description"]) * 3 // 4]
        else:
            facts["tags"] = facts["tags"][: len(facts["tags"]) // 2]
    return {KEY: facts}


def in_file(file: MemoryFile) -> dict[str, Any]:
    """The newest facts that a commit carries; {} where none does."""
    noted = (commit.metadata.get(KEY) for commit in reversed(file.commits()))
    return next((facts for facts in noted if isinstance(facts, dict)), {})


def restored(facts: dict[str, Any], fallback: str) -> dict[str, Any]:
    """Fields for a new row, whatever the file says: it may come from anybody."""
    text = {key: _text(facts.get(key)) for key in ("name", "description")}
    tags = [_text(tag)[:50] for tag in facts.get("tags") or () if isinstance(tag, str)]
    visibility, mode = facts.get("visibility"), facts.get("index_mode")
    return {
        "name": text["name"][:200] or fallback, "description": text["description"], "tags": tags[:MOST_TAGS],
        "visibility": visibility if visibility in Visibility.values else Visibility.PRIVATE,
        "index_mode": mode if mode in Memory.IndexMode.values else Memory.IndexMode.BACKGROUND,
    }  # fmt: skip


def _text(value: Any) -> str:
    return value.replace("\0", "") if isinstance(value, str) else ""
