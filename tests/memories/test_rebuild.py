"""A database that is gone: every row that the files hold comes back."""

from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from memories import mirror
from memories.models import Chunk, Commit, Document, Job, Memory
from search.models import Embedding, EmbeddingModel
from tests.memories.working import queue, upload, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def memory(workspace, alice, settings, tmp_path_factory) -> Memory:
    settings.MEMVID_DATA_DIR = tmp_path_factory.mktemp("data")  # with no memory of another test in it
    return Memory.objects.create(
        workspace=workspace, created_by=alice, name="Whales", description="of the sea", tags=["sea", "books"],
        visibility="private", index_mode="none",
    )  # fmt: skip


def history(memory: Memory) -> None:
    """Documents added, changed, removed, added again, and corrected; a text with NUL; a change of the name."""
    work(
        upload(memory, {"d/a.txt": "call me ishmael", "d/b.txt": "x\0y", "d/c.md": "# One\n\ntext\n\n# Two\n\nmore\n"})
    )
    work(upload(memory, {"d/a.txt": "call me ahab"}))
    work(queue(memory, Job.Kind.REMOVE, documents=[2]))
    work(upload(memory, {"d/b.txt": "back again"}))
    order = Chunk.objects.present().get(document__number=1).order
    work(
        queue(
            memory,
            Job.Kind.EDIT,
            document=1,
            changes=[{"order": order, "text": "call me"}, {"order": order + 1, "text": " x"}],
        )
    )
    work(queue(memory, Job.Kind.MIRROR))


def rows(memory: Memory) -> dict[str, list]:
    """Every column but the primary keys."""

    def of(found, *more: str) -> list:
        names = [f.attname for f in found.model._meta.concrete_fields if not f.primary_key and not f.is_relation]
        return sorted(map(repr, found.order_by().values_list(*more, *names)))

    return {
        "memory": [
            Memory.objects.values_list(
                "pk", "name", "description", "tags", "visibility", "index_mode", "state", "alarm", "file_id", "codec",
                "profile", "head", "head_hash", "file_bytes", "text_bytes", "frames", "documents_count", "chunks_count",
                "created_by__email",
            ).get(pk=memory.pk)
        ],
        "commits": of(Commit.objects.filter(memory=memory)),
        "documents": of(Document.objects.filter(memory=memory)),
        "chunks": of(Chunk.objects.filter(memory=memory), "document__number"),
    }  # fmt: skip


def vectors(memory: Memory) -> dict[tuple, np.ndarray]:
    found = Embedding.objects.filter(chunk__memory=memory).values_list(
        "model__name", "chunk__document__number", "chunk__order", "chunk__added", "vector"
    )
    return {row[:4]: np.array(row[4], np.float32) for row in found}


def test_every_row_comes_back_from_the_files_alone(memory, alice, embedder):
    history(memory)
    Memory.objects.filter(pk=memory.pk).update(index_mode="background")
    work(queue(memory, Job.Kind.MIRROR))
    assert work(queue(memory, Job.Kind.INDEX)).state == "done"
    memory.refresh_from_db()
    before, made = rows(memory), vectors(memory)
    assert len(before["commits"]) >= 6 and len(made) == memory.chunks_count
    Memory.objects.all().delete()
    EmbeddingModel.objects.all().delete()
    out = StringIO()
    call_command("rebuild_workspace", memory.path.parent, workspace="Reading room", stdout=out)
    assert rows(memory) == before and "restored 1 memories" in out.getvalue() and not Job.objects.exists()
    back = vectors(memory)
    assert back.keys() == made.keys() and all(back[key] @ made[key] > 0.999 for key in made)
    call_command("verify_mirror", stdout=out)


def test_from_a_copy_elsewhere_into_a_workspace_that_is_made(memory, alice, tmp_path):
    history(memory)
    copy = tmp_path / "old whales.mp4"
    copy.write_bytes(memory.path.read_bytes())
    (tmp_path / "noise.mp4").write_bytes(b"no memory")
    Memory.objects.all().delete()
    memory.path.unlink()
    with pytest.raises(CommandError, match="give --owner"):
        call_command("rebuild_workspace", tmp_path, workspace="New place", stdout=StringIO())
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("rebuild_workspace", tmp_path, workspace="New place", owner=alice.email, stdout=out)
    row = Memory.objects.get()
    assert (row.name, row.tags, row.workspace.name, row.visibility) == (
        "Whales",
        ["sea", "books"],
        "New place",
        "private",
    )
    assert "noise.mp4: " in out.getvalue() and Memory.objects.visible_to(alice).exists()


def test_verify_mirror_tells_what_differs_and_mends_it(memory):
    history(memory)
    call_command("verify_mirror", stdout=StringIO())
    Chunk.objects.filter(document__number=3).update(text="changed behind its back")
    Document.objects.filter(number=1).update(path="other")
    Commit.objects.filter(number=1).delete()
    out = StringIO()
    with pytest.raises(CommandError, match="1 memories differ"):
        call_command("verify_mirror", stdout=out)
    assert all(word in out.getvalue() for word in ("chunk (3, ", "document 1 differs", "commit 1 is lacking"))
    call_command("verify_mirror", mend=True, stdout=StringIO())
    call_command("verify_mirror", stdout=StringIO())


def test_following_step_by_step_gives_the_rows_of_copying_at_once(memory):
    history(memory)
    before = rows(memory)
    mirror.rebuild(memory)
    assert rows(memory) == before
