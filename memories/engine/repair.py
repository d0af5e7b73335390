"""Saving what can be saved of a damaged file."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from .changes import Planner
from .commits import read_end
from .container import View, init_segment
from .errors import Damaged, NotAMemory
from .log import open_file
from .maintenance import content_digest
from .memory import Memory
from .pages import WITH_DICTIONARY, Kind, Page
from .profiles import Profile
from .publishing import building
from .records import Block, inflate, inflate_json, parse
from .replay import OldCommit, Tally, join_attachments, records_of, replay
from .rewrite import like
from .scan import Spool, dictionary_part, mend, scan_fragments, scan_video
from .video import Decoder
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
            tally = Tally()
            for commit in _salvage(spool, report):
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


def _salvage(spool: Spool, report: Repair) -> Iterator[OldCommit]:
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
