"""Checking a whole memory and writing its documents back to a folder."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path, PurePosixPath

import numpy as np

from .changes import check_path
from .container import read_fragment
from .directory import SCHEMAS, Directory, join
from .errors import Damaged, MemvidError
from .locks import is_writing
from .log import Log
from .memory import Memory
from .model import Document, Outcome
from .pages import Page
from .publishing import writing
from .readers import read_with, readers
from .scan import Rebuilder, Spool
from .video import Decoder
from .walk import walk

SECOND_READER_FRAMES = 48  # pyzbar takes 10-60 ms a frame, so it reads a sample spread over the file
Progress = Callable[[int, int, str], None] | None


@dataclass
class Report:
    """`ok` means that every frame was read back and everything derived agrees with the pages."""

    frames: int = 0
    bad_frames: list[int] = field(default_factory=list)
    readers: list[str] = field(default_factory=readers)
    problems: list[str] = field(default_factory=list)
    second_reader_frames: int = 0

    @property
    def ok(self) -> bool:
        return not self.bad_frames and not self.problems


def verify(memory: Memory, progress: Progress = None) -> Report:
    """Reads every frame with zxing-cpp, some with pyzbar, checks the chain, rebuilds the directory from the pages."""
    log = memory.log
    report = Report(frames=log.directory.pages)
    report.problems += [note for note in log.notes if "re-muxed" not in note]
    if log.torn and log.is_current() and not is_writing(memory.path):
        report.problems.append(
            f"{log.torn} bytes after the last whole commit belong to none: the next writer removes them"
        )
    spool = Spool()
    try:
        _read_all(log, spool, report, progress)
        rebuilt = Rebuilder(spool).run()
        report.problems += rebuilt.problems
        if not rebuilt.problems and not report.bad_frames and log.native:
            _compare(rebuilt.directory(), log.directory, report)
        if log.native:
            _check_boxes(log, report)
        if report.ok:
            _check_documents(memory, report, progress)
    finally:
        spool.close()
    return report


def _read_all(log: Log, spool: Spool, report: Report, progress: Progress) -> None:
    total = report.frames
    sample = set(np.linspace(0, total - 1, min(total, SECOND_READER_FRAMES)).astype(int).tolist())
    small = min(log.profile.geometry.frame_size) < 256
    with ThreadPoolExecutor(2) as pool:
        for number, luma, page in _pages(log, pool):
            place = log.directory.place(number) if log.native else (0, 0)
            if page is None or page.number != number or page.memory != log.memory[:8]:
                _bad(report, log, number, "it does not read as the page that belongs there")
            else:
                spool.put(page, number, place)
                if number in sample and "pyzbar" in report.readers and luma is not None:
                    report.second_reader_frames += 1
                    second = read_with("pyzbar", luma)
                    if second != page and not (second is None and small):
                        _bad(report, log, number, "pyzbar reads something else than zxing-cpp")
            if progress:
                progress(number + 1, total, "verifying")


def _bad(report: Report, log: Log, number: int, reason: str) -> None:
    report.bad_frames.append(number)
    report.problems.append(f"{log.where(number)}: {reason}")


def _pages(log: Log, pool: ThreadPoolExecutor) -> Iterator[tuple[int, np.ndarray | None, Page | None]]:
    """(number, luma, page or None) for every frame, decoded in runs, read in threads."""
    if not log.native:
        yield from ((number, None, _try_page(log, number)) for number in range(log.directory.pages))
        return
    for first in range(0, log.directory.pages, 64):
        numbers = range(first, min(first + 64, log.directory.pages))
        lumas = _decode(log, numbers)
        pages = pool.map(lambda luma: None if luma is None else read_with("zxing-cpp", luma), lumas)
        yield from zip(numbers, lumas, pages, strict=True)


def _try_page(log: Log, number: int) -> Page | None:
    try:
        return log.page(number)
    except Damaged:
        return None


def _decode(log: Log, numbers: range) -> list[np.ndarray | None]:
    decoder, lumas = Decoder(log.init), []
    for number in numbers:
        try:
            lumas.append(next(iter(list(decoder.decode([log.view.read(*log.directory.place(number))])))).copy())
        except (Damaged, StopIteration):
            lumas.append(None)
    return lumas


def _compare(rebuilt: Directory, stored: Directory, report: Report) -> None:
    """The directory in the boxes must say what the pages say."""
    for name, schema in SCHEMAS.items():
        try:
            theirs = join([segment.table(name) for segment in stored.segments], schema)
        except Damaged as error:
            report.problems.append(str(error))
            continue
        ours = join([segment.table(name) for segment in rebuilt.segments], schema)
        for column in schema:
            if not np.array_equal(ours[column], theirs[column]):
                report.problems.append(f"the directory's {name} differ from the pages in {column}")
    if _records(rebuilt) != _records(stored):
        report.problems.append("the directory's document records differ from the pages")
    if _facts(rebuilt.commits()) != _facts(stored.commits()):
        report.problems.append("the directory's commits differ from the pages")
    if stored.head["dictionaries"] != rebuilt.head["dictionaries"]:
        report.problems.append("the directory names other dictionaries than the pages")


def _facts(commits: list[dict]) -> list[dict]:
    """What the pages can say of commits; `mux` is the digest of the boxes around them."""
    return [{key: value for key, value in info.items() if key != "mux"} for info in commits]


def _check_documents(memory: Memory, report: Report, progress: Progress) -> None:
    """Each present document's content must have the digest that its record gives for the original."""
    documents = memory.documents()
    for done, document in enumerate(documents, 1):
        try:
            check_path(document.path)
            if content_digest(memory, document) not in (None, document.digest):
                report.problems.append(f"{document.path} is not what was stored: its digest differs")
        except (MemvidError, UnicodeError, LookupError) as error:
            report.problems.append(f"{document.path}: {error}")
        if progress:
            progress(done, len(documents), "checking documents")


