"""`make run`: everything up in order and watched, its output in one place, and all of it down again at Ctrl-C.

1. Refuse in one line what cannot work: settings, the port, the disk, a data folder that another run holds.
2. Stores (unless their addresses are given), migrations, web and meanwhile the first run, then worker and embedder.
3. Who ends is started again, up to a limit. A signal or a closed terminal ends everything, in reverse order.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .processes import Child, Console, Restarts
from .stores import Postgres, StoreFailed, Valkey, socket_folder

BASE = Path(__file__).resolve().parent.parent
LEAST_SPACE = 200 << 20  # bytes
_KNOWN_WARNINGS = "ignore:You're running the worker"  # as root, in a container or a virtual machine of its own
_POSTGRES_LATER = 10.0  # seconds that a database of somebody else's gets to answer
_WEB_LATER = 60.0


class Refused(Exception):
    """One line for the terminal: what is wrong and what to do."""


class Stopped(Exception):
    """Somebody asked for it while things were starting."""


def main() -> int:
    begun = time.monotonic()
    os.umask(0o077)  # what is kept here is for this user alone
    run = Run()
    run.listen_to_signals()
    try:
        run.start()
        run.console.say(f"\n  ready after {time.monotonic() - begun:.1f} s; Ctrl-C stops everything\n")
        run.watch()
    except Stopped:
        pass
    except (Refused, StoreFailed) as error:
        run.console.say(f"memvid: {error}")
        run.code = 1
    finally:
        run.end()
    return run.code


class Run:
    def __init__(self) -> None:
        self.stop, self.hurry, self.code = threading.Event(), threading.Event(), 0
        self.console = Console(self.stop.set)
        self.stores: list[Postgres | Valkey] = []
        self.children: list[Child] = []
        self._store_ends: dict[str, Restarts] = defaultdict(Restarts)
        self._environment = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONWARNINGS=_KNOWN_WARNINGS)

    def listen_to_signals(self) -> None:
        signal.signal(signal.SIGINT, self._asked)
        signal.signal(signal.SIGTERM, self._asked)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            signal.signal(signal.SIGHUP, self._asked)

    def _asked(self, *_: object) -> None:
        """The first time: end in order. Again: at once."""
        if self.stop.is_set():
            self.hurry.set()
        self.stop.set()

    # -- up

    def start(self) -> None:
        self.data, port = read_settings()
        self._environment["MEMVID_DATA_DIR"] = str(self.data)
        check_space(self.data)
        self._lock = lock(self.data)
        self._environment.setdefault("MEMVID_EMBEDDER_SOCKET", str(socket_folder(self.data) / "embedder.sock"))
        host = os.environ.get("MEMVID_BIND") or "127.0.0.1"
        self._listener = listen(host, port)
        self._start_stores()
        self._once("migrate", "migrate", "--noinput", "-v0")
        web = self._web("web")
        login = self._once("first run", "first_run", quiet=True)
        self._await_web(web, "127.0.0.1" if host in ("0.0.0.0", "::") else host, port)
        self.console.say("\n" + "\n".join(f"  {line}" for line in (f"open      http://localhost:{port}/", *login)))
        for number in range(2, web_processes() + 1):
            self._web(f"web {number}")
        self._child(
            "worker", "celery", "-q", "-A", "memvid_site", "worker", "-l", "WARNING", "--pool", "prefork", "-c", "2",
            "-B", "-s", str(self.data / "beat"), "--without-gossip", "--without-mingle",
            stop_signal=signal.SIGQUIT, whole_group=False, grace=15,
        )  # fmt: skip
        self._child("embedder", "search.embedder", self._environment["MEMVID_EMBEDDER_SOCKET"], needed=False)

    def _web(self, name: str) -> Child:
        """One of those that take connections from the same socket: Python computes on one core a process."""
        file = self._listener.fileno()
        return self._child(
            name, "memvid_site.serve", "--fd", str(file), "-v", "0", "--no-server-name", "--ping-interval", "15",
            "--websocket_connect_timeout", "20",  # a restart brings everybody back at once
            "memvid_site.asgi:application", DATABASE_POOL="1", files=[file],
        )  # fmt: skip

    def _start_stores(self) -> None:
        for variable, store, check in (
            ("DATABASE_URL", Postgres, self._check_database),
            ("REDIS_URL", Valkey, self._check_redis),
        ):
            if os.environ.get(variable):
                check(os.environ[variable])
            else:
                made = store(self.data)
                self.stores.append(made)
                self._environment[variable] = made.start()
            self._stopped()

    def _check_database(self, url: str) -> None:
        import psycopg

        deadline = time.monotonic() + _POSTGRES_LATER
        while True:
            try:
                psycopg.connect(url, connect_timeout=3).close()
                return
            except psycopg.Error as error:
                if time.monotonic() > deadline:
                    raise Refused(f"DATABASE_URL: {_one_line(error)}") from None
            if self.stop.wait(0.5):
                raise Stopped

    def _check_redis(self, url: str) -> None:
        import redis

        try:
            redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3).ping()
        except (redis.RedisError, ValueError, OSError) as error:
            raise Refused(f"REDIS_URL: {_one_line(error)}") from None

    def _once(self, name: str, *command: str, quiet: bool = False) -> list[str]:
        """Runs a management command to its end and gives what it printed; raises Refused with its last line."""
        child = Child(name, [sys.executable, "manage.py", *command], self._environment,
                      _Silent(self.stop.set) if quiet else self.console, folder=BASE)  # fmt: skip
        child.start()
        code = child.await_end(self.stop)
        if code is None:
            child.ask_to_stop()
            child.end(self.hurry)
            raise Stopped
        if code:
            for line in child.last_lines if quiet else ():
                self.console.line(name, line)
            raise Refused(f"{name} failed: {_reason(child.last_lines) or f'it ended with {code}: its lines are above'}")
        return list(child.last_lines)

    def _child(self, name: str, module: str, *arguments: str, **options: object) -> Child:
        variables = {key: options.pop(key) for key in [key for key in options if key.isupper()]}
        child = Child(name, [sys.executable, "-m", module, *arguments], {**self._environment, **variables},
                      self.console, folder=BASE, **options)  # fmt: skip
        self.children.append(child)
        child.start()
        return child

    def _await_web(self, web: Child, host: str, port: int) -> None:
        deadline = time.monotonic() + _WEB_LATER
        while web.code is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                pass
            if self.stop.wait(0.05):
                raise Stopped
        happened = "ended at its start" if web.code is not None else f"is not ready after {_WEB_LATER:.0f} s"
        raise Refused(f"the web process {happened}: its lines above say why")

    def _stopped(self) -> None:
        if self.stop.is_set():
            raise Stopped

    # -- running

    def watch(self) -> None:
        """Returns when somebody asks for the end; raises Refused when something needed cannot be kept up."""
        while not self.stop.wait(0.3):
            for store in self.stores:
                if store.process.poll() is not None:
                    self._store_again(store)
            for child in self.children:
                if child.code is not None and not child.given_up:
                    self._again(child)

    def _store_again(self, store: Postgres | Valkey) -> None:
        name = type(store).__name__
        if not self._store_ends[name].allow():
            raise Refused(f"{name} keeps ending: see its log in {self.data}")
        self.console.say(f"{name} ended with {store.process.returncode}, starting it again")
        store.start()

    def _again(self, child: Child) -> None:
        code = child.code
        child.end(self.hurry)  # what its children left
        if child.restarts.allow():
            self.console.say(f"{child.name} ended with {code}, starting it again")
            child.start()
        elif child.needed:
            raise Refused(f"{child.name} keeps ending (code {code}): its lines above say why")
        else:
            child.given_up = True
            self.console.say(f"{child.name} keeps ending (code {code}) and is left out until the next start")

    # -- down

    def end(self) -> None:
        if self.children or self.stores:
            self.console.say("stopping ...")
        for child in reversed(self.children):
            child.ask_to_stop()
        for child in reversed(self.children):
            child.end(self.hurry)
        for store in reversed(self.stores):
            store.stop()


class _Silent(Console):
    def _write(self, text: str) -> None:
        """What it says is kept by its child alone."""


def read_settings() -> tuple[Path, int]:
    """(data folder, port). Raises Refused."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        from . import settings

        port = settings.env_number("PORT", 8000)
    except ImproperlyConfigured as error:
        raise Refused(_one_line(error)) from None
    except OSError as error:
        raise Refused(f"the data folder cannot be used: {error}; name another with MEMVID_DATA_DIR") from None
    if not 0 < port < 65536:
        raise Refused(f"PORT is {port}: choose one from 1 to 65535")
    return settings.MEMVID_DATA_DIR, port


