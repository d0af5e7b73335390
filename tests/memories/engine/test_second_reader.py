"""What docs/memory-format.md says is what is in the files: a reader written from it finds everything that went in."""

import ast
import os
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random

import pytest

from memories.engine.memory import Memory
from memories.engine.model import Source

from . import second_reader
from .making import make, prose, source

FIRST = {
    "a.txt": prose(300_000, 1),
    "b.txt": prose(300_000, 2),
    "gone.txt": "Nobody will miss this.\n" * 200,
    "empty.txt": "",
    "ünï/漢字.txt": "Grüße, 漢字, עברית, 🐋, e\u0301 and \u2028\r\n" * 300,
}
CHANGED = FIRST["a.txt"][:5_000] + prose(1_000, 3) + FIRST["a.txt"][5_000:120_000]
HEX = Random(1).randbytes(60_000).hex()
UTF_16 = "\ufeffA byte order mark, 漢字 and 🐋\n" * 50
ORIGINAL, LONG_ORIGINAL = os.urandom(9_000), b"It packs well. " * 700_000
SECOND = {
    **FIRST, "a.txt": CHANGED, "hex.txt": HEX, "utf-16.txt": UTF_16, "pages.bin": "Extracted.", "packed.bin": "",
}  # fmt: skip
ORIGINALS = {"pages.bin": ORIGINAL, "packed.bin": LONG_ORIGINAL, "none.bin": b""}
THIRD = {**{path: text for path, text in SECOND.items() if path != "gone.txt"}, "b.txt": "Short now.", "none.bin": ""}


def encoded(path: str, text: str, encoding: str) -> Source:
    data = text.encode(encoding)
    return replace(source(path, text), encoding=encoding, digest=sha256(data).digest(), size=len(data))


def filled(path: Path, profile: str) -> list[int]:
    """Three commits in a file; returns its size after each."""
    sizes = []
    with make(path, FIRST, profile) as memory:
        sizes.append(path.stat().st_size)
        second = [source("a.txt", CHANGED), source("hex.txt", HEX, chunk=20_000)]
        second += [encoded("utf-16.txt", UTF_16, "utf-16-le")]
        second += [source(name, SECOND[name], original=ORIGINALS[name]) for name in ("pages.bin", "packed.bin")]
        memory.commit(second)
        sizes.append(path.stat().st_size)
        memory.commit([source("b.txt", "Short now."), source("none.bin", "", original=b"")], remove=["gone.txt"])
        sizes.append(path.stat().st_size)
    return sizes


@pytest.fixture(scope="module")
def compact(tmp_path_factory) -> tuple[Path, list[int]]:
    path = tmp_path_factory.mktemp("second") / "m.mp4"
    return path, filled(path, "compact")


