"""The command lines of the original's documentation, as they are written there."""

import re
import shlex
from pathlib import Path

import pytest

from memories.cli.main import _command, _parse, _with_wait, parser

BACKGROUND = "memvid encode --background-index --output memory.mp4 --index memory.json documents/"
SEARCH = 'memvid search --video memory.mp4 --index memory.json --query "artificial intelligence"'
JOBS = ["memvid index-jobs", "memvid index-status <job_id>", "memvid index-wait <job_id> --timeout 300"]
BIG = "memvid encode --background-index --output video.mp4 --index index.json large_dataset/"
IMMEDIATE = "memvid encode --output video.mp4 --index index.json dataset/"
NO_INDEX = "memvid encode --no-index --output video.mp4 --index index.json dataset/"
APPEND = "memvid append --video existing.mp4 --index existing.json --files new_docs/"
MERGE = (
    "memvid merge --output combined.mp4 --index combined.json --videos video1.mp4,index1.json,video2.mp4,index2.json"
)
MIXED = r"""memvid encode \
  --output comprehensive.mp4 \
  --index comprehensive.json \
  --chunk-size 1000 \
  --include-extensions "rs,py,js,html,css,md,txt,csv" \
  --max-depth 5 \
  --background-index \
  mixed_data_folder/"""
DIRS = "memvid encode --output project.mp4 --index project.json --dirs ./src ./docs"
FILTERS = r"""memvid encode --output codebase.mp4 --index codebase.json \
  --dirs ./src ./tests \
  --max-depth 5 \
  --include-extensions "rs,py,js" \
  --exclude-extensions "exe,dll" \
  --max-file-size 10 \
  --follow-symlinks"""
APPEND_BOTH = r"""memvid append \
  --video existing.mp4 \
  --index existing.json \
  --files new_document.txt \
  --dirs new_folder/"""
APPEND_TEXT = r"""memvid append \
  --video existing.mp4 \
  --index existing.json \
  --text "New content to add" """
INFO = "memvid info --video memory.mp4 --index memory.json"
EXTRACT = "memvid extract --video memory.mp4 --frame 0 --output frame.png"
DIFF = "memvid diff video1.mp4 index1.json video2.mp4 index2.json"

LINES = [BACKGROUND, SEARCH, *JOBS, BIG, IMMEDIATE, NO_INDEX, APPEND, MERGE, MIXED]
LINES += [DIRS, FILTERS, APPEND_BOTH, APPEND_TEXT, INFO, EXTRACT, DIFF]


def words(line: str) -> list[str]:
    return shlex.split(line.replace("\\\n", " "))[1:]


@pytest.fixture
def typed(memvid):
    def run(line: str, job: str = ""):
        return memvid(shlex.join(words(line.replace("<job_id>", job))))

    return run


def folder(name: str, text: str = "A text about artificial intelligence.\n") -> None:
    Path(name).mkdir(parents=True)
    Path(name, "note.txt").write_text(f"{name}: {text}")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[7:40])
def test_it_parses(line):
    name, rest = _command(words(line))
    _parse(parser(name), _with_wait(rest))


def test_background_index_then_its_job_then_search(typed):
    ran = typed(BACKGROUND)
    job = re.search(r"^Background indexing job: (idx_\w+)$", ran.out, re.MULTILINE)[1]
    assert "done in" in typed(JOBS[2], job).out
    assert job in typed(JOBS[1], job).out
    assert typed(JOBS[0]).out.splitlines()[-1].split()[0] == job
    assert Path("memory.json").exists()
    found = typed(SEARCH)
    assert "mind.txt" in found.out
    assert "ignored" not in found.err
    assert "documents/deep/mind.txt" in typed(SEARCH + " --json").out
    assert "documents  3" in typed(INFO).out
    typed(EXTRACT)
    assert Path("frame.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("line", [BIG, IMMEDIATE, NO_INDEX])
def test_the_three_ways_to_index(typed, line):
    folder("large_dataset")
    folder("dataset")
    ran = typed(line)
    if line == BIG:
        typed(JOBS[2], re.search(r"idx_\w+", ran.out)[0])
    assert Path("video.mp4").exists()
    assert Path("index.json").exists()


def test_append_in_its_three_forms(typed, memvid):
    folder("new_folder", "One more.\n")
    Path("new_document.txt").write_text("A new document.\n")
    memvid("encode documents -o existing.mp4 --no-index")
    typed(APPEND)
    typed(APPEND_BOTH)
    typed(APPEND_TEXT)
    assert memvid("info existing.mp4 --json").json["documents"] == 3 + 2 + 2 + 1


def test_merge_and_diff(typed, memvid):
    memvid("encode documents -o video1.mp4 -i index1.json")
    memvid("encode new_docs -o video2.mp4 -i index2.json")
    typed(MERGE)
    assert Path("combined.json").exists()
    assert memvid("info combined.mp4 --json").json["documents"] == 5
    assert "new_docs/more.txt" in typed(DIFF).out


def test_folders_with_filters(typed, memvid):
    folder("src")
    folder("docs")
    folder("tests")
    Path("src/a.py").write_text("x = 1\n")
    typed(DIRS)
    assert memvid("info project.mp4 --json").json["documents"] == 3
    typed(FILTERS)
    assert memvid("info codebase.mp4 --json").json["documents"] == 1


def test_many_kinds_at_once(typed, memvid):
    folder("mixed_data_folder")
    Path("mixed_data_folder/t.csv").write_text("a,b\n1,2\n")
    ran = typed(MIXED)
    typed(JOBS[2], re.search(r"idx_\w+", ran.out)[0])
    assert memvid("info comprehensive.mp4 --json").json["documents"] == 2
