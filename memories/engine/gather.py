"""From the paths and texts a person names to Sources with lasting document paths.

A document's path begins with the name of the root it came from. Each root is recorded in the commit with
two fingerprints of its place (absolute, and as seen from the memory's folder), so that the same folder keeps
its name when the memory or the project moves, and another folder of the same name gets a longer one.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.engine.config import Config, FolderConfig
from memories.engine.errors import IngestError, MemvidError, UsageError
from memories.engine.model import Outcome, Source
from memories.engine.roots import Root, fingerprint, places_of, root_records

if TYPE_CHECKING:
    from memories.engine.ingest import FolderSettings, Found, SplitSettings
    from memories.engine.memory import CommitResult, Memory

# A folder of that name anywhere, as people write it for other tools.
FOLDER_PATTERN = re.compile(r"(?:\*\*?/)?([^/]+)/\*\*?")


@dataclass
class Gathering:
    """The inputs of one run. `outcomes` lists what was left out and, as sources are drawn, what failed."""

    config: Config
    memory: Path | None = None
    recorded: list[Root] = field(default_factory=list)
    leave_out: tuple[Path, ...] = ()
    roots: dict[str, Path] = field(default_factory=dict)  # name -> where it is now
    files: list[tuple["Found", str]] = field(default_factory=list)
    ready: list[Source] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    complete: bool = True  # False: some part of a root could not be looked at

    def __post_init__(self) -> None:
        own = (self.memory, *self.leave_out) if self.memory else self.leave_out
        self._own = {os.path.realpath(path) for path in own}
        self._seen: set[str] = set()
        self._taken = {root.name: root for root in self.recorded}

    def add_paths(self, paths: Iterable[str | Path], folder: FolderConfig | None = None) -> None:
        given = list(paths)
        if "" in given:
            raise UsageError("an empty name is no file or folder: write . for the folder you are in")
        found = [Path(path) for path in given]
        for path in found:
            if not os.path.lexists(path):
                raise MemvidError(f"{path}: no such file or folder")
        for path in found:
            self._add_root(path, folder or self.config.folder)

    def add_file(self, path: str | Path) -> None:
        """One file whatever its name and size; raises IngestError at once if it cannot be read."""
        from memories.engine.ingest import read_source

        name = self._named(Path(path))
        split, limit = split_settings(self.config), self.config.folder.max_original
        self.ready.append(read_source(Path(path), name, split, max_original=limit))

    def add_texts(self, texts: Iterable[str]) -> None:
        from memories.engine.ingest import text_source

        split = split_settings(self.config)
        self.ready += [text_source(text, text_name("text", [text]), split) for text in texts]

    def sources(self) -> Iterator[Source]:
        """Opens one file at a time; those that cannot be read become outcomes."""
        from memories.engine.ingest import read_source

        split, limit = split_settings(self.config), self.config.folder.max_original
        for found, name in self.files:
            try:
                yield read_source(found.path, name, split, max_original=limit)
            except IngestError as error:
                self.outcomes.append(Outcome(name, "failed", str(error)))
            except OSError as error:
                self.outcomes.append(Outcome(name, "failed", error.strerror or str(error)))
        yield from self.ready

    def names(self) -> set[str]:
        return {name for _, name in self.files} | {source.path for source in self.ready}

    def records(self, memory: Path) -> list[dict[str, Any]]:
        """The roots to note in the commit: those that no earlier commit has."""
        known = {root.name for root in self.recorded}
        new = {name: path for name, path in self.roots.items() if name not in known}
        return root_records(Root(name, _kind(path), places_of(path, memory)) for name, path in new.items())

    def _add_root(self, path: Path, folder: FolderConfig) -> None:
        from memories.engine.ingest import walk

        name = self._named(path)
        for found in walk(path, folder_settings(folder)):
            _, slash, below = found.name.partition("/")
            self._add(found, name + slash + below)

    def _add(self, found: "Found", name: str) -> None:
        self.complete &= not found.error
        place = os.path.abspath(found.path)
        if found.error:
            self.outcomes.append(Outcome(name, "failed", found.skip))
        elif os.path.realpath(place) in self._own:
            self.outcomes.append(Outcome(name, "skipped", "the memory itself"))
        elif found.skip:
            self.outcomes.append(Outcome(name, "skipped", found.skip))
        elif place not in self._seen:  # named twice, taken once
            self._seen.add(place)
            self.files.append((found, name))

    def _named(self, path: Path) -> str:
        """What documents of this root are called: as before if it is known, else by a name nobody has."""
        places = places_of(path, self.memory)
        name = next((name for name, root in self._taken.items() if set(root.places) & set(places)), None)
        if name is None:
            name = _free_name(path, self._taken)
            self._taken[name] = Root(name, _kind(path), places)
        self.roots[name] = Path(os.path.abspath(path))
        return name


def _kind(path: Path) -> str:
    return "folder" if path.is_dir() else "file"


def refuse_empty(memory: "Memory", result: "CommitResult", outcomes: list[Outcome]) -> None:
    """Raises when there was a memory to make and no input that could be stored in it."""
    if result.commit is None and not memory.exists:
        raise MemvidError(f"nothing was stored: {first_failure(outcomes)}")


def first_failure(outcomes: Iterable[Outcome]) -> str:
    return next((f"{one.path}: {one.reason}" for one in outcomes if one.state == "failed"), "there was no input")


def split_settings(config: Config) -> "SplitSettings":
    from memories.engine.ingest import SplitSettings

    text = config.text
    return SplitSettings(text.chunk_size, text.overlap, text.max_chunk_size, text.min_chunk_size)


def folder_settings(folder: FolderConfig) -> "FolderSettings":
    from memories.engine.ingest import FolderSettings

    included = folder.include_extensions
    return FolderSettings(
        max_depth=folder.max_depth,
        include_extensions=None if included is None else tuple(included),
        exclude_extensions=tuple(folder.exclude_extensions),
        exclude_patterns=tuple(map(_folder_pattern, folder.exclude_patterns)),
        min_file_size=folder.min_file_size,
        max_file_size=folder.max_file_size,
        follow_symlinks=folder.follow_symlinks,
        include_hidden=folder.include_hidden,
        skip_binary=folder.skip_binary,
    )


def text_name(kind: str, texts: Iterable[str]) -> str:
    """The same text gets the same document path, so that giving it twice stores it once."""
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass"))
    return f"{kind}-{digest.hexdigest()[:12]}.txt"


def _folder_pattern(pattern: str) -> str:
    """`*/target/*` is meant for every folder called target, at the top too."""
    match = FOLDER_PATTERN.fullmatch(pattern)
    return match[1] if match else pattern


def _free_name(path: Path, taken: Iterable[str]) -> str:
    """The shortest end of the absolute path that no other root has."""
    from memories.engine.ingest.walk import posix_name

    parts = [posix_name(part) for part in Path(os.path.realpath(path)).parts[1:]] or ["root"]
    for count in range(1, len(parts) + 1):
        name = "/".join(parts[-count:])
        if not any(_within(name, other) or _within(other, name) for other in taken):
            return name
    return f"{'/'.join(parts)} {fingerprint(os.path.realpath(path))}"


def _within(name: str, other: str) -> bool:
    return name == other or name.startswith(other + "/")
