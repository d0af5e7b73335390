"""The command, called as a person would, in a folder of its own."""

import json
import os
import resource
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from memories.cli.main import main

# A model that is nowhere: words are indexed at once and nothing is loaded.
NO_MODEL = "nowhere/no-model"

FILES = {
    "documents/whale.md": "# Whales\n\nThe white whale swam.\n\n# Ships\n\nThe ship sailed after it.\n",
    "documents/deep/mind.txt": "Artificial intelligence is a field of study. Machines learn from examples.\n",
    "documents/code.py": "def sail(ship):\n    return ship.go()\n",
    "new_docs/more.txt": "New documents arrive every day.\n",
    "new_docs/other.txt": "Another text about harpoons.\n",
}


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@contextmanager
def small_disk(limit: int) -> Iterator[None]:
    """No file can grow beyond `limit` bytes: writing more is an error, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A working folder with some files; settings from outside do not reach it."""
    for name in [name for name in os.environ if name.startswith("MEMVID_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("MEMVID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEMVID_EMBEDDING_MODEL", NO_MODEL)
    folder = tmp_path / "work"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def memvid(here, capsys):
    """memvid("search -v m.mp4 -q whale", code=0): the line without the program's name."""

    def run(line: str, *more: str, code: int | None = 0) -> Ran:
        capsys.readouterr()
        got = main([*shlex.split(line), *more])
        out, err = capsys.readouterr()
        assert code is None or got == code, f"exit {got}: {err or out}"
        return Ran(got, out, err)

    return run


@pytest.fixture
def memory(memvid) -> str:
    """m.mp4 with the documents, not indexed."""
    memvid("encode documents -o m.mp4 --no-index")
    return "m.mp4"