def content_digest(memory: Memory, document: Document) -> bytes | None:
    """SHA-256 of what the memory gives back; None where only extracted text was kept."""
    if document.encoding is None and document.original is None:
        return None
    digest = sha256()
    for piece in _contents(memory, document):
        digest.update(piece)
    return digest.digest()


def _records(directory: Directory) -> list[dict]:
    return [part.record(row) for part in directory.segments for row in range(part.rows["documents"])]


def _check_boxes(log: Log, report: Report) -> None:
    """Everything around the samples: the boxes that the muxer wrote, and the index boxes."""
    try:
        infos = {info["number"]: info.get("mux") for info in log.commit_infos}
        for number, digest in _mux_digests(log, report).items():
            if infos.get(number) not in (None, digest):
                report.problems.append(f"commit {number}: the MP4 boxes around its frames were changed")
        for box in log.index_boxes():
            box.load("payload")
    except (Damaged, KeyError) as error:
        report.problems.append(f"{error}: `memvid index` or `memvid repair` makes it anew")


def _mux_digests(log: Log, report: Report) -> dict[int, str]:
    """For each commit the digest of its file header and fragments without the samples; players need all of them."""
    header = log.view.read(0, len(log.init))
    starts = {info["first_frame"]: info["number"] for info in log.commit_infos}
    digests, frame, current = {}, 0, None
    for box in walk(log.view, len(log.init)):
        if box.offset >= log.length:
            break
        if not box.sound:
            report.problems.append(
                f"the {box.kind.decode()} box at byte {box.offset} is damaged: players may stop there"
            )
        if box.kind != b"moof":
            continue
        fragment = read_fragment(log.view.read(box.offset, box.size), box.offset)
        if frame in starts:
            current = digests[starts[frame]] = blake2b(header if frame == 0 else b"", digest_size=16)
        if current is not None:
            current.update(log.view.read(box.offset, fragment.offsets[0] - box.offset))
        frame += len(fragment.sizes)
    if frame != log.directory.pages:
        report.problems.append(f"players find {frame} frames where the memory has {log.directory.pages}")
    return {number: digest.hexdigest() for number, digest in digests.items()}


def export(memory: Memory, folder: Path) -> list[Outcome]:
    """Writes every present document below `folder`, byte for byte; nothing that exists is overwritten.

    One that is damaged, or not what its record says, fails alone and leaves no file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    root = Path(os.path.realpath(folder))
    names = sorted((str(record.get("path")), number) for number, record in memory.state.documents.items())
    return [_export_one(memory, path, number, root) for path, number in names]


def _export_one(memory: Memory, path: str, number: int, root: Path) -> Outcome:
    try:
        document = memory.document(number)
        extracted = document.encoding is None and document.original is None
        target = safe_join(root, f"{path}.txt" if extracted else path)
        _make_folder(target.parent, root)
        _write_checked(memory, document, target, extracted)
    except OSError as error:
        return Outcome(path, "failed", error.strerror or str(error), number)
    except MemvidError as error:
        return Outcome(path, "failed", str(error), number)
    except Exception as error:  # a record that lies may fail in any way
        return Outcome(path, "failed", f"its record is damaged: {error or type(error).__name__}", number)
    return Outcome(path, "stored", "the original was not kept: this is its text" if extracted else "", number)


def _make_folder(folder: Path, root: Path) -> None:
    """Asked before anything is made: a link in the way may lead anywhere."""
    if not Path(os.path.realpath(folder)).is_relative_to(root):
        raise MemvidError("a link inside the folder leads out of it")
    folder.mkdir(parents=True, exist_ok=True)


def _write_checked(memory: Memory, document: Document, target: Path, extracted: bool) -> None:
    digest = sha256()
    with writing(target) as out:
        for piece in _contents(memory, document):
            out.write(piece)
            digest.update(piece)
        if not extracted and digest.digest() != document.digest:
            raise Damaged("it is not what was stored: its digest differs")


def _contents(memory: Memory, document: Document) -> Iterator[bytes]:
    """The original, or the text chunk by chunk, so that a large document is never whole in memory."""
    if document.original is not None:
        yield memory.content(document.number)
        return
    for text in memory.chunk_texts(document.number):
        yield text.encode(document.encoding or "utf-8")


def safe_join(root: Path, name: str) -> Path:
    """`root / name` for a name that stays inside; raises MemvidError for any other."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise MemvidError(f"its path {name!r} leaves the folder")
    return root.joinpath(*parts)
