"""Background indexing: jobs as files, so that every process sees them and none is lost with its parent.

A job is `<id>.json` (replaced atomically), `<id>.log` and `<id>.lock` in `$MEMVID_HOME/jobs`. Its worker is
a detached process that inherits the locked descriptor from whoever started it, so the lock is held from
before the job exists until the worker ends, however it ends. A job that is not finished and whose lock is
free was interrupted; running it again continues, because each batch of vectors is in the memory at once.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from memories.engine.config import Config
from memories.engine.errors import Locked, MemvidError, NotFound

UNFINISHED = ("queued", "running")
FINISHED = ("done", "failed")
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # no letters that look like digits
KEEP = timedelta(days=30)
POLL_SECONDS = 0.1
PROGRESS_STEP = 0.01

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Job:
    """`state` is queued, running, done, failed, or (found, never stored) interrupted."""

    id: str
    video: str
    index: str | None = None
    state: str = "queued"
    progress: float = 0.0
    created: str = ""
    started: str | None = None
    finished: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_seconds(self) -> float | None:
        if not (self.started and self.finished):
            return None
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()


@dataclass(frozen=True)
class IndexingStatus:
    """`progress` runs from 0 to 1; `duration_seconds` is known once the job is finished."""

    job_id: str
    state: str
    progress: float
    duration_seconds: float | None
    error: str | None


def default_home() -> Path:
    if home := os.environ.get("MEMVID_HOME"):
        return Path(home)
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "memvid"


def worker_command() -> list[str]:
    return [sys.executable, "-m", "memories.cli", "index-run"]


class JobStore:
    """`command` starts a worker; the job's id and `--lock FD` are appended to it."""

    def __init__(self, home: Path | None = None, command: list[str] | None = None) -> None:
        self.folder = (home or default_home()) / "jobs"
        self.command = command or worker_command()
        self._children: list[subprocess.Popen[bytes]] = []

    def submit(self, video: str | Path, index: str | Path | None = None, config: Config | None = None) -> Job:
        if not Path(video).is_file():
            raise NotFound(f"no such memory: {video}")
        self._make_folder()
        self._prune()
        job = Job(
            id="idx_" + "".join(secrets.choice(ALPHABET) for _ in range(8)),
            video=str(Path(video).resolve()),
            index=str(Path(index).resolve()) if index else None,
            created=_now(),
            settings=(config or Config()).to_dict(),
        )
        self._start(job)
        return job

    def get(self, job_id: str) -> Job:
        """The lock is looked at before the record: a worker writes its end before it lets go."""
        path = self._path(job_id, "json")
        with self._store_lock():
            held = self._held(job_id)
            job = _read(path)
        if job.state in UNFINISHED and not held:
            return replace(job, state="interrupted")
        return job

    def jobs(self) -> list[Job]:
        """Oldest first."""
        return self.survey()[0]

    def survey(self) -> tuple[list[Job], list[str]]:
        """The jobs, oldest first, and a line about each record that is none and was skipped."""
        found, bad = [], []
        for path in sorted(self.folder.glob("idx_*.json")):
            try:
                found.append(self.get(path.stem))
            except MemvidError as error:
                bad.append(str(error))
            except OSError as error:
                bad.append(f"{error.filename or path}: {error.strerror}: it was skipped; remove it")
        return sorted(found, key=lambda job: (job.created, job.id)), bad

    def resume(self, job_id: str) -> Job:
        """Starts a worker for an interrupted or failed job; others are returned as they are."""
        job = self.get(job_id)
        if job.state in ("queued", "running", "done"):
            return job
        job = replace(job, state="queued", error=None, finished=None)
        with contextlib.suppress(Locked):  # somebody else resumed it in between
            self._start(job)
        return self.get(job_id)

    def wait(
        self,
        job_id: str,
        timeout: float | None = None,
        watch: Callable[[Job], None] | None = None,
        resumed: Callable[[Job], None] | None = None,
    ) -> Job:
        """The finished job; an interrupted one is resumed, once. Past the timeout: a MemvidError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        tried = False
        while (job := self.get(job_id)).state not in FINISHED:
            if job.state == "interrupted":
                if tried:
                    raise MemvidError(f"{job_id} was interrupted again; see {self.log(job_id)}")
                tried, job = True, self.resume(job_id)
                if resumed:
                    resumed(job)
            if watch:
                watch(job)
            if deadline is not None and time.monotonic() >= deadline:
                raise MemvidError(f"{job_id} is still {job.state} ({job.progress:.0%}) after {timeout:g} s")
            time.sleep(POLL_SECONDS)
        self._reap()
        return job

    def run(self, job_id: str, build: Callable[[Job, Progress], list[str]], lock: int | None = None) -> Job:
        """The worker: `build` makes the index and returns notes. `lock` is an inherited, locked descriptor."""
        with self._own_lock(job_id, lock):
            job = _read(self._path(job_id, "json"))
            with self._video_lock(job.video):
                job = self._save(replace(job, state="running", started=_now(), progress=0.0))
                job = self._outcome(job, build)
            return self._save(replace(job, finished=_now()))

    def log(self, job_id: str) -> Path:
        return self._path(job_id, "log")

    def _outcome(self, job: Job, build: Callable[[Job, Progress], list[str]]) -> Job:
        try:
            notes = build(job, self._recorder(job))
        except MemvidError as error:
            return self._failed(job, str(error))
        except Exception as error:
            traceback.print_exc()  # into the job's log
            return self._failed(job, f"{type(error).__name__}: {error}".splitlines()[0])
        return replace(job, state="done", progress=1.0, notes=tuple(notes))

    def _failed(self, job: Job, error: str) -> Job:
        return replace(_read(self._path(job.id, "json")), state="failed", error=error)

    def _recorder(self, job: Job) -> Progress:
        written = 0.0

        def record(done: int, total: int, stage: str = "") -> None:
            nonlocal written
            share = done / total if total else 0.0
            if share >= written + PROGRESS_STEP:
                written = share
                self._save(replace(job, progress=min(share, 1.0)))

        return record

    def _start(self, job: Job) -> None:
        self._reap()
        with self._own_lock(job.id, None) as lock:
            self._save(job)
            environment = dict(os.environ)
            root = str(Path(__file__).resolve().parents[2])
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
            environment["MEMVID_HOME"] = str(self.folder.resolve().parent)
            with open(self.log(job.id), "ab") as log:
                child = subprocess.Popen(
                    [*self.command, job.id, "--lock", str(lock)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[lock],
                    start_new_session=True,
                    env=environment,
                )
            self._children.append(child)

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def _save(self, job: Job) -> Job:
        path = self._path(job.id, "json")
        temporary = path.with_suffix(".json.tmp")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(asdict(job), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        return job

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _opened(self.folder / ".lock"):
                pass
        except OSError as error:
            raise MemvidError(
                f"no job can be kept in {self.folder} ({error.strerror}): set MEMVID_HOME to a folder of yours"
            ) from None

    def _prune(self) -> None:
        oldest = (datetime.now(UTC) - KEEP).isoformat()
        for job in self.jobs():
            if job.state in FINISHED and job.finished and job.finished < oldest:
                for kind in ("json", "log", "lock"):
                    with contextlib.suppress(OSError):  # one that cannot go now may go later
                        self._path(job.id, kind).unlink()

    def _path(self, job_id: str, kind: str) -> Path:
        if not re.fullmatch(r"idx_[0-9a-z]{1,32}", job_id):
            raise NotFound(f"no such job: {job_id!r}; memvid index-jobs lists them")
        return self.folder / f"{job_id}.{kind}"

    @contextlib.contextmanager
    def _store_lock(self) -> Iterator[None]:
        """Held for a moment, so that looking at a job's lock never makes another's attempt on it fail."""
        if not self.folder.is_dir():
            yield
            return
        with _opened(self.folder / ".lock") as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    def _held(self, job_id: str) -> bool:
        path = self._path(job_id, "lock")
        if not path.exists():
            return False
        with _opened(path) as descriptor:
            return not _try_lock(descriptor)

    @contextlib.contextmanager
    def _own_lock(self, job_id: str, inherited: int | None) -> Iterator[int]:
        if inherited is not None:
            os.set_inheritable(inherited, False)
            yield inherited
            return
        with _opened(self._path(job_id, "lock")) as descriptor:
            with self._store_lock():
                if not _try_lock(descriptor):
                    raise Locked(f"{job_id} is running already")
            yield descriptor

    @contextlib.contextmanager
    def _video_lock(self, video: str) -> Iterator[None]:
        """Jobs on one memory run one after the other; the next finds less to do."""
        name = hashlib.sha256(video.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        with _opened(self.folder / f"video-{name}.lock") as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield


def submit_background_indexing(video: str | Path, index: str | Path | None = None, config: Config | None = None) -> str:
    return JobStore().submit(video, index, config).id


def get_indexing_status(job_id: str) -> IndexingStatus:
    return _status(JobStore().get(job_id))


def wait_for_indexing(job_id: str, timeout: float | None = None) -> IndexingStatus:
    """Returns when the job is done or failed; an interrupted one is resumed."""
    return _status(JobStore().wait(job_id, timeout))


def _status(job: Job) -> IndexingStatus:
    return IndexingStatus(job.id, job.state, job.progress, job.duration_seconds, job.error)


def _read(path: Path) -> Job:
    try:
        values = json.loads(path.read_text("utf-8"))
        job = Job(**{**values, "notes": tuple(values["notes"])})
        _check(job, path.stem)
        return job
    except FileNotFoundError as error:
        raise NotFound(f"no such job: {path.stem}; memvid index-jobs lists them") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MemvidError(f"the record of {path.stem} cannot be read; delete {path}") from error


def _check(job: Job, name: str) -> None:
    """ValueError or TypeError unless it is what `_save` writes."""
    texts = [job.video, job.created, *job.notes, *(t for t in (job.index, job.error) if t is not None)]
    if job.id != name or job.state not in UNFINISHED + FINISHED or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"not the record of {name}")
    if not 0 <= job.progress <= 1 or not isinstance(job.settings, dict):
        raise ValueError(f"the record of {name} has odd values")
    if job.state == "done" and not (job.started and job.finished):
        raise ValueError(f"the record of {name} lacks its times")
    for moment in (job.created, job.started, job.finished):
        if moment:
            datetime.fromisoformat(moment).astimezone(UTC)


def _now() -> str:
    return datetime.now(UTC).isoformat()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
