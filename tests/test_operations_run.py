"""`make run` as an operator meets it: a first start, one beside it, killed processes, Ctrl-C, a later start."""

import os
import queue
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest

from tests.running import PATIENCE, ROOT, answer, await_ends, await_status, free_port, runs

COMMAND = [sys.executable, "-m", "memvid_site.supervisor"]


class Running:
    """The supervisor, and its lines as they come."""

    def __init__(self, data: Path, port: int):
        chosen = ("DATABASE_URL", "REDIS_URL", "MEMVID_DATA_DIR", "MEMVID_ADMIN_EMAIL", "MEMVID_ADMIN_PASSWORD")
        clean = {key: value for key, value in os.environ.items() if key not in chosen}
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            COMMAND, cwd=ROOT, env={**clean, "MEMVID_DATA_DIR": str(data), "PORT": str(port)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.text, self._lines = "", queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def until(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            line = self._lines.get(timeout=PATIENCE)
            self.text += line
            if match := re.search(pattern, line):
                return match[1] if match.re.groups else match[0]
            assert line, f"it ended:\n{self.text}"
        raise AssertionError(f"no {pattern!r} in:\n{self.text}")

    def processes(self) -> dict[str, psutil.Process]:
        """By what they are; only those right below the supervisor."""
        words = {"memvid_site.serve": "web", "celery": "worker", "search.embedder": "embedder", "postgres": "database"}
        found = {}
        for child in psutil.Process(self.process.pid).children():
            line = " ".join(child.cmdline())
            found[next((name for word, name in words.items() if word in line), line)] = child
        return found

    def finish(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()


@pytest.fixture
def data() -> Iterator[Path]:
    """Not below pytest's folder, which only its owner may enter: as root, PostgreSQL runs as another user."""
    with tempfile.TemporaryDirectory(prefix="memvid-run-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "data"


@pytest.fixture
def start(data) -> Iterator:
    started: list[Running] = []

    def run(port: int | None = None) -> Running:
        started.append(Running(data, port or free_port()))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
            one.finish()


def log_in(base: str, email: str, password: str) -> str:
    """The address where the login form leads to."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(f"{base}/accounts/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = urlencode({"login": email, "password": password, "csrfmiddlewaretoken": token}).encode()
    request = urllib.request.Request(f"{base}/accounts/login/", form, {"Referer": f"{base}/accounts/login/"})
    return browser.open(request).geturl()


def test_a_day_in_the_life_of_a_run(start, data):
    run = start()
    assert run.until(r"open +(\S+)") == run.base.replace("127.0.0.1", "localhost") + "/"
    email, password = run.until(r"email +(\S+)"), run.until(r"password +(\S+)")
    run.until("ready after")
    assert stat.S_IMODE((data / "admin-password").stat().st_mode) == 0o600
    assert stat.S_IMODE((data / "secret-key").stat().st_mode) == 0o600
    assert log_in(run.base, email, password) == f"{run.base}/"

    beside = start()
    beside.until(rf"in use by another .* \(process {run.process.pid}\)")
    assert beside.finish() == 1

    children = run.processes()
    assert {"web", "worker", "embedder", "database"} <= set(children)
    children["web"].kill()
    run.until("web.* ended with -9, starting it again")
    await_status(f"{run.base}/readyz", 200, run.process)
    children["database"].kill()
    run.until("Postgres ended with")
    await_status(f"{run.base}/readyz", 200, run.process)

    everything = psutil.Process(run.process.pid).children(recursive=True)
    run.process.send_signal(signal.SIGINT)
    assert run.finish() == 0
    assert [process for process in everything if runs(process)] == []
    assert answer(f"{run.base}/livez")[0] == 0

    again = start()
    assert again.until(r"password +(\S+)") == password
    again.until("ready after")
    everything = psutil.Process(again.process.pid).children(recursive=True)
    again.process.kill()
    await_ends(everything)


def test_a_taken_port_is_one_line(start, data):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = start(port)
        run.until(f"memvid: port {port}")
        assert run.finish() == 1
    assert "Traceback" not in run.text
