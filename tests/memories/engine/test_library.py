"""MemvidEncoder and MemvidRetriever: the programs of the original's documentation, in Python."""

from pathlib import Path

import pytest

from memories.engine import Config, Memory, MemvidEncoder, MemvidRetriever
from memories.engine.config import FolderConfig
from memories.engine.errors import IngestError, MemvidError, NotFound, UsageError
from memories.engine.jobs import get_indexing_status, submit_background_indexing, wait_for_indexing

DEADLINE = 60


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MEMVID_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "documents/mind.txt": "Artificial intelligence is a field of study.\n",
        "documents/sea.md": "# Whales\n\nThe white whale swam.\n",
        "new_documents/today.txt": "What happened today.\n",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    return tmp_path


@pytest.fixture
def config() -> Config:
    """Words only and at once: no model is loaded."""
    config = Config()
    config.embeddings.model_name = "nowhere/no-model"
    return config


@pytest.fixture
def built(config) -> MemvidEncoder:
    encoder = MemvidEncoder(config)
    encoder.add_directory("documents/")
    encoder.build_video("memory.mp4", "memory.json")
    return encoder


def test_build_and_search(config):
    encoder = MemvidEncoder(config)
    encoder.add_directory("documents/")
    stats = encoder.build_video("memory.mp4", "memory.json")
    assert stats.total_chunks == 2
    assert stats.total_frames == Memory.open("memory.mp4").stats()["frames"]
    assert 0 < stats.encoding_time_seconds < 60
    assert stats.video_stats.file_size_bytes == Path("memory.mp4").stat().st_size

    with MemvidRetriever("memory.mp4", "memory.json", config) as retriever:
        results = retriever.search("artificial intelligence", 5)
    assert results[0].text == "Artificial intelligence is a field of study.\n"
    assert results[0].document == "documents/mind.txt"
    assert results[0].score > 0


def test_search_with_the_real_model():
    encoder = MemvidEncoder()
    encoder.add_directory("documents/")
    encoder.build_video("memory.mp4")
    retriever = MemvidRetriever("memory.mp4")
    assert retriever.search("an animal in the ocean", 1)[0].document == "documents/sea.md"
    assert retriever.results("an animal in the ocean").mode == "hybrid"


def test_background_indexing_as_configured(config):
    config.search.enable_background_indexing = True
    config.search.enable_index_building = False
    encoder = MemvidEncoder(config)
    encoder.add_directory("documents/")
    stats = encoder.build_video("memory.mp4", "memory.json")
    status = wait_for_indexing(stats.index_job, DEADLINE)
    assert (status.state, status.progress) == ("done", 1.0)
    assert status.duration_seconds > 0
    assert get_indexing_status(stats.index_job) == status
    assert Path("memory.json").exists()


def test_a_background_job_of_its_own(config):
    config.search.enable_index_building = False
    encoder = MemvidEncoder(config)
    encoder.add_text("A text.")
    encoder.build_video("memory.mp4")
    job_id = submit_background_indexing("memory.mp4", "memory.json", config)
    assert wait_for_indexing(job_id, DEADLINE).state == "done"


