"""Where uploads wait until a worker stores them: safe names, enough room, and nothing held in memory."""

import errno
import re
import shutil
import uuid
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

MAX_PATH = 1024  # bytes, as in the memory file
SPARE = 64 << 20  # of the disk, for everybody else
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SURROGATE = re.compile(r"[\ud800-\udfff]")


class Refused(Exception):
    """One line for the person who sent the file: what is wrong with it and what to do."""


class NoRoom(Refused):
    """The disk of the server is full, or would be."""


def clean_path(path: str) -> str:
    """The path of a document as it was in its folder; raises Refused for one that could leave that folder."""
    if not path:
        raise Refused("it has no name: give it one")
    if CONTROL.search(path) or SURROGATE.search(path):
        raise Refused("its name holds control characters: rename it")
    if "\\" in path:
        raise Refused("its name holds a backslash: rename it")
    if len(path.encode()) > MAX_PATH:
        raise Refused(f"its path is longer than {MAX_PATH:,} bytes: move it to a shorter one")
    parts = path.split("/")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise Refused("its path is absolute: use one that starts at the folder")
    if any(part in ("", ".", "..") for part in parts):
        raise Refused("its path leaves its folder: use one without '.' and '..'")
    return path


def shown_path(path: str) -> str:
    """A refused path, fit to be stored and shown."""
    return (
        SURROGATE.sub("\N{REPLACEMENT CHARACTER}", CONTROL.sub("\N{REPLACEMENT CHARACTER}", path))[:300] or "(no name)"
    )


def folder_of(job: uuid.UUID) -> Path:
    return settings.MEMVID_DATA_DIR / "staging" / str(job)


def check_room(size: int) -> None:
    """Twice the upload must fit: as it came, and in the memory."""
    settings.MEMVID_DATA_DIR.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.MEMVID_DATA_DIR).free
    if free < 2 * size + SPARE:
        raise NoRoom(
            f"the server has {free >> 20:,} MB of disk left, too little for this upload of {size >> 20:,} MB: "
            "send less, or ask an administrator to make room"
        )


def keep(job: uuid.UUID, path: str, upload: UploadedFile, limit: int) -> str:
    """Moves an upload to its job's folder; returns its name there. Raises Refused, with nothing left behind."""
    if upload.size > limit:
        raise Refused(f"it has {upload.size / (1 << 20):,.1f} MB, and the limit is {limit >> 20:,} MB: cut it in parts")
    name = uuid.uuid4().hex + _suffix(path)
    target = folder_of(job) / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _place(upload, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoom("the disk of the server is full: ask an administrator to make room, then try again") from None
        raise
    return name


def keep_text(job: uuid.UUID, path: str, text: str) -> str:
    folder_of(job).mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex + _suffix(path)
    (folder_of(job) / name).write_text(text, encoding="utf-8", newline="")
    return name


def _place(upload: UploadedFile, target: Path) -> None:
    if hasattr(upload, "temporary_file_path"):
        shutil.move(upload.temporary_file_path(), target)
        return
    with target.open("wb") as file:
        for piece in upload.chunks():
            file.write(piece)


def _suffix(path: str) -> str:
    suffix = PurePosixPath(path).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,10}", suffix) else ""


def is_there(job: uuid.UUID, name: str) -> bool:
    return bool(name) and (folder_of(job) / name).is_file()


def drop(job: uuid.UUID, name: str) -> None:
    if name:
        (folder_of(job) / name).unlink(missing_ok=True)


def drop_all(job: uuid.UUID) -> None:
    shutil.rmtree(folder_of(job), ignore_errors=True)
