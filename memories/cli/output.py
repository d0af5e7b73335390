"""What the command prints: one JSON document or short lines on stdout, everything else on stderr."""

import contextlib
import json
import logging
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from memories.engine.errors import MemvidError
from memories.engine.model import Outcome

Progress = Callable[[int, int, str], None]

log = logging.getLogger("memories.cli")

# Left alone in texts; every other control character could steer the terminal.
LAYOUT = "\n\t"
BIDI = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Output:
    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """One line for a person on stderr; with --json it is in the document too."""
        self.notes.append(text)
        log.info(line(text))

    def answer(self, document: dict[str, Any], lines: Iterable[str] | Callable[[], None]) -> None:
        """`lines`: what a person sees instead of the document, or a function that prints it."""
        if sys.stdout is None:
            raise MemvidError("the work is done, but its answer cannot be printed: standard output is closed")
        try:
            self._print(document, lines)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            forget_stdout()
            raise MemvidError(f"the work is done, but its answer cannot be printed: {error.strerror}") from error

    def _print(self, document: dict[str, Any], lines: Iterable[str] | Callable[[], None]) -> None:
        if self.as_json:
            document = document | {"notes": self.notes}
            print(json.dumps(document, indent=2, ensure_ascii=not _speaks_utf8(sys.stdout)))
        elif callable(lines):
            lines()
        else:
            for text in lines:
                print(text)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Aligned columns; on a terminal with colour and cut to its width, otherwise whole."""
        rows = [[line(cell) for cell in row] for row in rows]
        if sys.stdout.isatty():
            _rich_table(columns, rows)
            return
        widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
        for row in [columns, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """A bar on stderr while it is a terminal; elsewhere nothing."""
        if self.as_json or sys.stderr is None or not sys.stderr.isatty():
            yield _silent
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(title, total=None)

            def update(done: int, total: int, stage: str = "") -> None:
                bar.update(task, completed=done, total=total or None, description=line(stage) or title)

            yield update


def forget_stdout() -> None:
    """Nobody reads it; what is still buffered must not raise again at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def line(text: object) -> str:
    """On one line, with everything that is not printable written as an escape."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(text))


def paragraph(text: str) -> str:
    """Keeps line breaks and tabs; a text from a memory cannot steer the terminal."""
    text = text.replace("\r\n", "\n")
    return "".join(_escaped(c) if _steers(c) else c for c in text)


def size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def shown(outcome: Outcome) -> dict[str, Any]:
    return {
        "path": outcome.path,
        "state": outcome.state,
        "reason": outcome.reason,
        "document": outcome.document,
        "chunks": outcome.chunks,
    }


def _steers(character: str) -> bool:
    if character in LAYOUT:
        return False
    return character in BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _silent(done: int, total: int, stage: str = "") -> None:
    """Where there is no terminal, progress is not shown."""


def _speaks_utf8(stream: Any) -> bool:
    return (getattr(stream, "encoding", "") or "").lower().replace("-", "") == "utf8"


def _rich_table(columns: Sequence[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(cell, overflow="ellipsis") for cell in row))
    Console(markup=False, highlight=False, emoji=False).print(table)
