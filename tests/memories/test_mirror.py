"""The rows follow the file, and the file is right."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memories import mirror, mirroring
from memories.engine import Memory as MemoryFile
from memories.engine.align import Change
from memories.engine.model import ORDER_STEP
from memories.engine.writer import Note
from memories.models import Chunk, Document, Memory
from memories.restoring import differences
from tests.memories.working import upload, work


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


def test_another_history_of_the_same_memory_raises_an_alarm_and_loses_no_row(new_memory, append):
    row = new_memory()
    old = row.path.read_bytes()
    append(row, {"c.txt": "new"})
    mirror.follow(row)
    right = row.path.read_bytes()
    row.path.write_bytes(old)
    append(row, {"d.txt": "other"})
    append(row, {"e.txt": "and longer"})
    assert mirror.follow(row)
    assert row.state == Memory.State.BEHIND and "another history: its commit 2" in row.alarm
    assert present(row)["c.txt"] == "new" and "d.txt" not in present(row)
    job = work(upload(row, {"f.txt": "more"}))
    assert job.state == "failed" and "another history" in job.reason
    row.path.write_bytes(right)
    mirror.follow(row)
    assert (row.state, row.alarm) == (Memory.State.READY, "")
    row.path.write_bytes(old)
    append(row, {"d.txt": "other"})
    mirror.follow(row)
    mirror.rebuild(row)
    assert row.state == Memory.State.READY and "d.txt" in present(row) and "c.txt" not in present(row)


def commit_puts(row: Memory, *runs: dict[int, str | None], delete: bool = False) -> None:
    """Commits behind the site's back, each putting chunks of document 1 by order; the last one may delete it."""
    with MemoryFile.open(row.path) as file:
        for run in runs:
            edits = [Change(order, text) for order, text in run.items()]
            file.apply(lambda planner, edits=edits: planner.edit("a.txt", edits), Note())
        if delete:
            file.remove(["a.txt"])


def versions(row: Memory) -> list[tuple]:
    columns = ("document__number", "order", "added", "removed", "text")
    return list(Chunk.objects.filter(memory=row).order_by(*columns[:3]).values_list(*columns))


def test_a_chunk_put_and_deleted_several_times_in_one_go(new_memory):
    row = new_memory({"a.txt": "one"})
    commit_puts(row, {9: "x"}, {9: "y"}, {9: None}, {9: "z"}, {ORDER_STEP: "two", 9: None})
    mirror.follow(row)
    expected = [
        (1, 9, 2, 3, "x"), (1, 9, 3, 4, "y"), (1, 9, 5, 6, "z"),
        (1, ORDER_STEP, 1, 6, "one"), (1, ORDER_STEP, 6, None, "two"),
    ]  # fmt: skip
    assert versions(row) == expected and not differences(row)
    mirror.rebuild(row)
    assert versions(row) == expected


def test_a_document_deleted_and_added_again_in_one_go(new_memory, append):
    row = new_memory({"a.txt": "one", "b.txt": "other"})
    commit_puts(row, {9: "x"}, delete=True)
    append(row, {"a.txt": "again"})
    mirror.follow(row)
    assert present(row) == {"a.txt": "again", "b.txt": "other"} and not differences(row)
    assert list(Document.objects.filter(path="a.txt").order_by("number").values_list("removed", flat=True)) == [3, None]
    with MemoryFile.open(row.path, at=2) as then:
        texts = list(Chunk.objects.filter(memory=row, document__number=1).as_of(2).order_by("order"))
        assert "".join(chunk.text for chunk in texts) == then.text("a.txt")


def test_the_number_of_statements_does_not_grow_with_documents_or_chunks(new_memory, append, monkeypatch):
    row = new_memory()
    counts = []
    for size in (10, 400):
        append(row, {f"{size}/{n}.txt": f"text {n}" for n in range(size)})
        with CaptureQueriesContext(connection) as seen:
            mirror.follow(row)
        counts.append(len(seen))
    assert counts[0] == counts[1] and len(present(row)) == 412
    monkeypatch.setattr(mirroring, "BATCH", 50)
    append(row, {f"more/{n}.txt": "x" for n in range(200)})
    with CaptureQueriesContext(connection) as seen:
        mirror.follow(row)
    assert len(seen) <= counts[1] + 4 * 4 and not differences(row)


@pytest.mark.parametrize("way", ["hashjoin", "mergejoin", "nestloop"])
def test_chunks_are_numbered_in_the_order_of_the_file(new_memory, append, way):
    """However the server joins them to their documents."""
    row = new_memory({f"{number}.txt": f"text {number}" for number in range(20)})
    texts = {"7.txt": "seven", "3.txt": "three", "19.txt": "nineteen", "0.txt": "zero", "12.txt": "twelve"}
    append(row, texts)
    with connection.cursor() as cursor:
        for other in {"hashjoin", "mergejoin", "nestloop"} - {way}:
            cursor.execute(f"SET LOCAL enable_{other} = off")
    mirror.follow(row)
    added = Chunk.objects.filter(memory=row, added=2).order_by("pk")
    assert list(added.values_list("text", flat=True)) == list(texts.values())


def test_it_writes_nothing_that_people_write(new_memory, append):
    row = new_memory()
    append(row, {"c.txt": "new"})
    Memory.objects.filter(pk=row.pk).update(name="Renamed meanwhile", tags=["new"])
    mirror.follow(row)
    assert (row.name, row.tags, row.head) == ("Renamed meanwhile", ["new"], 2)


def test_a_curators_flag_survives_a_rewritten_file(new_memory, append, tmp_path):
    row = new_memory()
    append(row, {"a.txt": "another"})
    mirror.follow(row)
    Chunk.objects.present().filter(document__path="b.txt").update(flag="look")
    Chunk.objects.filter(removed=2).update(flag="old")
    with MemoryFile.open(row.path) as file:
        file.vacuum(tmp_path / "out.mp4").close()
    (tmp_path / "out.mp4").replace(row.path)
    mirror.follow(row)
    assert row.head == 1 and list(Chunk.objects.exclude(flag="").values_list("text", "flag")) == [
        ("it was the best of times", "look")
    ]


def test_a_file_that_makes_no_sense_is_an_alarm(new_memory, append, monkeypatch):
    row = new_memory()
    append(row, {"c.txt": "new"})
    monkeypatch.setattr(mirroring, "clean_json", lambda value: {"a": float("nan")})
    assert mirror.follow(row) and row.state == Memory.State.DAMAGED and "no memory says" in row.alarm
    assert row.head == 1 and "c.txt" not in present(row)
    monkeypatch.undo()
    assert mirror.follow(row) and row.state == Memory.State.READY
