"""A frame on a photo or screenshot: which memory it is of, and where in it."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from ..engine.errors import MemvidError
from ..engine.photo import MOST_BYTES, page_digest
from ..models import Commit, Memory
from .files import OPEN_FILES

SECONDS = 25  # the child gives up by itself before
AT_ONCE = 2
_FREE = threading.BoundedSemaphore(AT_ONCE)


class Unseen(Exception):
    """One line for the person who brought the picture."""


@dataclass(frozen=True)
class Sighting:
    """What the page on the picture says of itself."""

    memory: str  # the first 8 bytes of the memory's identity, in hex
    commit: int
    number: int
    digest: str


def read_picture(data: bytes) -> Sighting:
    """Raises Unseen. In a child process: what a hostile picture breaks is not ours."""
    if not _FREE.acquire(timeout=SECONDS):
        raise Unseen("other pictures are being read: try again in a moment")
    try:
        found = _child(data[: MOST_BYTES + 1])
    finally:
        _FREE.release()
    if "error" in found:
        raise Unseen(found["error"])
    return Sighting(found["memory"], found["commit"], found["number"], found["digest"])


def _child(data: bytes) -> dict[str, Any]:
    command = [sys.executable, "-m", "memories.engine.photo"]
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=SECONDS, cwd=settings.BASE_DIR, env=environment
        )
        return json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise Unseen("this picture could not be read: it takes too long, or breaks the reader") from None


def memory_of(user: Any, sighting: Sighting) -> Memory:
    """The memory whose file holds exactly that page there; one that the person may not see is as good as none."""
    seen = Memory.objects.visible_to(user).present().filter(file_id__startswith=sighting.memory)
    for memory in seen.filter(frames__gt=sighting.number).order_by("-updated_at")[:5]:
        if _holds(memory, sighting):
            return memory
    raise Unseen("no memory that you may see holds this frame")


def _holds(memory: Memory, sighting: Sighting) -> bool:
    covering = Commit.objects.filter(memory=memory, number=sighting.commit, first_frame__lte=sighting.number)
    if not covering.exists():
        return False
    try:
        with OPEN_FILES.reader(memory) as reader:
            return page_digest(reader.log.page(sighting.number).pack()) == sighting.digest
    except MemvidError:  # its own frame is damaged: the page says where it was
        return True