@pytest.fixture(scope="module")
def durable(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("second") / "m.mp4"
    with make(path, {"a.txt": prose(30_000), "hex.txt": HEX[:30_000]}, "durable") as memory:
        memory.commit([source("a.txt", "Short now.")])
    return path


def test_the_file_has_all_that_the_document_tells_of(compact):
    pages = second_reader.pages(compact[0])
    assert {page.kind for page in pages} == {1, 2, 3, 4, 6}
    assert sum(page.kind == second_reader.DICTIONARY for page in pages) > 1
    flags = [page.flags for page in pages if page.kind == second_reader.RECORDS]
    assert {flag & 3 for flag in flags} == {0, 1, 2, 3} and {flag & 4 for flag in flags} == {0, 4}


@pytest.mark.parametrize(
    ("commit", "texts", "originals"),
    [(1, FIRST, {}), (2, SECOND, {"pages.bin": ORIGINAL, "packed.bin": LONG_ORIGINAL}), (3, THIRD, ORIGINALS)],
)
def test_every_commit_is_read(compact, commit, texts, originals):
    assert second_reader.read(compact[0], commit) == (texts, originals)


def test_the_head_is_read(compact):
    assert second_reader.read(compact[0]) == (THIRD, ORIGINALS)


def test_h264(tmp_path):
    filled(tmp_path / "m.mp4", "universal")
    assert second_reader.read(tmp_path / "m.mp4") == (THIRD, ORIGINALS)
    assert second_reader.read(tmp_path / "m.mp4", 1) == (FIRST, {})


def test_a_commit_that_is_not_there(compact):
    with pytest.raises(AssertionError, match="commit 4"):
        second_reader.read(compact[0], 4)


def test_a_cut_file_is_read_at_the_commit_before(compact, tmp_path):
    path, sizes = compact
    (tmp_path / "m.mp4").write_bytes(path.read_bytes()[: (sizes[0] + sizes[1]) // 2])
    assert second_reader.read(tmp_path / "m.mp4") == (FIRST, {})


def test_a_damaged_file_is_read_at_the_commit_before(compact, tmp_path):
    data = bytearray(compact[0].read_bytes())
    at = data.rindex(b"mdat") + 100
    data[at : at + 500] = bytes(500)
    (tmp_path / "m.mp4").write_bytes(data)
    assert second_reader.read(tmp_path / "m.mp4") == second_reader.read(compact[0], 2)


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_a_missing_page_breaks_the_chain(compact, monkeypatch, kind):
    pages = second_reader.pages(compact[0])
    lost = max(page.number for page in pages if page.kind == kind)
    monkeypatch.setattr(second_reader, "pages", lambda path: [page for page in pages if page.number != lost])
    intact = next(page.commit for page in pages if page.number == lost) - 1
    with pytest.raises(AssertionError, match=f"commit {intact + 1}"):
        second_reader.read(compact[0], intact + 1)
    if intact:
        assert second_reader.read(compact[0], 1) == (FIRST, {})


def test_a_rewritten_file(compact, tmp_path):
    with Memory.open(compact[0]) as memory:
        memory.vacuum(tmp_path / "m.mp4").close()
    assert second_reader.read(tmp_path / "m.mp4") == (THIRD, ORIGINALS)


def test_durable(durable):
    assert second_reader.read(durable) == ({"a.txt": "Short now.", "hex.txt": HEX[:30_000]}, {})
    assert second_reader.read(durable, 1) == ({"a.txt": prose(30_000), "hex.txt": HEX[:30_000]}, {})


def test_parity_pages_may_be_missing(durable, monkeypatch):
    pages = [page for page in second_reader.pages(durable) if page.kind != second_reader.PARITY]
    monkeypatch.setattr(second_reader, "pages", lambda path: pages)
    assert second_reader.read(durable) == ({"a.txt": "Short now.", "hex.txt": HEX[:30_000]}, {})


def multiply(a: int, b: int) -> int:
    product = 0
    for bit in range(8):
        product ^= (a << bit) * (b >> bit & 1)
    for bit in range(14, 7, -1):
        product ^= (0x11D << bit - 8) * (product >> bit & 1)
    return product


INVERSE = {a: b for a in range(256) for b in range(256) if multiply(a, b) == 1}


def test_parity_is_the_sum_that_the_document_gives(durable):
    pages = {page.number: page for page in second_reader.pages(durable)}
    parity = [page for page in pages.values() if page.kind == second_reader.PARITY]
    assert {page.commit for page in parity} == {1, 2}
    for page in parity:
        data = BytesIO(page.payload)
        first, count, end, lanes, lane, row, _rows = (second_reader.varint(data) for _ in range(7))
        found = data.read()
        lane_pages = [*range(first, first + count), *([end] if end else [])][lane::lanes]
        total = 0
        for index, number in enumerate(lane_pages):
            products = bytes(multiply(byte, INVERSE[255 - row ^ index]) for byte in range(256))
            total ^= int.from_bytes(pages[number].raw.ljust(len(found), b"\0").translate(products), "big")
        assert total.to_bytes(len(found), "big") == found


def test_the_reader_shares_no_code_with_the_engine():
    tree = ast.parse(Path(second_reader.__file__).read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    modules |= {"." * node.level + (node.module or "") for node in nodes if isinstance(node, ast.ImportFrom)}
    assert modules == {"json", "struct", "collections", "contextlib", "hashlib", "io", "av", "zstandard", "zxingcpp"}