def test_load_existing_and_build_appends_a_commit(built, config):
    encoder = MemvidEncoder.load_existing("memory.mp4", "memory.json", config)
    assert len(encoder) == 2
    encoder.add_chunks(["New chapter about advanced topics", "Additional examples and use cases"])
    assert len(encoder) == 4
    before = Path("memory.mp4").read_bytes()
    stats = encoder.build_video("memory.mp4", "memory.json")
    assert (stats.total_chunks, stats.commit) == (4, 2)
    assert Path("memory.mp4").read_bytes()[: len(before) // 2] == before[: len(before) // 2]
    assert len(encoder) == 4
    assert list(encoder.chunks())[-2:] == ["New chapter about advanced topics", "Additional examples and use cases"]


def test_building_the_same_again_commits_nothing(built, config):
    built.add_directory("documents/")
    assert built.build_video("memory.mp4", "memory.json").commit is None
    assert len(Memory.open("memory.mp4").commits()) == 1


def test_load_existing_and_build_elsewhere_leaves_the_first_alone(built, config):
    before = Path("memory.mp4").read_bytes()
    encoder = MemvidEncoder.load_existing("memory.mp4", config=config)
    encoder.add_directory("new_documents/")
    assert encoder.build_video("version_2.mp4").total_chunks == 3
    assert Path("memory.mp4").read_bytes() == before


def test_an_existing_file_that_was_not_loaded_is_not_overwritten(built, config):
    encoder = MemvidEncoder(config)
    encoder.add_text("other")
    with pytest.raises(MemvidError, match=r"memory\.mp4"):
        encoder.build_video("memory.mp4")
    assert Memory.open("memory.mp4").stats()["documents"] == 2


def test_append_to_video(built, config):
    encoder = MemvidEncoder(config)
    encoder.add_directory("new_documents/")
    assert encoder.append_to_video("memory.mp4", "memory.json").total_chunks == 3


def test_merge_videos(built, config):
    encoder = MemvidEncoder(config)
    encoder.create_incremental_video(["Update 1", "Update 2"], "update.mp4", "update.json")
    stats = MemvidEncoder.merge_videos(
        ["memory.mp4", "update.mp4"], ["memory.json", "update.json"], "merged.mp4", "merged.json", config
    )
    assert stats.total_chunks == 4
    with MemvidRetriever("merged.mp4", "merged.json", config) as retriever:
        assert retriever.search("update", 5)[0].text.startswith("Update")


def test_merge_wants_an_index_or_none_for_each_video(built):
    with pytest.raises(UsageError, match="1 videos and 2 indexes"):
        MemvidEncoder.merge_videos(["memory.mp4"], [None, None], "merged.mp4")


def test_many_sources_one_commit(config):
    Path("table.csv").write_text("a,b\n1,2\n")
    Path("tool.py").write_text("def tool():\n    pass\n")
    encoder = MemvidEncoder(config)
    encoder.add_directories(["documents", "new_documents"])
    encoder.add_csv_file("table.csv")
    encoder.add_code_file("tool.py")
    encoder.add_text_file("documents/mind.txt")
    encoder.add_text("A text.", name="notes/a.txt")
    encoder.build_video("memory.mp4")
    with Memory.open("memory.mp4") as memory:
        assert [document.path for document in memory.documents()] == [
            "documents/mind.txt",
            "documents/sea.md",
            "mind.txt",
            "new_documents/today.txt",
            "notes/a.txt",
            "table.csv",
            "tool.py",
        ]
        assert len(memory.commits()) == 1


def test_what_is_added_is_counted(config):
    Path("documents/.hidden").write_text("x")
    encoder = MemvidEncoder(config)
    stats = encoder.add_directory("documents")
    assert (stats.files_found, stats.files_processed, stats.files_skipped, stats.files_failed) == (3, 2, 1, 0)
    assert stats.bytes_processed == sum(Path("documents", name).stat().st_size for name in ("mind.txt", "sea.md"))
    assert [outcome.reason for outcome in stats.outcomes] == ["hidden"]


def test_a_folder_with_filters_of_its_own(config):
    encoder = MemvidEncoder(config)
    assert encoder.add_directory("documents", FolderConfig(include_extensions=["md"])).files_processed == 1
    assert encoder.add_directory("new_documents").files_processed == 1


def test_preview_adds_nothing(config):
    encoder = MemvidEncoder(config)
    found = encoder.preview_directory("documents")
    assert [one.name for one in found] == ["documents/mind.txt", "documents/sea.md"]
    assert len(encoder) == 0


def test_clear_forgets_what_was_added(built):
    built.add_text("never mind")
    built.clear()
    assert len(built) == 2
    assert built.build_video("memory.mp4").commit is None


def test_a_file_that_cannot_be_read_is_an_error_at_once(config):
    Path("broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    encoder = MemvidEncoder(config)
    for add in (encoder.add_pdf, encoder.add_file):
        with pytest.raises(IngestError, match=r"broken\.pdf"):
            add("broken.pdf")
    with pytest.raises(MemvidError, match=r"gone\.txt"):
        encoder.add_text_file("gone.txt")


def test_nothing_but_failures_leaves_no_file(config):
    Path("papers").mkdir()
    Path("papers/broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    encoder = MemvidEncoder(config)
    encoder.add_directory("papers")
    with pytest.raises(MemvidError, match=r"nothing was stored: papers/broken\.pdf"):
        encoder.build_video("memory.mp4")
    assert not Path("memory.mp4").exists()


def test_building_from_nothing_leaves_no_file(config):
    with pytest.raises(MemvidError, match="nothing was added"):
        MemvidEncoder(config).build_video("memory.mp4")
    assert not Path("memory.mp4").exists()


def test_settings_that_cannot_be_are_refused():
    config = Config()
    config.text.chunk_size = 0
    with pytest.raises(UsageError, match=r"text\.chunk_size = 0"):
        MemvidEncoder(config)


@pytest.fixture
def retriever(config):
    Path("documents/long.txt").write_text("".join(f"Sentence {n} fills a chunk.\n" for n in range(100)))
    config.text.chunk_size = 400
    encoder = MemvidEncoder(config)
    encoder.add_directory("documents")
    encoder.build_video("memory.mp4")
    with MemvidRetriever("memory.mp4", config=config) as retriever:
        yield retriever


def test_search_with_metadata_and_context(retriever):
    hit = retriever.search_with_metadata("whale", 1)[0]
    assert hit.metadata["lines"][0] >= 1
    hit = retriever.search_with_context("sentence 50", 1, 2)[0]
    assert (len(hit.before), len(hit.after)) == (2, 2)


def test_chunks_by_id_and_around_it(retriever):
    hit = retriever.search("sentence 50", 1)[0]
    assert retriever.get_chunk(hit.chunk_id).text == hit.text
    window = retriever.get_context_window(hit.chunk_id, 1)
    assert [chunk.id for chunk in window][1] == hit.chunk_id
    assert len(window) == 3
    assert "".join(chunk.text for chunk in window) in Path("documents/long.txt").read_text()
    for wrong in ("999.1", "zz", "1", "", "1.-1", f"{10**30}.1", f"1.{10**30}"):
        with pytest.raises(NotFound, match="chunk"):
            retriever.get_context_window(wrong)


def test_a_closed_memory_says_so(retriever):
    ref = retriever.memory.chunks()[0]
    retriever.close()
    for call in (lambda: retriever.get_chunk(ref.id), retriever.get_stats, lambda: retriever.memory.remove(["x"])):
        with pytest.raises(MemvidError, match="was closed: open it again"):
            call()


def test_frames(retriever):
    hit = retriever.search("whale", 1)[0]
    assert "white whale" in retriever.extract_frame(hit.frame)
    assert retriever.extract_frames([hit.frame]) == {hit.frame: retriever.extract_frame(hit.frame)}
    assert hit.chunk_id in [chunk.id for chunk in retriever.get_chunks_by_frames([hit.frame])]


def test_what_there_is_to_know(retriever):
    stats = retriever.get_stats()
    assert stats["indexed_chunks"] == stats["chunks"]
    info = retriever.get_video_info()
    assert info["total_frames"] == stats["frames"]
    assert info["duration_seconds"] == pytest.approx(stats["frames"] / 30)
    assert info["width"] == info["height"] == 192


def test_more_results_than_allowed(retriever):
    with pytest.raises(UsageError, match="101 results: between 1 and 100"):
        retriever.search("x", 101)
