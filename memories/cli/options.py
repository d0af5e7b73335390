"""Options that several commands share, and what becomes of their values."""

import argparse
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from memories.cli.output import Output
from memories.engine.config import Config
from memories.engine.errors import MemvidError, UsageError

if TYPE_CHECKING:
    from memories.engine import Memory

MEGABYTE = 1024 * 1024
LONGEST_NUMBER = 18  # digits


def memory_arguments(parser: argparse.ArgumentParser) -> None:
    """The memory as `M.mp4` or, as it was called first, `--video M.mp4 --index I.json`."""
    parser.add_argument("memory", nargs="?", metavar="M.mp4")
    parser.add_argument("-v", "--video", metavar="M.mp4", help="the same, as an option")
    index_argument(parser)


def index_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-i", "--index", metavar="INDEX.json", help="sidecar: a derived copy of the index")


def output_argument(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("-o", "--output", metavar="OUT.mp4", required=required, help="the new memory; must not exist")


def as_of_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--as-of", metavar="N|DATE", help="as it was at a commit, or at a time (ISO 8601)")


def rerank_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rerank-model", metavar="MODEL", help="a cross-encoder that puts the best passages in a new order (none)"
    )


def wait_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=seconds,
        default=0.0,
        help="wait while another process writes, for so long or (without a number) for as long as it takes",
    )


def seconds(text: str) -> float:
    value = float(text)
    if math.isnan(value) or value < 0:
        raise ValueError
    return value


def megabytes(text: str) -> int:
    """Megabytes as bytes."""
    found = seconds(text) * MEGABYTE
    if math.isinf(found):
        raise ValueError
    return int(found)


def number(text: str) -> int | None:
    """The number that a text is, None for any other text."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def memory_path(args: argparse.Namespace) -> Path:
    given = [name for name in (args.memory, args.video) if name]
    if len(given) != 1:
        raise UsageError("name one memory: M.mp4" if not given else f"two memories named: {given[0]} and {given[1]}")
    return existing(given[0])


def existing(name: str) -> Path:
    if not name:
        raise UsageError("an empty name is no memory: name one, M.mp4")
    path = Path(name)
    if not path.exists():
        raise MemvidError(f"no such memory: {name}")
    if path.is_dir():
        raise MemvidError(f"{name} is a folder, not a memory")
    return path


def new_file(name: str) -> Path:
    path = Path(name)
    if path.exists() or path.is_symlink():
        raise MemvidError(f"{name} exists; choose another name or move it away")
    if not path.parent.is_dir():
        raise MemvidError(f"{path.parent}: no such folder")
    return path


def at(text: str | None) -> int | str | None:
    """A commit number or a date, as Memory.open takes it."""
    found = number(text) if text else None
    return text if found is None else found


def opened(path: Path, config: Config, out: Output, as_of: str | None = None, writing: bool = False) -> "Memory":
    """What the memory has to say about itself (a torn tail, a rebuilt directory) is noted.

    One that cannot be written is refused at once when it is opened for writing.
    """
    from memories.engine import Memory

    with naming(path):
        memory = Memory.open(path, at=at(as_of), config=config)
        if writing:
            _refuse_unwritable(memory)
    for note in memory.notes:
        out.note(note)
    return memory


def _refuse_unwritable(memory: "Memory") -> None:
    try:
        memory.check_writable()
    except MemvidError:
        memory.close()
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Puts the file's name before an error that does not say which file it is about."""
    try:
        yield
    except MemvidError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
