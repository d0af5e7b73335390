"""What viewers cost the web process: `python -m benchmarks.watch_site`. Starts stores and a server of its own.

Twenty people watch a memory of 600 MB over slow lines, half of them by one endless answer and half in ranges as
browsers do. The server may grow by 100 MB. Then one fast viewer, for comparison.
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import psutil

from benchmarks.rows import Row, table
from memvid_site.stores import Postgres, Valkey

VIEWERS = 20
MEGABYTES = 600
SECONDS = 20
LINE = 128 << 10  # bytes a second of one viewer
MOST_GROWTH = 100


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="memvid-watch-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, PostgreSQL runs as another user
        with _stores(folder):
            rows = _measure(_public_memory(folder), _free_port())
    print(table(rows))
    return int(any(row.verdict == "missed" for row in rows))


@contextmanager
def _stores(folder: Path) -> Iterator[None]:
    postgres, valkey = Postgres(folder), Valkey(folder)
    try:
        os.environ.update(
            MEMVID_DATA_DIR=str(folder), DATABASE_URL=postgres.start(), REDIS_URL=valkey.start(),
            DJANGO_SETTINGS_MODULE="memvid_site.settings",
        )  # fmt: skip
        yield
    finally:
        valkey.stop()
        postgres.stop()


def _public_memory(folder: Path) -> str:
    """The address of a memory whose file is large: real frames, then index boxes that nobody reads."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections
    from django.urls import reverse

    from collab.models import Workspace
    from memories import mirror
    from memories.engine import Draft, Source
    from memories.engine import Memory as MemoryFile
    from memories.models import Memory, Visibility

    call_command("migrate", verbosity=0, interactive=False)
    workspace = Workspace.objects.create(name="Measured")
    row = Memory.objects.create(workspace=workspace, name="Large", visibility=Visibility.PUBLIC)
    row.path.parent.mkdir(parents=True, exist_ok=True)
    with MemoryFile.create(row.path) as file:
        file.commit([Source("a.txt", bytes(32), lambda: [Draft("words " * 1000)])])
        for _ in range(MEGABYTES // 50):
            file.append_index("padding", "none", {}, secrets.token_bytes(1 << 20) * 50, first_commit=1, last_commit=1)
    mirror.follow(row)
    connections.close_all()
    return reverse("video", args=[row.pk])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _measure(path: str, port: int) -> list[Row]:
    command = [sys.executable, "-m", "memvid_site.serve", "-b", "127.0.0.1", "-p", str(port), "-v", "0"]
    server = subprocess.Popen(command)
    try:
        process, url = psutil.Process(server.pid), f"http://127.0.0.1:{port}{path}"
        _wait_for(url, server)
        idle = _megabytes(process)
        peak, taken = _slow_viewers(process, port, path)
        files = len(process.open_files())
        rate = _fast_viewer(url)
        return [
            Row("web process, idle", idle, "MB", most=250),
            Row(f"added by {VIEWERS} slow viewers", peak - idle, "MB", most=MOST_GROWTH, note=f"{taken:.0f} MB taken"),
            Row("files still open after they left", files, note="the memory itself stays open for a minute"),
            Row("one fast viewer", rate, "MB/s"),
        ]
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, server: subprocess.Popen) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            urlopen(Request(url, headers={"Range": "bytes=0-9"})).read()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("benchmarks: the server did not start")


def _megabytes(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _slow_viewers(process: psutil.Process, port: int, path: str) -> tuple[float, float]:
    """(peak memory, megabytes that all viewers took)."""
    stop, taken = threading.Event(), [0] * VIEWERS
    watch = lambda n: _view_slowly(port, path, n % 2 == 1, stop, taken, n)  # noqa: E731
    threads = [threading.Thread(target=watch, args=(n,)) for n in range(VIEWERS)]
    for thread in threads:
        thread.start()
    peak, until = 0.0, time.monotonic() + SECONDS
    while time.monotonic() < until:
        peak = max(peak, _megabytes(process))
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    time.sleep(1)  # Daphne looks after connections that went away once a second
    return peak, sum(taken) / 1e6


def _view_slowly(port: int, path: str, ranges: bool, stop: threading.Event, taken: list[int], me: int) -> None:
    """Reads at the speed of its line, in ranges one after the other where it asks for them."""
    while not stop.is_set():
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            line.connect(("127.0.0.1", port))
            asked = f"Range: bytes={taken[me]}-\r\n" if ranges else ""
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{asked}\r\n".encode())
            while not stop.wait(0.25) and (data := line.recv(LINE // 4)):
                taken[me] += len(data)


def _fast_viewer(url: str) -> float:
    begun, size = time.monotonic(), 0
    with urlopen(url) as answer:
        while piece := answer.read(1 << 20):
            size += len(piece)
    return size / 1e6 / (time.monotonic() - begun)


if __name__ == "__main__":
    sys.exit(main())
