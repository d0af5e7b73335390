"""Making a memory follow its roots: which documents are to go, and when that is refused."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from memories.engine.errors import MemvidError
from memories.engine.gather import Gathering
from memories.engine.ingest.walk import posix_name

if TYPE_CHECKING:
    from memories.engine.memory import Memory

# More than this share of the documents disappears only when a person has said yes.
LARGEST_SHARE = 0.20


def gone(memory: "Memory", gathering: Gathering, confirmed: bool = False) -> list[str]:
    """Paths of documents whose files are no longer there, inside roots that an earlier run recorded.

    Nothing is gone if any folder could not be looked at: what was not seen may still exist.
    """
    if not gathering.complete:
        return []
    earlier = {root.name for root in gathering.recorded if root.kind == "folder"}
    followed = {name: place for name, place in gathering.roots.items() if name in earlier}
    present = gathering.names()
    documents = [document.path for document in memory.documents()]
    lost = [path for path in documents if path not in present and _is_gone(path, followed)]
    if len(lost) > LARGEST_SHARE * len(documents) and not confirmed:
        raise MemvidError(
            f"this would delete {len(lost)} of {len(documents)} documents (first: {lost[0]!r}); "
            "say --yes if that is right"
        )
    return lost


def _is_gone(path: str, followed: dict[str, Path]) -> bool:
    """Files that are there but were left out by a filter are not gone."""
    owner = max((name for name in followed if path.startswith(name + "/")), key=len, default=None)
    if owner is None:
        return False
    return not _is_there(followed[owner], path.removeprefix(owner + "/").split("/"))


def _is_there(folder: Path, parts: list[str]) -> bool:
    """Whether some file below `folder` is called so in a memory, where bytes that are no text are written out."""
    if not parts:
        return True
    name, *rest = parts
    if os.path.lexists(folder / name) and _is_there(folder / name, rest):
        return True
    return "\\x" in name and any(
        _is_there(folder / entry, rest) for entry in _listed(folder) if posix_name(entry) == name
    )


def _listed(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []
