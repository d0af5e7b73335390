"""Finding the files of a folder, with a reason for every file that is not taken."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from memories.engine.errors import IngestError
from memories.engine.ingest.gitignore import Ignores
from memories.engine.ingest.registry import known
from memories.engine.ingest.settings import FolderSettings
from memories.engine.ingest.textfile import looks_binary, shown

IGNORE_FILE = ".gitignore"
LONGEST_IGNORE_FILE = 1 << 20


@dataclass(frozen=True)
class Found:
    """A file, or a folder that was left out. An empty `skip` means: take it.

    `name` begins with the name of the root folder. `error` marks what could not be looked at, so
    that nobody takes its absence for a deletion.
    """

    path: Path
    name: str
    size: int = 0
    skip: str = ""
    error: bool = False


@dataclass
class Preview:
    """What an ingestion would take, counted without parsing anything."""

    found: list[Found]
    files: int = 0
    size: int = 0
    extensions: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    errors: int = 0


@dataclass(frozen=True)
class _Folder:
    path: Path
    name: str
    depth: int
    ignores: tuple[tuple[str, Ignores], ...]  # outermost first, each with the name of its folder


def walk(root: Path, settings: FolderSettings, *, patterns: Iterable[str] | None = None) -> Iterator[Found]:
    """Files in a fixed order; `patterns` are globs on the name below the root or on the file name, any of them will do.

    A root that is a file is found whatever its name, and only its size is checked.
    """
    root = Path(root)
    try:
        status = root.stat()
    except OSError as error:
        raise IngestError(f"{shown(root)}: {error.strerror or error}") from None
    name = posix_name(os.path.basename(os.path.abspath(root)))
    if not stat.S_ISDIR(status.st_mode):
        yield _judge_size(Found(root, name, status.st_size), status, settings)
        return
    yield from _Walk(settings, tuple(patterns or ())).below(_Folder(root, name, 0, ()), status)


def preview(roots: Iterable[Path], settings: FolderSettings, *, patterns: Iterable[str] | None = None) -> Preview:
    patterns = tuple(patterns or ())
    result = Preview([found for root in roots for found in walk(root, settings, patterns=patterns)])
    for found in result.found:
        result.errors += found.error
        if found.skip:
            result.skipped[found.skip] += 1
        else:
            result.files += 1
            result.size += found.size
            result.extensions[extension(found.name)] += 1
    return result


def posix_name(name: str) -> str:
    """File names are bytes on Linux; those that are not UTF-8 are written out as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def extension(name: str) -> str:
    return PurePosixPath(name).suffix.lower().lstrip(".")


class _Walk:
    def __init__(self, settings: FolderSettings, patterns: tuple[str, ...]) -> None:
        self.settings = settings
        self.patterns = patterns
        self.included = _extensions(settings.include_extensions)
        self.excluded = _extensions(settings.exclude_extensions) or frozenset()
        self.visited: set[tuple[int, int]] = set()

    def below(self, root: _Folder, status: os.stat_result) -> Iterator[Found]:
        self.visited.add((status.st_dev, status.st_ino))
        waiting: list[_Folder | Found] = [root]
        while waiting:
            item = waiting.pop()
            if isinstance(item, Found):
                yield item
            else:
                waiting.extend(reversed(list(self.entries(item))))

    def entries(self, folder: _Folder) -> Iterator["_Folder | Found"]:
        try:
            with os.scandir(folder.path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Found(folder.path, folder.name, skip=f"cannot be listed: {error.strerror}", error=True)
            return
        ignores, fault = _read_ignores(folder)
        if fault:
            yield fault
        for entry in entries:
            yield self.judge(entry, folder, ignores)

    def judge(self, entry: os.DirEntry, folder: _Folder, ignores: tuple) -> "_Folder | Found":
        found = Found(Path(entry.path), f"{folder.name}/{posix_name(entry.name)}")
        try:
            if entry.is_symlink() and not self.settings.follow_symlinks:
                return _skip(found, "symbolic link")
            status = entry.stat()
            is_folder = stat.S_ISDIR(status.st_mode)
            reason = self.unwanted(found.name, is_folder, ignores)
            if reason:
                return _skip(found, reason)
            if is_folder:
                return self.enter(found, status, folder, ignores)
            return self.judge_file(found, status)
        except OSError as error:
            return Found(found.path, found.name, skip=f"cannot be read: {error.strerror}", error=True)

    def enter(self, found: Found, status: os.stat_result, parent: _Folder, ignores: tuple) -> "_Folder | Found":
        limit = self.settings.max_depth
        if limit is not None and parent.depth >= limit:
            return _skip(found, f"folder deeper than {limit} levels")
        identity = (status.st_dev, status.st_ino)
        if identity in self.visited:
            return _skip(found, "folder already visited (a link leads back to it)")
        self.visited.add(identity)
        return _Folder(found.path, found.name, parent.depth + 1, ignores)

    def unwanted(self, name: str, is_folder: bool, ignores: tuple) -> str:
        base = name.rpartition("/")[2]
        below_root = name.partition("/")[2]
        if base.startswith(".") and not self.settings.include_hidden:
            return "hidden"
        for pattern in self.settings.exclude_patterns:
            if _matches(base, below_root, pattern):
                return f"excluded by the pattern {pattern}"
        if _ignored(name, is_folder, ignores):
            return f"ignored by {IGNORE_FILE}"
        if is_folder or not self.patterns:
            return ""
        return "" if any(_matches(base, below_root, p) for p in self.patterns) else "matches none of the patterns"

    def judge_file(self, found: Found, status: os.stat_result) -> Found:
        suffix = extension(found.name)
        if self.included is not None and suffix not in self.included:
            return _skip(found, "extension not included")
        if suffix in self.excluded:
            return _skip(found, f"extension excluded: {suffix}")
        found = _judge_size(Found(found.path, found.name, status.st_size), status, self.settings)
        if found.skip or not self.settings.skip_binary or known(found.name):
            return found
        return _skip(found, "binary") if looks_binary(found.path) else found


def _judge_size(found: Found, status: os.stat_result, settings: FolderSettings) -> Found:
    if not stat.S_ISREG(status.st_mode):
        return _skip(found, "not a regular file")
    if found.size > settings.max_file_size:
        return _skip(found, f"larger than {_megabytes(settings.max_file_size)}")
    if found.size < settings.min_file_size:
        return _skip(found, f"smaller than {settings.min_file_size} bytes")
    return found


def _megabytes(size: int) -> str:
    return f"{size / (1024 * 1024):g} MB"


def _skip(found: Found, reason: str) -> Found:
    return Found(found.path, found.name, found.size, reason)


def _extensions(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(name.lower().lstrip(".") for name in names)


def _matches(base: str, below_root: str, pattern: str) -> bool:
    return fnmatchcase(base, pattern) or fnmatchcase(below_root, pattern)


def _read_ignores(folder: _Folder) -> tuple[tuple, Found | None]:
    path = folder.path / IGNORE_FILE
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return folder.ignores, None
        with path.open("rb") as file:
            text = file.read(LONGEST_IGNORE_FILE).decode("utf-8", "replace")
        return (*folder.ignores, (folder.name, Ignores(text))), None
    except FileNotFoundError:
        return folder.ignores, None
    except (OSError, ValueError) as error:
        reason = f"{IGNORE_FILE} cannot be used: {shown(str(error))}"
        return folder.ignores, Found(path, f"{folder.name}/{IGNORE_FILE}", skip=reason, error=True)


def _ignored(name: str, is_folder: bool, ignores: tuple) -> bool:
    """The innermost file that says something about a name decides, as in git."""
    for base, patterns in reversed(ignores):
        verdict = patterns.verdict(name[len(base) + 1 :], is_folder)
        if verdict is not None:
            return verdict
    return False
