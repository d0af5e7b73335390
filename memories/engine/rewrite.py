"""New files from old ones: vacuum, erase, merge, repair."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from . import varint
from .changes import Planner
from .commits import read_end
from .container import View, init_segment
from .errors import Damaged, NotAMemory, NotFound
from .log import Log, open_file
from .memory import Memory
from .model import Outcome
from .pages import CONTINUED, CONTINUES, WITH_DICTIONARY, Kind, Page
from .profiles import Profile, choose_profile
from .publishing import building
from .records import Block, Head, Operation, inflate, inflate_json, parse
from .scan import Spool, dictionary_part, mend, scan_fragments, scan_video
from .video import Decoder
from .writer import Note

Progress = Callable[[int, int, str], None] | None


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


def vacuum(source: Memory, out: Path, config: Any = None, progress: Progress = None) -> Memory:
    """The present state alone, as one commit; documents keep their numbers and chunks their ids."""
    head = source.head
    origin = {"kind": "vacuum", "id": source.id, "commit": head.number, "hash": head.hash.hex()}
    with building(out) as temporary, like(source.profile, temporary, config) as fresh:
        note = Note(head.author, f"Vacuum of commit {head.number}", metadata={"origin": origin, **_roots(source)})
        fresh.apply(lambda planner: _copy_all(source, planner), note, progress=progress)
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
    out: Path, sources: list[Path], config: Any = None, profile: str | None = None, progress: Progress = None
) -> Memory:
    """One commit for each source with its present state; where it came from is noted in the commit."""
    if not sources:
        raise NotFound("there is nothing to merge: name at least one memory")
    opened: list[Memory] = []
    try:
        opened = [Memory.open(path) for path in sources]
        with building(out) as temporary:
            base = opened[0].profile
            fresh = Memory.create(temporary, profile, None, config) if profile else like(base, temporary, config)
            with fresh:
                for source in opened:
                    _merge_one(fresh, source, progress)
    finally:
        for source in opened:
            source.close()
    return Memory.open(out)


def _merge_one(fresh: Memory, source: Memory, progress: Progress) -> None:
    head = source.head
    origin = {
        "kind": "merge",
        "id": source.id,
        "file": source.path.name,
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
                _copy(source, planner, {**record, "path": _free_path(planner, record["path"], source)}, None)

    note = Note(head.author, f"Merged {source.path.name} (commit {head.number})", metadata={"origin": origin})
    fresh.apply(plan, note, progress=progress, even_if_empty=True)


def _free_path(planner: Planner, path: str, source: Memory) -> str:
    """Another document has this path: the memory's name goes in front, and a number if that is taken too."""
    candidate, count = f"{source.path.stem}/{path}", 2
    while planner.present(candidate) is not None:
        candidate, count = f"{source.path.stem}-{count}/{path}", count + 1
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
        tally = _Tally()
        for info in log.commit_infos:
            pages = (log.page(n) for n in range(info["first_frame"], info["first_frame"] + info["frames"]))
            commit = _Commit(info, list(_records(pages, log.parse)))
            commit.attachments = _attachments(log, info)
            _replay(fresh, commit, lambda number: number not in gone, tally, progress)
    return Memory.open(out)


def _documents_ever(log: Log) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for segment in log.directory.segments:
        for row in range(segment.rows["documents"]):
            record = segment.record(row)
            if "path" in record:
                found.setdefault(record["number"], set()).add(record["path"])
    return found


@dataclass
class _Commit:
    info: dict[str, Any]
    records: list[Head | Operation]
    attachments: dict[int, bytes] = field(default_factory=dict)


@dataclass
class _Tally:
    """Running state of a replay, from which the totals of each commit are counted."""

    documents: set[int] = field(default_factory=set)
    sizes: dict[int, dict[int, int]] = field(default_factory=dict)
    next_document: int = 1


