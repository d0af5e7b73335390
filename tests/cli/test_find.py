"""search: what is found, how it is shown, and what is said when something is missing."""

from pathlib import Path

import pytest

from memories.cli.find import LONGEST, _excerpt
from memories.engine.config import MODEL


@pytest.fixture
def indexed(memvid) -> str:
    memvid("encode documents new_docs -o m.mp4 -i m.json")
    return "m.mp4"


def test_a_word_is_found_with_its_frame(memvid, indexed):
    ran = memvid("search -v m.mp4 -q whale --json")
    first = ran.json["results"][0]
    assert first["document"] == "documents/whale.md"
    assert "white whale" in first["text"]
    assert set(first) == {"text", "score", "chunk_id", "document", "frame", "commit", "metadata"}
    shown = memvid(f"extract m.mp4 --frame {first['frame']}").out
    assert "white whale" in shown


def test_without_a_model_it_says_so_and_searches_words(memvid, indexed):
    ran = memvid("search -v m.mp4 -q whale")
    assert "documents/whale.md" in ran.out
    assert ran.err.startswith("memvid: Searched by words only")
    assert memvid("search -v m.mp4 -q whale --json").json["mode"] == "keyword"


def test_semantic_without_a_model_fails(memvid, indexed):
    assert "cannot be searched by meaning" in memvid("search -v m.mp4 -q whale --mode semantic", code=1).err


def test_by_meaning_with_the_real_model(memvid, monkeypatch):
    monkeypatch.setenv("MEMVID_EMBEDDING_MODEL", MODEL)
    memvid("encode documents new_docs -o m.mp4 -i m.json")
    info = memvid("info m.mp4 -i m.json --json").json
    assert (info["indexed_chunks"], info["model"]) == (info["chunks"], MODEL)
    assert info["sidecar"] == {"path": "m.json", "fresh": True}
    ran = memvid("search -v m.mp4 -i m.json --mode semantic -q 'a huge sea mammal' --json")
    assert ran.json["results"][0]["document"] == "documents/whale.md"
    assert ran.json["notes"] == []
    Path("documents/whale.md").write_text("# Whales\n\nThe black whale slept.\n")
    memvid("append documents --video m.mp4 --no-index")
    assert memvid("info m.mp4 -i m.json --json").json["sidecar"]["fresh"] is False


@pytest.mark.parametrize("query", ["", "  ", "?!…", "\x00", "x" * 10_000, "naïve 鯨 🐋", "a AND (b"])
def test_odd_queries_are_no_errors(memvid, indexed, query):
    ran = memvid("search -v m.mp4 --json", f"--query={query}")
    assert isinstance(ran.json["results"], list)


def test_nothing_found_is_no_failure(memvid, indexed):
    assert "nothing found" in memvid("search -v m.mp4 -q zzzz").out


def test_how_many(memvid, indexed):
    assert len(memvid("search -v m.mp4 -q 'the a of' -k 2 --json").json["results"]) <= 2
    assert "500 results: between 1 and 100" in memvid("search -v m.mp4 -q x -k 500", code=2).err
    assert "0 results" in memvid("search -v m.mp4 -q x -k 0", code=2).err


def test_metadata_and_context(memvid, here):
    Path("documents/long.txt").write_text("".join(f"Sentence {n} is here to fill a chunk.\n" for n in range(200)))
    memvid("encode documents -o m.mp4 --chunk-size 400 --no-index")
    ran = memvid("search -v m.mp4 -q 'sentence 100' -w 1 -m")
    assert "     lines: [" in ran.out
    assert "   | Sentence" in ran.out
    assert "   > Sentence" in ran.out
    first = memvid("search -v m.mp4 -q 'sentence 100' -w 2 --json").json["results"][0]
    assert (len(first["before"]), len(first["after"])) == (2, 2)