def check_space(data: Path) -> None:
    free = shutil.disk_usage(data).free
    if free < LEAST_SPACE:
        raise Refused(
            f"only {free >> 20} MB are free in {data}, {LEAST_SPACE >> 20} MB are needed: "
            "make room, or name another folder with MEMVID_DATA_DIR"
        )


def lock(data: Path) -> int:
    """Holds the data folder until this process ends, however it ends."""
    descriptor = os.open(data / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise Refused(
            f"{data} is in use by another `make run` (process {holder}): stop it, or name another folder with "
            "MEMVID_DATA_DIR and another PORT"
        ) from None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def web_processes() -> int:
    from .settings import env_number

    return max(1, env_number("MEMVID_WEB_PROCESSES", min(2, os.cpu_count() or 1)))


def listen(host: str, port: int) -> socket.socket:
    """Held here, so that nobody finds the port closed while a web process is started again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except PermissionError:
        raise Refused(f"port {port} needs root: choose one above 1023, as in PORT=8000 make run") from None
    except OSError as error:
        raise Refused(
            f"port {port} on {host} cannot be had ({error.strerror}): choose another, as in PORT={port + 1} make run"
        ) from None


def _reason(lines: Sequence[str]) -> str:
    """Of a traceback or of a command's complaint, the line that names the error."""
    return next(
        (line for line in reversed(lines) if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Configured): ", line)), ""
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