def _replay(fresh: Memory, commit: _Commit, keep: Callable[[int], bool], tally: _Tally, progress: Progress) -> None:
    info = commit.info
    note = Note(info["author"], info["message"], info["request"], dict(info["metadata"]), info["time"])

    def plan(planner: Planner) -> None:
        changes = planner.changes
        for record in commit.records:
            number = record.document if isinstance(record, Operation) else record.delete or record.put["number"]
            if keep(number):
                if isinstance(record, Head) and record.put is not None and number in commit.attachments:
                    changes.attach(number, commit.attachments[number])
                _count(record, number, tally, changes)
        tally.next_document = max(tally.next_document, info["next_document"])
        changes.next_document = tally.next_document

    fresh.apply(plan, note, progress=progress, even_if_empty=True)


def _count(record: Head | Operation, number: int, tally: _Tally, changes: Any) -> None:
    """Adds the record and what it does to the totals; operations of documents that are not there are left out."""
    sizes = tally.sizes.setdefault(number, {})
    if isinstance(record, Head):
        if record.put is not None:
            changes.documents += number not in tally.documents
            tally.documents.add(number)
            tally.next_document = max(tally.next_document, number + 1)
        elif number in tally.documents:
            tally.documents.discard(number)
            changes.documents -= 1
            changes.chunks -= len(sizes)
            changes.text_bytes -= sum(sizes.values())
            tally.sizes[number] = {}
        else:
            return
    elif number not in tally.documents:
        return
    else:
        before = sizes.pop(record.order, None)
        changes.chunks -= before is not None
        changes.text_bytes -= before or 0
        if record.text is not None:
            sizes[record.order] = len(record.text)
            changes.chunks += 1
            changes.text_bytes += len(record.text)
    changes.spool.add(record)


def _records(pages: Any, read: Callable[[Page], Block], lost: list[str] | None = None) -> Iterator[Head | Operation]:
    """Records of a commit in order; what a lost page cuts off is left out and said in `lost`."""
    pending: Operation | None = None
    expected = None
    for page in pages:
        gap = expected is not None and page.number != expected
        expected = page.number + 1
        if gap and pending is not None:
            lost.append(f"chunk {pending.document}/{pending.order} of commit {page.commit}")
            pending = None
        if page.kind != Kind.RECORDS:
            continue
        block = read(page)
        yield from (Head(put=record) for record in block.documents)
        yield from (Head(delete=number) for number in block.deleted)
        pieces = list(block.pieces)
        if page.flags & CONTINUED and pieces:
            piece = pieces.pop(0)
            if pending is not None:
                pending.text += piece.text or b""
            if pieces or not page.flags & CONTINUES:
                if pending is not None:
                    yield pending
                pending = None
        for index, piece in enumerate(pieces):
            operation = Operation(piece.document, piece.order, piece.text, piece.metadata)
            if index == len(pieces) - 1 and page.flags & CONTINUES:
                pending = operation
            else:
                yield operation
    if pending is not None and lost is not None:
        lost.append(f"chunk {pending.document}/{pending.order}")


def _attachments(log: Log, info: dict[str, Any]) -> dict[int, bytes]:
    """Original bytes by document number, of one commit."""
    pages = range(info["first_frame"], info["first_frame"] + info["frames"])
    return _join_attachments(log.page(n) for n in pages if log.directory.kind(n) == Kind.ATTACHMENT)


def _join_attachments(pages: Any) -> dict[int, bytes]:
    parts: dict[int, list[bytes]] = {}
    totals: dict[int, int] = {}
    for page in pages:
        (document, part, total), at = varint.get_all(page.payload, 0, 3)
        if part == len(parts.setdefault(document, [])):
            parts[document].append(page.payload[at:])
        totals[document] = total
    whole = {document: b"".join(pieces) for document, pieces in parts.items() if len(pieces) == totals[document]}
    return {document: _unpacked(data) for document, data in whole.items()}


def _unpacked(data: bytes) -> bytes:
    """Attachments are zstd where that was smaller; the frame's magic number tells."""
    if data[:4] != b"\x28\xb5\x2f\xfd":
        return data
    try:
        size = zstandard.frame_content_size(data)
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=min(max(size, 0), 1 << 30))
    except zstandard.ZstdError:
        return data