def test_a_long_text_is_shown_around_the_word(memvid, here):
    Path("documents/long.txt").write_text("filler " * 100 + "needle " + "filler " * 100)
    memvid("encode documents -o m.mp4 --chunk-size 1500 --no-index")
    ran = memvid("search -v m.mp4 -q needle")
    assert "needle" in ran.out
    assert "…" in ran.out


@pytest.mark.parametrize("before", range(9))
def test_an_excerpt_begins_and_ends_at_words(before):
    text = "x" * before + " filler" * 90 + " needle " + "filler " * 90
    shown = _excerpt(text, "needle")
    assert shown[0] == shown[-1] == "…" and set(shown.strip("…").split()) == {"filler", "needle"}
    assert LONGEST - 20 < len(shown) <= LONGEST + 2


def test_an_excerpt_of_a_text_without_spaces_is_as_long_and_shows_the_word():
    shown = _excerpt("鯨" * 600 + " needle " + "鯨" * 600, "needle")
    assert len(shown) == LONGEST + 2 and "needle" in shown


def test_as_of(memvid, memory):
    Path("documents/code.py").write_text("def harpoon():\n    pass\n")
    memvid("append documents --video m.mp4 --no-index")
    assert memvid("search -v m.mp4 -q harpoon --json").json["total"] == 1
    assert memvid("search -v m.mp4 -q harpoon --as-of 1 --json").json["total"] == 0
    assert "9" in memvid("search -v m.mp4 -q harpoon --as-of 9", code=1).err
    assert "did not exist yet" in memvid("search -v m.mp4 -q harpoon --as-of 2001-01-01", code=1).err
    assert "someday" in memvid("search -v m.mp4 -q harpoon --as-of someday", code=None).err


def test_a_stale_sidecar_is_noted_and_not_believed(memvid, indexed):
    Path("documents/code.py").write_text("def harpoon():\n    pass\n")
    memvid("append documents --video m.mp4 --no-index")
    assert "m.json was ignored" in memvid("info m.mp4 -i m.json").err


def test_escapes_in_a_text_do_not_reach_the_terminal(memvid, here):
    Path("documents/evil.txt").write_text("whale \x1b[31mred\x1b]0;title\x07 \u202egnp.exe\n")
    memvid("encode documents/evil.txt -o m.mp4 --no-index")
    out = memvid("search -v m.mp4 -q whale").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "whale \\x1b[31mred" in out


@pytest.fixture
def ores(memvid, here) -> str:
    """m.mp4, in which the passage with most gold is not the best answer by words."""
    for name, text in (("a", "ore ore ore"), ("b", "ore and gold gold"), ("c", "ore and ore and tin")):
        Path("documents", f"{name}.txt").write_text(f"{text}\n")
    memvid("encode documents/a.txt documents/b.txt documents/c.txt -o m.mp4")
    return "m.mp4"


def names(ran) -> list[str]:
    return [Path(hit["document"]).name for hit in ran.json["results"]]


def test_a_cross_encoder_puts_the_best_in_a_new_order(memvid, ores, cross_encoder, monkeypatch):
    assert names(memvid("search -v m.mp4 -q ore --json"))[0] == "a.txt"
    Path("memvid.toml").write_text(f"[rerank]\nmodel = {str(cross_encoder)!r}\n")
    ran = memvid("search -v m.mp4 -q ore --json")
    assert names(ran)[0] == "b.txt" and not any("re-rank" in note for note in ran.json["notes"])
    assert names(memvid("multi-search ore m.mp4 --json"))[0] == "b.txt"
    monkeypatch.setenv("MEMVID_RERANK_MODEL", "nowhere/else")  # wins over the file, and a flag over both
    assert "Not re-ranked: The re-ranking model nowhere/else is not" in memvid("search -v m.mp4 -q ore").err
    assert "Not re-ranked" in memvid("multi-search ore m.mp4").err
    assert names(memvid("search -v m.mp4 -q ore --rerank-model none --json"))[0] == "a.txt"
    assert names(memvid(f"search -v m.mp4 -q ore --rerank-model {cross_encoder} --json"))[0] == "b.txt"
