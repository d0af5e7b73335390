"""The public face of a memory file."""

import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from . import locks
from .boxing import restored_box
from .changes import Planner
from .commits import as_commit
from .container import INDEX, make_box
from .errors import Conflict, Damaged, MemvidError, Unsupported, UsageError
from .log import Log
from .model import Commit, Outcome, Source
from .pages import FORMAT
from .present import Nothing, Present
from .profiles import Profile, profile_for, reading_settings
from .publishing import publish, temporary_beside
from .reader import Reader
from .roots import in_commits
from .writer import CommitWriter, Note, Target, payload_limit

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class CommitResult:
    """`commit` is None when nothing changed; `repeated` says that the request id had been committed before."""

    commit: Commit | None
    outcomes: list[Outcome] = field(default_factory=list)
    repeated: bool = False


class Memory(Reader):
    """A memory file, to be read and written.

    Writing methods take the writer lock, append, and show the new head afterwards.
    """

    # -- opening

    @classmethod
    def create(
        cls, path: str | os.PathLike, profile: str = "compact", codec: str | None = None, config: Any = None
    ) -> "Memory":
        """A memory that its first commit will write to `path`; nothing must be there.

        `config` may carry `video` and `qr` sections (see Config) that override the profile's settings.
        """
        path = Path(path)
        if path.exists():
            raise MemvidError(f"{path} exists already: append to it, or choose another name")
        chosen = profile_for(profile, codec, config)
        payload_limit(chosen)
        return cls(path, None, settings={"profile": chosen, **reading_settings(config)})

    @classmethod
    def open(cls, path: str | os.PathLike, at: int | str | datetime | None = None, config: Any = None) -> "Memory":
        """Raises NotFound, NotAMemory or Damaged. `at` is a commit number or a time (naive means local)."""
        reading = reading_settings(config)
        log = Log(Path(path), **reading)
        memory = cls(Path(path), log, settings=reading)
        try:
            memory._at = memory._commit_number(at) if at is not None else None
        except BaseException:
            log.close()
            raise
        return memory

    def settle_profile(self, profile: Profile) -> None:
        """Sets how a memory that has no commit yet will be drawn."""
        if self._log is not None:
            raise UsageError("a memory that has commits keeps its profile")
        payload_limit(profile)
        self._settings["profile"] = profile

    # -- writing

    def commit(
        self,
        sources: Iterable[Source],
        *,
        remove: Iterable[str] = (),
        message: str = "",
        author: str = "",
        request_id: str | None = None,
        expected_parent: bytes | None = None,
        roots: Iterable[dict[str, Any]] = (),
        metadata: dict[str, Any] | None = None,
        wait: float = 0.0,
        progress: Progress | None = None,
    ) -> CommitResult:
        """Stores the sources and removes the documents at `remove`, all or nothing.

        Acknowledged means on disk and read back. A repeated `request_id` answers with the earlier
        commit. Raises Conflict when the head is not `expected_parent` (a commit hash), Locked when
        another writer holds the file for longer than `wait` seconds.
        """
        facts = dict(metadata or {})
        kept, *more = in_commits(list(roots))
        if kept:
            facts["roots"] = kept

        def plan(planner: Planner) -> None:
            for source in sources:
                planner.put(source)
            for path in remove:
                planner.remove(path)

        note = Note(author or "", message or "", request_id or "", facts)
        result = self.apply(plan, note, expected_parent=expected_parent, wait=wait, progress=progress)
        if result.commit is not None and not result.repeated:
            self.note_roots(more, author)
        return result

    def note_roots(self, portions: Iterable[list[dict[str, Any]]], author: str = "") -> None:
        """Empty commits for the roots that the end page of a commit had no room for."""
        for roots in portions:
            note = Note(author or "", "More roots of the commit before", metadata={"roots": roots})
            self.apply(lambda planner: None, note, even_if_empty=True)

    def remove(self, paths: Iterable[str], **options: Any) -> CommitResult:
        """Deletes documents; their text stays in the history until the memory is vacuumed or erased."""
        return self.commit([], remove=paths, **options)

    def apply(
        self,
        plan: Callable[[Planner], None],
        note: Note,
        *,
        expected_parent: bytes | None = None,
        wait: float = 0.0,
        progress: Progress | None = None,
        even_if_empty: bool = False,
    ) -> CommitResult:
        """Lets `plan` fill a planner under the writer lock, then writes what it planned."""
        note.check()
        self._check_open()
        if self._at is not None:
            raise UsageError("a memory opened as of an earlier commit cannot be written: open it without `at`")
        if self._log is None and not self.path.exists():
            return self._create(plan, note, progress, even_if_empty)
        with locks.writer(self.path, wait) as descriptor:
            self._refresh()
            if (earlier := self._earlier(note.request)) is not None:
                return CommitResult(earlier, repeated=True)
            self._make_writable(descriptor, expected_parent)
            planner = Planner(Present(self.log), self.log.directory.head["next_document"])
            try:
                plan(planner)
                if planner.changes.empty and not even_if_empty:
                    return CommitResult(None, planner.changes.outcomes)
                info = CommitWriter(self._target(descriptor), planner.changes, note, progress).write()
            finally:
                planner.changes.close()
            self._refresh()
        return CommitResult(as_commit(info), planner.changes.outcomes)

    def _create(
        self, plan: Callable[[Planner], None], note: Note, progress: Progress | None, even_if_empty: bool
    ) -> CommitResult:
        """The first commit: written beside its final name and linked there when it is whole."""
        profile = self._settings["profile"]
        memory = secrets.token_bytes(16)
        manifest = {"format": FORMAT, "id": memory.hex(), "profile": profile.as_dict()}
        planner = Planner(Nothing(), 1)
        temporary = None
        try:
            plan(planner)
            if planner.changes.empty and not even_if_empty:
                return CommitResult(None, planner.changes.outcomes)
            descriptor, temporary = temporary_beside(self.path)
            try:
                target = Target(descriptor, profile, manifest, memory)
                info = CommitWriter(target, planner.changes, note, progress).write()
                publish(temporary, self.path)  # while it is locked: one that nobody holds may be cleared away
            finally:
                os.close(descriptor)
        finally:
            planner.changes.close()
            if temporary is not None and os.path.exists(temporary):
                os.unlink(temporary)
        self._refresh()
        return CommitResult(as_commit(info), planner.changes.outcomes)

    def _refresh(self) -> None:
        """Shows the file as it is now."""
        if self._log is not None and self._log.is_current():
            return
        log = Log(self.path, **{key: value for key, value in self._settings.items() if key != "profile"})
        if self._log is not None:
            if log.memory != self._log.memory:
                log.close()
                raise Conflict(f"{self.path} was replaced by another memory: open it again")
            self._log.close()
        self._log, self._state = log, None

    def _earlier(self, request: str) -> Commit | None:
        if not request:
            return None
        return next((as_commit(info) for info in self.log.commit_infos if info["request"] == request), None)

    def check_writable(self) -> None:
        """Raises Unsupported or Damaged where nothing may be appended, whoever asks."""
        if not self.log.native:
            raise Unsupported(
                f"{self.path} was re-muxed and cannot be appended to: `memvid vacuum` writes one that can"
            )
        if self.log.damage:
            raise Damaged(f"{self.path}, {self.log.damage}: `memvid repair` writes a new file with what reads")

    def _make_writable(self, descriptor: int, expected_parent: bytes | None) -> None:
        self.check_writable()
        if expected_parent is not None and expected_parent.hex() != self.log.directory.head["hash"]:
            raise Conflict(
                f"{self.path} has moved on to commit {self.log.directory.head['number']}: look at it and try again"
            )
        if self.log.length < self.log.view.length:
            os.ftruncate(descriptor, self.log.length)
            os.fsync(descriptor)

    def _target(self, descriptor: int) -> Target:
        log = self.log
        return Target(
            descriptor, log.profile, log.manifest, log.memory, log.length, log.init, log.directory,
            log.newest_index, lambda: log.blocks.dictionary(log.directory.pages),
        )  # fmt: skip

    def append_index(
        self, kind: str, model: str, header: dict[str, Any], payload: bytes, *,
        first_commit: int, last_commit: int, wait: float = 0.0,
    ) -> None:  # fmt: skip
        """Adds a derived box, outside the hash chain, under the writer lock."""
        self._check_open()
        with locks.writer(self.path, wait) as descriptor:
            self._refresh()
            self._make_writable(descriptor, None)
            self._restore_directory(descriptor)
            facts = {
                "kind": kind, "model": model, "commits": [first_commit, last_commit], "header": header,
                "directory": self.log.directory.segments[-1].box, "previous": self.log.newest_index,
            }  # fmt: skip
            _append_box(descriptor, self.log.length, make_box(INDEX, facts, {"payload": payload}))
            self._refresh()

    def _restore_directory(self, descriptor: int) -> None:
        """A writer killed behind its last fragment leaves a commit that no directory box names yet."""
        directory, end = self.log.directory, self.log.length
        if directory.segments[-1].box < 0:
            _append_box(descriptor, end, restored_box(directory, end, self.log.newest_index))
            self._refresh()

    # -- whole-file operations, in maintenance.py

    def verify(self, progress: Progress | None = None) -> Any:
        from .maintenance import verify

        return verify(self, progress)

    def diff(self, other: "Memory") -> Any:
        from .diff import diff

        return diff(self, other)

    def export(self, folder: str | os.PathLike) -> list[Outcome]:
        from .maintenance import export

        return export(self, Path(folder))

    def vacuum(
        self, out: str | os.PathLike, config: Any = None, progress: Progress | None = None, **note: Any
    ) -> "Memory":
        from .rewrite import vacuum

        return vacuum(self, Path(out), config, progress, **note)

    def erase(
        self, documents: Iterable[str | int], out: str | os.PathLike, progress: Progress | None = None
    ) -> "Memory":
        from .rewrite import erase

        return erase(self, list(documents), Path(out), progress)

    @staticmethod
    def repair(path: str | os.PathLike, out: str | os.PathLike, progress: Progress | None = None) -> Any:
        from .repair import repair

        return repair(Path(path), Path(out), progress)

    @staticmethod
    def merge(
        out: str | os.PathLike, sources: Iterable[str | os.PathLike], config: Any = None, **options: Any
    ) -> "Memory":
        from .rewrite import merge

        return merge(Path(out), [Path(source) for source in sources], config, **options)


def _append_box(descriptor: int, position: int, data: bytes) -> None:
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], position + written)
        os.fsync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, position)
        raise MemvidError(f"the index was not stored: {error.strerror}") from None
