"""The rows follow the file, and the file is right."""

from memories import mirror
from memories.engine import Memory as MemoryFile
from memories.models import Chunk, Document, Memory


def present(row: Memory) -> dict[str, str]:
    chunks = Chunk.objects.present().filter(memory=row).select_related("document").order_by("document", "order")
    texts: dict[str, str] = {}
    for chunk in chunks:
        texts[chunk.document.path] = texts.get(chunk.document.path, "") + chunk.text
    return texts


def test_it_copies_a_file(new_memory):
    row = new_memory({"a.txt": "first\0text", "b.txt": "second"})
    assert present(row) == {"a.txt": "first\N{REPLACEMENT CHARACTER}text", "b.txt": "second"}
    assert (row.head, row.state, row.documents_count) == (1, "ready", 2)


def test_it_follows_commits_from_outside(new_memory, append):
    row = new_memory({"a.txt": "one two three"})
    append(row, {"a.txt": "one two four", "c.txt": "new"})
    assert mirror.follow(row) and not mirror.follow(row)
    assert present(row) == {"a.txt": "one two four", "c.txt": "new"}
    assert list(Chunk.objects.filter(memory=row).as_of(1).values_list("text", flat=True)) == ["one two three"]
    with MemoryFile.open(row.path) as file:
        file.remove(["a.txt"])
    mirror.follow(row)
    assert present(row) == {"c.txt": "new"}
    assert Document.objects.get(memory=row, path="a.txt").removed == 3


def test_a_file_that_fell_behind_raises_an_alarm_and_loses_no_row(new_memory, append):
    row = new_memory()
    old = row.path.read_bytes()
    append(row, {"c.txt": "new"})
    mirror.follow(row)
    row.path.write_bytes(old)
    assert mirror.follow(row)
    assert row.state == Memory.State.BEHIND and "ends at commit 1" in row.alarm
    assert present(row)["c.txt"] == "new"
    mirror.rebuild(row)
    assert row.state == Memory.State.READY and "c.txt" not in present(row)