@dataclass
class Repair:
    """What a repair could save. Empty lists mean that nothing was lost."""

    commits: int = 0
    restored_frames: list[int] = field(default_factory=list)
    lost_frames: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def repair(path: Path, out: Path, progress: Progress = None) -> Repair:
    """A new file with everything that still reads, commit by commit; parity is used, losses are listed."""
    spool = _scan(path, progress)
    try:
        report = Repair(restored_frames=mend(spool))
        manifest = spool.get(0)
        if manifest is None or manifest.kind != Kind.MANIFEST:
            raise NotAMemory(f"{path} cannot be repaired: its manifest (frame 0) is lost")
        profile = Profile.from_dict(inflate_json(manifest.payload).get("profile") or {})
        numbers = set(spool.numbers())
        report.lost_frames = [n for n in range(max(numbers) + 1) if n not in numbers]
        with building(out) as temporary, like(profile, temporary) as fresh:
            tally = _Tally()
            for commit in _salvage(spool, report):
                _replay(fresh, commit, lambda number: True, tally, progress)
                report.commits += 1
            if not report.commits:
                raise NotAMemory(f"{path} cannot be repaired: no commit of it can be read")
        return report
    finally:
        spool.close()


def _scan(path: Path, progress: Progress) -> Spool:
    descriptor = open_file(path)
    try:
        view = View(descriptor, os.fstat(descriptor).st_size)
        init = init_segment(view)
        boxes = [box for box in view.boxes(len(init)) if box.kind == b"moof"]
        if boxes:
            return scan_fragments(view, boxes, Decoder(init), None, 0, progress)
    except (NotAMemory, Damaged):
        pass  # not our own layout, or not any more: any demuxer will do
    finally:
        os.close(descriptor)
    return scan_video(path, progress)


def _salvage(spool: Spool, report: Repair) -> Iterator[_Commit]:
    """The commits that have anything left, in order; an unfinished last one is left out."""
    by_commit: dict[int, list[int]] = {}
    ends: dict[int, dict[str, Any]] = {}
    for page in spool.pages():
        by_commit.setdefault(page.commit, []).append(page.number)
        if page.kind == Kind.COMMIT_END:
            ends[page.commit] = read_end(page)
    reader = _TolerantReader(report)
    last_end = max(ends, default=0)
    for number in sorted(by_commit):
        if number > last_end:
            report.lost.append(f"commit {number} was never finished")
            continue
        pages = [spool.get(n) for n in by_commit[number]]
        for page in pages:
            reader.learn(page)
        info = ends.get(number) or _unknown(number)
        records = list(_records(reader.readable(pages), reader.block, report.lost))
        yield _Commit(info, records, _join_attachments(page for page in pages if page.kind == Kind.ATTACHMENT))


def _unknown(number: int) -> dict[str, Any]:
    message = f"Commit {number}, whose end page was lost"
    return {"author": "", "message": message, "request": "", "metadata": {}, "time": None, "next_document": 1}


class _TolerantReader:
    """Parses records pages, with the dictionary as far as it is whole."""

    def __init__(self, report: Repair):
        self._report = report
        self._parts: list[bytes] = []
        self._dictionary: zstandard.ZstdCompressionDict | None = None

    def learn(self, page: Page) -> None:
        if page.kind != Kind.DICTIONARY:
            return
        part, parts, data = dictionary_part(page)
        self._parts = [data] if part == 0 else [*self._parts, data]
        if part == parts - 1 and len(self._parts) == parts:
            self._dictionary = zstandard.ZstdCompressionDict(inflate(b"".join(self._parts)))

    def block(self, page: Page) -> Block:
        return parse(page.payload, self._dictionary if page.flags & WITH_DICTIONARY else None, page.flags)

    def readable(self, pages: list[Page]) -> Iterator[Page]:
        for page in pages:
            if page.kind == Kind.RECORDS:
                try:
                    self.block(page)
                except Damaged as error:
                    self._report.lost.append(f"frame {page.number}: {error}")
                    continue
            yield page
