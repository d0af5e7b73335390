"""The site's processes for tests: started as an operator would, awaited, ended."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from memvid_site.stores import die_with_parent

ROOT = Path(__file__).parents[1]
PATIENCE = 60  # seconds, on a machine that does other things too


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_ends(processes: Iterable[psutil.Process]) -> None:
    """Until none of them runs; a zombie that nobody reaps does not."""
    deadline = time.monotonic() + PATIENCE
    while left := [process for process in processes if runs(process)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answer(url: str) -> tuple[int, str, Mapping[str, str]]:
    """(status, text, headers); 0 while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers
    except OSError as error:
        return 0, str(error), {}


def await_status(url: str, status: int, process: subprocess.Popen) -> tuple[int, str, Mapping[str, str]]:
    deadline = time.monotonic() + PATIENCE
    while (got := answer(url))[0] != status:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{url} answers {got[0]}: {got[1][-500:]}"
        time.sleep(0.05)
    return got


def await_text(url: str, text: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while text not in (got := answer(url))[1]:
        assert process.poll() is None, f"the process ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{url} answers {got[0]}: {got[1][-500:]}"
        time.sleep(0.05)


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def web(environment: Mapping[str, str], log: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """(address, process) of a web server, once it answers."""
    port = free_port()
    facts = {"DATABASE_POOL": "1", "PORT": str(port), **environment}
    command = ["-m", "memvid_site.serve", "-b", "127.0.0.1", "-p", str(port), "-v", "0"]
    with running(command, facts, log) as process:
        base = f"http://127.0.0.1:{port}"
        await_status(f"{base}/livez", 200, process)
        yield base, process


@contextmanager
def whole_site(environment: Mapping[str, str], log: Path, embedder: str) -> Iterator[str]:
    """Web, worker and embedder, which has its model: jobs that wait for it hold a worker. The address."""
    worker = ["-m", "celery", "-q", "-A", "memvid_site", "worker", "-l", "WARNING", "-c", "2"]
    with ExitStack() as stack:
        stack.enter_context(running(["-m", "search.embedder", embedder], environment, log))
        stack.enter_context(running([*worker, "--without-gossip", "--without-mingle"], environment, log))
        base, process = stack.enter_context(web(environment, log))
        await_text(f"{base}/readyz", '"embedder": "ready"', process)
        yield base
