"""Saving what can be saved of a damaged file."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from .changes import Planner
from .commits import read_end
from .container import View, check_foreign
from .errors import Damaged, MemvidError, NotAMemory
from .locate import acknowledged_end
from .log import open_file
from .maintenance import content_digest
from .memory import Memory
from .model import ChunkRef
from .pages import WITH_DICTIONARY, Kind, Page
from .profiles import Profile, choose_profile
from .publishing import building
from .records import Block, inflate, inflate_json, parse
from .replay import OldCommit, Tally, join_attachments, records_of, replay
from .rewrite import like
from .scan import Spool, dictionary_part, mend, scan_fragments, scan_video
from .video import Decoder
from .walk import init_segment, own_boxes
from .writer import Note

Progress = Callable[[int, int, str], None] | None


@dataclass
class Repair:
    """What a repair could save. Empty lists mean that nothing was lost."""

    commits: int = 0
    restored_frames: list[int] = field(default_factory=list)
    lost_frames: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)  # paths of documents that lack a part now


def repair(path: Path, out: Path, progress: Progress = None) -> Repair:
    """A new file with everything that still reads, commit by commit; parity is used, losses are listed."""
    spool, finished = _scan(path, progress)
    try:
        report = Repair(restored_frames=mend(spool))
        profile = _profile_of(spool, report)
        numbers = set(spool.numbers())
        report.lost_frames = [n for n in range(max(numbers | {0, *spool.unreadable}) + 1) if n not in numbers]
        report.lost += _contents_of(path, report.lost_frames)
        with building(out) as temporary, like(profile, temporary) as fresh:
            tally = Tally()
            for commit in _salvage(spool, report, finished):
                replay(fresh, commit, lambda number: True, tally, progress)
                report.commits += 1
            if not report.commits:
                raise NotAMemory(f"{path} cannot be repaired: no commit of it can be read")
            _label_incomplete(fresh, report)
        return report
    finally:
        spool.close()


def _label_incomplete(fresh: Memory, report: Repair) -> None:
    """Documents that are no longer what was stored say so in their metadata, in a last commit."""
    changed = []
    for document in fresh.documents():
        digest = content_digest(fresh, document)
        if digest not in (None, document.digest):
            record = fresh.state.documents[document.number]
            changed.append({**record, "digest": digest.hex(), "meta": {**record["meta"], "incomplete": True}})
            report.incomplete.append(document.path)

    def plan(planner: Planner) -> None:
        for record in changed:
            planner.rewrite(record)

    if changed:
        fresh.apply(plan, Note(message=f"Repair: {len(changed)} documents are incomplete"))


def _profile_of(spool: Spool, report: Repair) -> Profile:
    """The profile in the manifest; a memory that lost it is drawn again in the usual one."""
    manifest = spool.get(0)
    try:
        if manifest is not None and manifest.kind == Kind.MANIFEST:
            return Profile.from_dict(inflate_json(manifest.payload).get("profile") or {})
    except Damaged:
        pass
    report.lost.append("the manifest (frame 0): the new file has the profile compact")
    return choose_profile("compact")


def _contents_of(path: Path, frames: list[int]) -> list[str]:
    """What the directory, where there is a readable one, says was in the lost frames."""
    if not frames:
        return []
    try:
        with Memory.open(path) as memory:
            paths = {document.number: document.path for document in memory.documents()}
            chunks = [chunk for chunk in memory.chunks() if _touches(memory, chunk, set(frames))]
    except MemvidError:
        return []
    return [f"chunk {chunk.id} of {paths[chunk.document]} (frame {chunk.frame})" for chunk in chunks]


def _touches(memory: Memory, chunk: ChunkRef, frames: set[int]) -> bool:
    """Whether a lost frame lies in the run that the chunk begins in and goes on through."""
    if chunk.frame in frames:
        return True
    records, number = 1, chunk.frame
    while records < chunk.frames:
        number += 1
        if memory.log.directory.kind(number) == Kind.RECORDS:
            records += 1
            if number in frames:
                return True
    return False


def _scan(path: Path, progress: Progress) -> tuple[Spool, Callable[[int], bool]]:
    """The pages, and whether the commit that ends with a page was finished as far as the file can tell."""
    descriptor = open_file(path)
    try:
        view = View(descriptor, os.fstat(descriptor).st_size)
        init = init_segment(view)
        boxes = own_boxes(view, len(init))
        if fragments := [box for box in boxes if box.kind == b"moof"]:
            spool = scan_fragments(view, fragments, Decoder(init), None, 0, progress)
            end = acknowledged_end(view, boxes)
            return spool, lambda number: spool.samples[number][0] < end
    except (NotAMemory, Damaged):
        check_foreign(view)  # not our own layout, or not any more: any demuxer will do
    finally:
        os.close(descriptor)
    return scan_video(path, progress), lambda number: True


def _salvage(spool: Spool, report: Repair, finished: Callable[[int], bool]) -> Iterator[OldCommit]:
    """The commits that have anything left, in order; a last one that was never finished is left out."""
    by_commit: dict[int, list[int]] = {}
    ends: dict[int, dict[str, Any]] = {}
    for page in spool.pages():
        by_commit.setdefault(page.commit, []).append(page.number)
        if page.kind == Kind.COMMIT_END:
            with suppress(Damaged):
                ends[page.commit] = read_end(page)
    reader = _TolerantReader(report)
    last_end = max(ends, default=0)
    for number in sorted(by_commit):
        if number > last_end and not finished(by_commit[number][-1]):
            report.lost.append(f"commit {number}, which was never finished")
            continue
        pages = [spool.get(n) for n in by_commit[number]]
        for page in pages:
            reader.learn(page)
        info = ends.get(number) or _unknown(number)
        records = records_of(reader.readable(pages), reader.block, frozenset(spool.parity), report.lost)
        originals = join_attachments(page for page in pages if page.kind == Kind.ATTACHMENT)
        yield OldCommit({**info, "number": number}, records, originals, report.lost)


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
