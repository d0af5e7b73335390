"""New files from old ones: vacuum, merge, erase."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from .changes import Planner
from .errors import NotFound
from .ingest.walk import posix_name
from .log import Log
from .memory import Memory
from .model import Outcome
from .pages import Kind
from .profiles import Profile, choose_profile
from .publishing import building
from .replay import OldCommit, Tally, join_attachments, records_of, replay
from .roots import in_commits, recorded_roots, root_records
from .writer import Note

Progress = Callable[[int, int, str], None] | None
ERASED = "[erased]"
LEAST_STEM = 4  # characters
LONGEST_LABEL = 60


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
        facts = {"origin": origin, **(metadata or {})}
        note = Note(head.author if author is None else author, f"Vacuum of commit {head.number}", request, facts)
        roots = root_records(recorded_roots(source.commits()))
        _apply(fresh, lambda planner: _copy_all(source, planner), note, roots, progress)
    return Memory.open(out)


def _apply(
    fresh: Memory, plan: Callable[[Planner], None], note: Note, roots: list[dict[str, Any]], progress: Progress
) -> None:
    first, *others = in_commits(roots)
    metadata = note.metadata | ({"roots": first} if first else {})
    fresh.apply(plan, replace(note, metadata=metadata), progress=progress, even_if_empty=True)
    fresh.note_roots(others, note.author)


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
                    _merge_one(fresh, source, posix_name(name), out, progress)
    finally:
        for source in opened:
            source.close()
    return Memory.open(out)


def _merge_one(fresh: Memory, source: Memory, name: str, out: Path, progress: Progress) -> None:
    head = source.head
    origin = {"kind": "merge", "id": source.id, "file": name, "commit": head.number, "hash": head.hash.hex()}
    roots, renamed = _carried(fresh, source, name, out)

    def plan(planner: Planner) -> None:
        for document in source.documents():
            _merge_document(source, planner, source.state.documents[document.number], name, renamed)

    note = Note(head.author, f"Merged {name} (commit {head.number})", metadata={"origin": origin})
    _apply(fresh, plan, note, roots, progress)


def _merge_document(
    source: Memory, planner: Planner, record: dict[str, Any], label: str, renamed: dict[str, str]
) -> None:
    path = record["path"]
    for candidate in (path, _moved(path, renamed)):
        there = planner.present(candidate)
        if there is not None and there["digest"] == record["digest"]:
            planner.changes.outcomes.append(Outcome(candidate, "unchanged", document=there["number"]))
            return
    free = _free(label, _moved(path, renamed), lambda name: planner.present(name) is not None)
    _copy(source, planner, {**record, "path": free}, None)


def _carried(fresh: Memory, source: Memory, label: str, out: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The source's roots for the merged memory, and the new names of those whose name another place has there.

    A place as seen from the source's folder means nothing in another folder and is left out there.
    """
    taken = {root.name: root for root in recorded_roots(fresh.commits())} if fresh.exists else {}
    beside = source.path.resolve().parent == out.resolve().parent
    roots, renamed = [], {}
    for root in {root.name: root for root in recorded_roots(source.commits())}.values():
        places = root.places if beside else root.places[:1]
        strangers = [name for name, other in taken.items() if not set(other.places) & set(places)]
        name = _free(label, root.name, lambda name, strangers=strangers: _overlaps(name, strangers))
        if name in taken:  # the same folder in both
            places = tuple(dict.fromkeys((*taken[name].places, *places)))
        if name != root.name:
            renamed[root.name] = name
        roots.append(replace(root, name=name, places=places))
    return root_records(roots), renamed


def _overlaps(name: str, others: Iterable[str]) -> bool:
    return any(f"{name}/".startswith(f"{other}/") or f"{other}/".startswith(f"{name}/") for other in others)


def _moved(path: str, renamed: dict[str, str]) -> str:
    for old, new in renamed.items():
        if path == old or path.startswith(f"{old}/"):
            return new + path.removeprefix(old)
    return path


def _free(name: str, path: str, taken: Callable[[str], bool]) -> str:
    """The path; if it is taken, with the memory's name in front, and a number if that is taken too."""
    label = name.removesuffix(".mp4").replace("/", "-").strip(". ")[:LONGEST_LABEL] or "memory"
    candidate, count = path, 1
    while taken(candidate):
        candidate, count = f"{label}{f'-{count}' if count > 1 else ''}/{path}", count + 1
    return candidate


def erase(source: Memory, documents: list[str | int], out: Path, progress: Progress = None) -> Memory:
    """Every commit again, without the documents that ever had one of the paths or numbers; the dictionary
    is trained anew."""
    log = source.log
    history = _documents_ever(log)
    gone = set().union(*(_called(history, wanted, source) for wanted in documents))
    if not gone:
        raise NotFound("there is nothing to erase: name at least one document")
    strike = striker(set().union(*(history[number] for number in gone)))
    with building(out) as temporary, like(source.profile, temporary) as fresh:
        tally = Tally()
        for info in log.commit_infos:
            frames = range(info["first_frame"], info["first_frame"] + info["frames"])
            originals = join_attachments(log.page(n) for n in frames if log.directory.kind(n) == Kind.ATTACHMENT)
            pages = (log.page(n) for n in frames if log.directory.kind(n) != Kind.PARITY)
            records = records_of(pages, log.blocks.parse, frozenset(frames))
            commit = OldCommit(_without_names(info, strike), records, originals)
            replay(fresh, commit, lambda number: number not in gone, tally, progress)
    return Memory.open(out)


def _called(history: dict[int, set[str]], wanted: str | int, source: Memory) -> set[int]:
    """The documents that ever had this path, or else the one of this number."""
    found = {number for number, names in history.items() if wanted in names or wanted == number}
    if not found and isinstance(wanted, str):
        found = {number for number in history if wanted == str(number)}
    if not found:
        raise NotFound(f"no commit of {source.path} has a document {wanted!r}")
    return found


def striker(paths: Iterable[str]) -> Callable[[Any], Any]:
    """A function that strikes erased documents' names out of every text in a JSON value, as whole words.

    Their paths, the names in their folders, and these without the suffix, unless that is too short to mean them.
    """
    files = [PurePosixPath(path) for path in paths]
    names = {str(file) for file in files} | {file.name for file in files}
    names |= {file.stem for file in files if len(file.stem) >= LEAST_STEM}
    ordered = sorted((*paths, *names), key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in ordered if name))

    def strike(value: Any) -> Any:
        if isinstance(value, str):
            return pattern.sub(ERASED, value)
        if isinstance(value, list):
            return [strike(item) for item in value]
        return {key: strike(item) for key, item in value.items()} if isinstance(value, dict) else value

    return strike


def _without_names(info: dict[str, Any], strike: Callable[[Any], Any]) -> dict[str, Any]:
    """The facts of a commit; what it says about the memory itself ("workspace") stays."""
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
