import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.engine.errors import IngestError, UsageError
from memories.engine.ingest import SplitSettings, chunks_source, read_source, text_source
from memories.engine.ingest.split import prose

SPLIT = SplitSettings()
SMALL = SplitSettings(chunk_size=40, overlap=5, max_chunk=60, min_chunk=8)
SUFFIXES = "txt md rst html csv tsv json jsonl yaml toml xml sql css log py js rs kt".split()

# Text that has the marks which parsers look for, and every kind of character that is easily cut in two.
PIECES = st.sampled_from(
    [
        "\r\n",
        "\n",
        "\r",
        "\n\n",
        "\0",
        "\ufeff",
        "# ",
        "```\n",
        "---\n",
        '"',
        ",",
        "def f():\n",
        "{",
        "}",
        "<h1>",
        "</h1>",
    ]
    + ["word ", "x" * 70, "漢字。", "é", "e\u0301", "👩‍👩‍👧", "🇫🇷", "\u2028", "\x0b", "\t", "[a]\n", "k: v\n", ";\n"]
)
TEXTS = st.lists(PIECES | st.text(max_size=20), max_size=60).map("".join)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252", "latin-1")
ENCODED = st.builds(lambda text, encoding: text.encode(encoding, "replace"), TEXTS, st.sampled_from(ENCODINGS))


def joined(source) -> str:
    return "".join(draft.text for draft in source.drafts())


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=300) | ENCODED, st.sampled_from(SUFFIXES))
def test_any_bytes_come_back_exactly(tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes(data)
    source = read_source(path, path.name, SMALL)
    texts = [draft.text for draft in source.drafts()]
    assert b"".join(text.encode(source.encoding) for text in texts) == data
    assert all(0 < len(text) <= SMALL.max_chunk for text in texts)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", "utf-8"),
        ("\ufeffcaf\u00e9".encode(), "utf-8"),
        ("\ufeffhi 漢".encode("utf-16-le"), "utf-16-le"),
        ("\ufeffhi 漢".encode("utf-16-be"), "utf-16-be"),
        ("café – “x”".encode("cp1252"), "cp1252"),
        (b"caf\xe9 \x81", "latin-1"),
        (b"\xff\xfea", "cp1252"),  # a mark, but half a character follows
    ],
)
def test_encodings_are_told_apart(tmp_path, data, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    assert read_source(path, "a.txt", SPLIT).encoding == encoding


def test_an_empty_file_is_a_document_without_chunks(tmp_path):
    path = tmp_path / "empty.md"
    path.touch()
    source = read_source(path, "r/empty.md", SPLIT)
    assert (source.size, list(source.drafts())) == (0, [])


@given(TEXTS, st.integers(1, 50))
def test_windows_make_no_difference(text, width):
    windows = [text[start : start + width] for start in range(0, len(text), width)]
    assert list(prose(windows, SMALL)) == list(prose([text], SMALL))


def test_prose_is_cut_at_the_best_break():
    def first(*parts: str) -> str:
        return next(prose(["".join(parts) + "z" * 100], SMALL))

    assert first("a" * 22, "\n\n", "b. ", "c") == "a" * 22 + "\n\n"
    assert first("a" * 22, ". ", "b c ", "d") == "a" * 22 + ". "
    assert first("a" * 22, " b ") == "a" * 22 + " b "
    assert first("z" * 39, "\r\n") == "z" * 39
    assert first("z" * 39, "e\u0301") == "z" * 39
    assert first("z" * 36, "👩\u200d👩\u200d👧") == "z" * 36
    assert first("🇫🇷" * 5, "z" * 29, "🇫🇷") == "🇫🇷" * 5 + "z" * 29


def test_sizes_change_the_chunks():
    text = "word " * 300
    count = {size: len(list(prose([text], SplitSettings.around(size)))) for size in (100, 400)}
    assert count[100] > count[400] > 1
    tail = "word " * 210  # 50 characters more than a chunk
    assert [len(chunk) for chunk in prose([tail], SPLIT)] == [1050]
    assert [len(chunk) for chunk in prose([tail], SplitSettings(min_chunk=10))] == [1000, 50]
    assert [len(chunk) for chunk in prose([tail], SplitSettings(max_chunk=1000))] == [1000, 50]


@pytest.mark.parametrize("sizes", [{"chunk_size": 0}, {"max_chunk": 9}, {"min_chunk": 2000}, {"overlap": -1}])
def test_impossible_sizes_are_refused_by_name(sizes):
    with pytest.raises(UsageError, match=next(iter(sizes))):
        SplitSettings(**sizes)


def test_a_large_sparse_file_needs_little_memory(tmp_path):
    path = tmp_path / "sparse.txt"
    with path.open("wb") as file:
        file.truncate(24 << 20)
    tracemalloc.start()
    source = read_source(path, path.name, SPLIT)
    assert sum(len(draft.text) for draft in source.drafts()) == source.size == 24 << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    source = read_source(path, "a.txt", SPLIT)
    path.write_text("after")
    with pytest.raises(IngestError, match="changed while"):
        list(source.drafts())


def test_pasted_text_is_parsed_by_its_name():
    source = text_source("# Whales\n\nbig\n", "notes/whales.md", SPLIT, tags=["sea"])
    assert joined(source) == "# Whales\n\nbig\n"
    assert next(iter(source.drafts())).metadata == {"headings": ["Whales"]}
    assert (source.media_type, source.tags, source.size) == ("text/markdown", ("sea",), 14)
    with pytest.raises(IngestError, match="surrogate"):
        text_source("\ud800", "bad", SPLIT)


def test_given_chunks_keep_their_borders():
    source = chunks_source(["one ", "x" * 5000, "", "three"], "notes")
    assert [len(draft.text) for draft in source.drafts()] == [4, 5000, 0, 5]
    assert source.max_chunk == 5000


def test_unknown_files_are_text_when_they_look_like_it(tmp_path):
    for name, data in (("NOTES", b"plain"), ("a.weird", "caf\u00e9".encode())):
        (tmp_path / name).write_bytes(data)
        assert joined(read_source(tmp_path / name, name, SPLIT)).encode() == data
    (tmp_path / "b\nlob").write_bytes(bytes(range(256)))
    with pytest.raises(IngestError, match=r"b\\nlob is binary"):
        read_source(tmp_path / "b\nlob", "b\nlob", SPLIT)


def test_what_is_not_a_file_is_refused_without_waiting(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.txt")
    for path, reason in ((tmp_path / "pipe.txt", "not a regular file"), (Path("/no/such.txt"), "No such file")):
        with pytest.raises(IngestError, match=reason):
            read_source(path, path.name, SPLIT)
