"""The open readers: shared by threads, renewed when the file is, closed in the end."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.engine.errors import MemvidError
from memories.media.files import OpenFiles


@pytest.fixture
def files():
    files = OpenFiles(most=2)
    yield files
    files.close()


def is_closed(reader) -> bool:
    try:
        return reader.log is None
    except MemvidError:
        return True


def swap(row) -> None:
    with MemoryFile.open(row.path) as file:
        file.vacuum(row.path.with_suffix(".new")).close()
    os.replace(row.path.with_suffix(".new"), row.path)


def test_a_reader_is_kept(files, new_memory):
    row = new_memory()
    with files.reader(row) as first:
        pass
    with files.reader(row) as second:
        assert first is second and first.page_text(0)


def test_many_threads_read_the_same(files, new_memory):
    row = new_memory({f"{n}.txt": f"text of {n} " * 800 for n in range(12)})
    with MemoryFile.open(row.path) as file:
        expected = [file.page_text(n) for n in range(row.frames)]
        pictures = [file.frame_image(n).tobytes() for n in range(row.frames)]

    def read(n: int) -> tuple[int, str, bytes]:
        with files.reader(row) as reader:
            return n, reader.page_text(n), reader.frame_image(n).tobytes()

    with ThreadPoolExecutor(8) as pool:
        for n, text, picture in pool.map(read, list(range(row.frames)) * 8):
            assert (text, picture) == (expected[n], pictures[n])
    assert len(files) == 1


def test_an_append_and_a_swap_are_seen_and_old_readers_closed(files, new_memory, append):
    row = new_memory({"a.txt": "one"})
    with files.reader(row) as first:
        append(row, {"a.txt": "two", "b.txt": "more"})
        mirror.follow(row)
        with files.reader(row) as second:
            assert second is not first and second.head.number == 2
            before = second.id
        assert not is_closed(first) and first.head.number == 1
    assert is_closed(first)
    swap(row)
    with files.reader(row) as third:
        assert third.head.number == 1 and third.id != before
    assert is_closed(second)


def test_threads_during_swaps(files, new_memory):
    row = new_memory({"a.txt": "the same words " * 200})

    def read(_: int) -> str:
        with files.reader(row) as reader:
            number = next(n for n in range(reader.stats()["frames"]) if reader.log.directory.kind(n) == 3)
            return reader.page_text(number)

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(read, n) for n in range(40)]
        for _ in range(4):
            swap(row)
        assert {future.result() for future in found} == {"the same words " * 200}


def test_the_one_used_longest_ago_is_closed(files, new_memory):
    rows = [new_memory() for _ in range(3)]
    readers = []
    for row in rows:
        with files.reader(row) as reader:
            readers.append(reader)
    assert [is_closed(reader) for reader in readers] == [True, False, False]


def test_idle_readers_are_closed_but_not_those_in_use(files, new_memory):
    used, idle = new_memory(), new_memory()
    with files.reader(idle) as second, files.reader(used) as first:
        pass
    with files.reader(used):
        files.sweep(before=float("inf"))
        assert is_closed(second) and not is_closed(first)
    files.sweep(before=float("inf"))
    assert is_closed(first) and len(files) == 0


def test_an_uncommitted_tail_costs_nothing_and_is_not_seen(files, new_memory):
    row = new_memory()
    with row.path.open("ab") as file:
        file.write(os.urandom(10_000))
    with files.reader(row) as reader:
        assert reader.log.length == row.file_bytes and not reader.notes


def test_a_file_without_its_directory_is_refused_and_not_scanned(files, new_memory):
    row = new_memory()
    row.path.write_bytes(row.path.read_bytes()[:-10])
    with pytest.raises(MemvidError), files.reader(row):
        pass
    row.path.unlink()
    with pytest.raises(MemvidError), files.reader(row):
        pass
    assert len(files) == 0
