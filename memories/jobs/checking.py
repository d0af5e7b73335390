"""Checks of a whole file in a limited child process, and following a file on request."""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from .. import facts, mirror
from ..engine import Memory as MemoryFile
from ..engine.errors import Unsupported
from ..models import Memory
from ..working import Hold, JobFailed
from . import indexing, live
from .writing import alone, commit

MEGABYTES = 1536
CPU_SECONDS = 600
WALL_SECONDS = 1800.0
LEAST_FILE_MEGABYTES = 64  # what the check may write: pages it has read, in temporary files
Progress = Callable[[int, int, str], None]


def verify(hold: Hold) -> dict[str, Any]:
    memory = hold.job.memory
    if memory is None or not memory.path.exists():
        raise JobFailed("there is nothing to check: the memory has no file")
    mirror.follow(memory)
    report = check(memory.path, hold.progress)
    if report["ok"]:
        mirror.take_back_alarm(memory)
    else:
        mirror.raise_alarm(memory, f"{report['problems'][0]}: put back a backup, or `memvid repair` saves what it can")
    return {"report": report}


def check(path: Path, progress: Progress, megabytes: int = MEGABYTES, seconds: float = WALL_SECONDS) -> dict[str, Any]:
    """The report of the child; one that died or took too long is a report of failure too. `progress` may raise."""
    size = max(LEAST_FILE_MEGABYTES, 4 * (path.stat().st_size >> 20))
    command = [sys.executable, "-m", "memories.engine.checking", str(path), *map(str, (megabytes, CPU_SECONDS, size))]
    with tempfile.TemporaryDirectory(prefix="memvid-check-") as scratch:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=scratch, env=_environment(scratch), start_new_session=True,
        )  # fmt: skip
        try:
            last = _last_line(child, progress, time.monotonic() + seconds)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
    if "ok" not in last:
        return {"ok": False, "problems": ["the check was stopped: the file asks for more memory or time than it may"]}
    return last


def _environment(scratch: str) -> dict[str, str]:
    """Nothing of ours that a hostile file could be after."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(settings.BASE_DIR), "TMPDIR": scratch, "HOME": scratch, "MALLOC_ARENA_MAX": "2",
        "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def _last_line(child: subprocess.Popen, progress: Progress, deadline: float) -> dict[str, Any]:
    """Reads until the child ends, or the time is up."""
    buffer, last = b"", {}
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            progress(last.get("done", 0), last.get("total", 0), last.get("stage", "checking"))
            if not selector.select(timeout=1.0):
                continue
            if not (data := os.read(child.stdout.fileno(), 1 << 16)):
                break
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                last = json.loads(line)
    return last


def follow(hold: Hold) -> dict[str, Any]:
    """The rows follow the file, and the file learns what the memory is called now.

    Asked to accept it, they follow an older file too, and what they alone knew is gone.
    """
    with alone(hold) as memory:
        if hold.job.params.get("accept") and memory.state == Memory.State.BEHIND and memory.path.exists():
            mirror.rebuild(memory, hold.part(0, 80, stoppable=False))
        changed = mirror.follow(memory, hold.part(0, 80, stoppable=False))
        noted = note_facts(hold, memory)
        live.reconcile(hold, memory, thorough=True)
    return {"changed": changed, "next": indexing.queue(memory) if changed and not noted else []}


def note_facts(hold: Hold, memory: Memory) -> bool:
    """An empty commit, where name, description, tags or visibility are not those that the file says."""
    if memory.state != Memory.State.READY or not memory.path.exists():
        return False
    with MemoryFile.open(memory.path) as file:
        if facts.in_file(file) == facts.of(memory)[facts.KEY]:
            return False
        request = f"{hold.job.pk}.facts.{file.head.number}"
    try:
        commit(hold, lambda file, planner: None, message="Describe the memory", request=request, even_if_empty=True)
    except Unsupported:  # a re-muxed file takes no commit; a vacuum makes one that does
        return False
    mirror.follow(memory)
    return True
