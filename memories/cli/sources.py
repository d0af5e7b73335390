"""The memories that a search in several names: files, or a CONFIG.json that lists them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.engine.errors import MemvidError, UsageError

if TYPE_CHECKING:
    from search.engine.multi import Source

# Key -> what it is; the second names are those of the original's documentation.
KEYS = ("name", "video", "index", "tags", "description")
OTHER_NAMES = {"video_path": "video", "index_path": "index"}
LARGEST = 1 << 20  # bytes of a configuration


def sources(names: list[str]) -> "list[Source]":
    """Of memories named on the command line, of one CONFIG.json, or of both."""
    from search.engine.multi import Source

    found: list[Source] = []
    for name in names:
        found += _configured(Path(name)) if name.endswith(".json") else [Source(name, Path(name))]
    if not found:
        raise UsageError("name the memories: CONFIG.json or A.mp4 B.mp4 ...")
    paths = [source.path.resolve() for source in found]
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise UsageError(f"{found[place].path} is named twice")
    return found


def _configured(path: Path) -> "list[Source]":
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than a list of memories can be")
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise MemvidError(f"no such configuration: {path}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}") from None
    if isinstance(data, dict):
        _check_keys(path, "it", data, ("memories",))
        data = data.get("memories")
    if not isinstance(data, list) or not data:
        raise UsageError(f'{path} must list memories: [{{"name": ..., "video": ...}}, ...]')
    return [_source(path, f"memory {number}", entry) for number, entry in enumerate(data, 1)]


def _source(path: Path, which: str, entry: Any) -> "Source":
    from search.engine.multi import Source

    if not isinstance(entry, dict):
        raise UsageError(f"{path}: {which} must be an object with the keys {', '.join(KEYS)}")
    _check_keys(path, which, entry, (*KEYS, *OTHER_NAMES))
    facts = {}
    for key, value in entry.items():
        plain = OTHER_NAMES.get(key, key)
        if plain in facts:
            raise UsageError(f"{path}: {which} has both {plain!r} and {key!r}")
        facts[plain] = value
    for key in ("name", "video", "index", "description"):
        if facts.get(key) is not None and not isinstance(facts[key], str):
            raise UsageError(f"{path}: {key!r} of {which} must be a text")
        if key in ("video", "index") and "\0" in (facts.get(key) or ""):
            raise UsageError(f"{path}: {key!r} of {which} holds U+0000, which no name of a file can")
    tags = facts.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UsageError(f"{path}: 'tags' of {which} must be a list of texts")
    if not facts.get("video"):
        raise UsageError(f"{path}: {which} lacks the key 'video'")
    index = facts.get("index")
    return Source(
        facts.get("name") or facts["video"], _beside(path, facts["video"]), _beside(path, index) if index else None,
        tuple(tags), facts.get("description") or "",
    )  # fmt: skip


def _check_keys(path: Path, which: str, entry: dict, known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            raise UsageError(f"{path}: {which} has the unknown key {key!r}; known are {', '.join(known)}")


def _beside(path: Path, name: str) -> Path:
    """Names in a configuration are relative to its folder."""
    return path.parent / name
