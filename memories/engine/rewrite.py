"""New files from old ones: vacuum, merge, erase."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .changes import Planner
from .errors import NotFound
from .log import Log
from .memory import Memory
from .model import Outcome
from .pages import Kind
from .profiles import Profile, choose_profile
from .publishing import building
from .replay import OldCommit, Tally, join_attachments, records_of, replay
from .writer import Note

Progress = Callable[[int, int, str], None] | None
ERASED = "[erased]"


def like(profile: Profile, path: Path, config: Any = None) -> Memory:
    """A new memory drawn like another, with the settings that this build has for its codec."""
    if config is not None:
        return Memory.create(path, profile.name, profile.codec, config)
    geometry = profile.geometry
    memory = Memory.create(path)
    memory.settle_profile(
        choose_profile(
            profile.name, profile.codec, profile.threads, fps=profile.fps,
            version=geometry.version, error=geometry.error, scale=geometry.scale, border=geometry.border,
            width=geometry.width, height=geometry.height,
        )
    )  # fmt: skip
    return memory


def vacuum(
    source: Memory,
    out: Path,
    config: Any = None,
    progress: Progress = None,
    *,
    author: str | None = None,
    request: str = "",
    metadata: dict[str, Any] | None = None,
) -> Memory:
    """The present state alone, as one commit; documents keep their numbers and chunks their ids."""
    head = source.head
    origin = {"kind": "vacuum", "id": source.id, "commit": head.number, "hash": head.hash.hex()}
    with building(out) as temporary, like(source.profile, temporary, config) as fresh:
        facts = {"origin": origin, **_roots(source), **(metadata or {})}
        note = Note(head.author if author is None else author, f"Vacuum of commit {head.number}", request, facts)
        fresh.apply(lambda planner: _copy_all(source, planner), note, progress=progress, even_if_empty=True)
    return Memory.open(out)


def _roots(source: Memory) -> dict[str, Any]:
    """The roots of earlier syncs, so that a rewritten memory can go on following them."""
    found = {}
    for commit in source.commits():
        for root in commit.metadata.get("roots", []):
            found[str(root)] = root
    return {"roots": list(found.values())} if found else {}


def _copy_all(source: Memory, planner: Planner) -> None:
    for document in sorted(source.documents(), key=lambda document: document.number):
        record = source.state.documents[document.number]
        _copy(source, planner, record, record["number"])


def _copy(source: Memory, planner: Planner, record: dict[str, Any], number: int | None) -> Outcome:
    chunks = ((c.ref.order, c.text, c.metadata) for c in map(source.read, source.chunks(record["number"])))
    original = source.content(record["number"]) if record.get("original") else None
    return planner.copy(record, chunks, original, number)


def merge(
    out: Path,
    sources: list[Path],
    config: Any = None,
    profile: str | None = None,
    progress: Progress = None,
    names: list[str] | None = None,
) -> Memory:
    """One commit for each source with its present state; where it came from is noted in the commit.

    `names`: what the sources are called, where that is not the name of their file.
    """
    if not sources:
        raise NotFound("there is nothing to merge: name at least one memory")
    opened: list[Memory] = []
    try:
        opened = [Memory.open(path) for path in sources]
        with building(out) as temporary:
            base = opened[0].profile
            fresh = Memory.create(temporary, profile, None, config) if profile else like(base, temporary, config)
            with fresh:
                for source, name in zip(opened, names or [source.path.name for source in opened], strict=True):
                    _merge_one(fresh, source, name, progress)
    finally:
        for source in opened:
            source.close()
    return Memory.open(out)


def _merge_one(fresh: Memory, source: Memory, name: str, progress: Progress) -> None:
    head = source.head
    origin = {
        "kind": "merge",
        "id": source.id,
        "file": name,
        "commit": head.number,
        "hash": head.hash.hex(),
    }

    def plan(planner: Planner) -> None:
        for document in source.documents():
            record = source.state.documents[document.number]
            there = planner.present(record["path"])
            if there is None:
                _copy(source, planner, record, None)
            elif there["digest"] == record["digest"]:
                planner.changes.outcomes.append(Outcome(record["path"], "unchanged", document=there["number"]))
            else:
                _copy(source, planner, {**record, "path": _free_path(planner, record["path"], name)}, None)

    note = Note(head.author, f"Merged {name} (commit {head.number})", metadata={"origin": origin})
    fresh.apply(plan, note, progress=progress, even_if_empty=True)


def _free_path(planner: Planner, path: str, name: str) -> str:
    """Another document has this path: the memory's name goes in front, and a number if that is taken too."""
    folder = name.removesuffix(".mp4").replace("/", "-").strip(". ") or "memory"
    candidate, count = f"{folder}/{path}", 2
    while planner.present(candidate) is not None:
        candidate, count = f"{folder}-{count}/{path}", count + 1
    return candidate


def erase(source: Memory, paths: list[str], out: Path, progress: Progress = None) -> Memory:
    """Every commit again, without the documents that ever had one of the paths; the dictionary is trained anew."""
    log = source.log
    history = _documents_ever(log)
    gone = {number for number, names in history.items() if names & set(paths)}
    missing = set(paths) - set().union(*history.values(), set())
    if missing or not gone:
        raise NotFound(f"no commit of {source.path} has a document {sorted(missing)[0] if missing else ''!r}")
    with building(out) as temporary, like(source.profile, temporary) as fresh:
        tally = Tally()
        for info in log.commit_infos:
            frames = range(info["first_frame"], info["first_frame"] + info["frames"])
            originals = join_attachments(log.page(n) for n in frames if log.directory.kind(n) == Kind.ATTACHMENT)
            pages = (log.page(n) for n in frames if log.directory.kind(n) != Kind.PARITY)
            commit = OldCommit(_without_names(info, paths), records_of(pages, log.parse, frozenset(frames)), originals)
            replay(fresh, commit, lambda number: number not in gone, tally, progress)
    return Memory.open(out)


def _without_names(info: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The commit's facts with the erased documents' paths, and their bare names, struck out of what people wrote.

    What the commit says about the memory itself ("workspace") stays.
    """
    names = sorted({name for path in paths for name in (path, path.rpartition("/")[2])}, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names if name))

    def strike(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(ERASED, value)
        if isinstance(value, list):
            return [strike(item) for item in value]
        return {key: strike(item) for key, item in value.items()} if isinstance(value, dict) else value

    kept = {key: value if key == "workspace" else strike(value) for key, value in info["metadata"].items()}
    return {**info, "message": strike(info["message"]), "metadata": kept}


def _documents_ever(log: Log) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for segment in log.directory.segments:
        for row in range(segment.rows["documents"]):
            record = segment.record(row)
            if "path" in record:
                found.setdefault(record["number"], set()).add(record["path"])
    return found
