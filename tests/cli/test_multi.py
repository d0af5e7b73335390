"""multi-search: several memories as one, what they say to each other, and when it was said."""

import json
from pathlib import Path

import pytest

from memories.engine.config import MODEL

BRIDGE = "The bridge is 300 metres long. The mayor opened it on a cold day in spring.\n"


@pytest.fixture
def two(memvid) -> str:
    """a.mp4 and b.mp4, whose second commit changes the length."""
    for name, text in (("a/bridge.txt", BRIDGE), ("b/notes.txt", BRIDGE.replace("300", "310").replace("cold", "warm"))):
        Path(name).parent.mkdir()
        Path(name).write_text(text)
    Path("b/copy.txt").write_text(BRIDGE)
    memvid("encode a -o a.mp4")
    memvid("encode b -o b.mp4")
    Path("b/notes.txt").write_text("The bridge is 305 metres long. Nobody knows who opened it.\n")
    memvid("append --video b.mp4 b")
    return "a.mp4 b.mp4"


def test_hits_of_all_memories_come_together_with_counts_of_each(memvid, two):
    ran = memvid(f"multi-search 'bridge length' {two} --json").json
    assert {hit["memory"] for hit in ran["results"]} == {"a.mp4", "b.mp4"}
    assert [(one["name"], one["matched"], one["error"]) for one in ran["memories"]] == [
        ("a.mp4", 1, None),
        ("b.mp4", 2, None),
    ]
    assert ran["scores"] == "pooled" and all("words only" in note for note in ran["notes"])
    first = ran["results"][0]
    assert set(first) == {"memory", "document", "chunk_id", "frame", "commit", "score", "text", "also"}


def test_a_copy_in_another_memory_is_no_hit_of_its_own(memvid, two):
    results = memvid(f"multi-search mayor {two} --json").json["results"]
    assert [(hit["document"], [also["document"] for also in hit["also"]]) for hit in results] == [
        ("a/bridge.txt", ["b/copy.txt"])
    ]
    assert "also: b.mp4  b/copy.txt" in memvid(f"multi-search mayor {two}").out


def test_a_rare_word_weighs_what_it_weighs_in_all_memories_together(memvid):
    """In rare.mp4 alone "harpoon" is everywhere and so worth little; among all texts it is the rare word."""
    for name, texts in {
        "rare": ["harpoon one"] * 3,
        "usual": ["whale ship", *(f"ship number {n} sailed" for n in "abcdefgh")],
    }.items():
        Path(name).mkdir()
        for number, text in enumerate(texts):
            Path(name, f"{number}.txt").write_text(f"{text} {number}\n")
        memvid(f"encode {name} -o {name}.mp4")
    results = memvid("multi-search 'harpoon ship' usual.mp4 rare.mp4 -k 3 --json").json["results"]
    assert results[0]["memory"] == "rare.mp4"


def test_what_contradicts_is_shown_with_both_sources(memvid, two):
    ran = memvid(f"multi-search 'how long is the bridge' {two} --correlations --json").json["correlations"]
    found = next(one for one in ran["found"] if one["kind"] == "contradict")
    assert {found["one"]["memory"], found["other"]["memory"]} == {"a.mp4", "b.mp4"}
    assert "metres against" in found["reason"] and "bridge is 30" in found["one"]["sentence"]
    text = memvid(f"multi-search 'how long is the bridge' {two} --correlations")
    assert "≠ contradict each other: both give a number for “bridge”" in text.out
    assert "Compared by words only" in text.err


def test_time_knows_what_was_removed(memvid, two):
    ran = memvid(f"multi-search 'bridge long' {two} --temporal --json").json["temporal"]
    assert (ran["passages"], ran["standing"]) == (4, 3)
    assert ran["first"]["commit"] == 1 and ran["spread"][0]["added"] == 4
    replaced = [one for one in ran["changes"] if one["what"] == "replaced"]
    assert ["gone", "310"] in replaced[0]["words"] and ["new", "305"] in replaced[0]["words"]
    assert "[-310-] {+305+}" in memvid(f"multi-search 'bridge long' {two} --temporal").out
    late = memvid(f"multi-search 'bridge long' {two} --temporal --since 2999-01-01 --json").json["temporal"]
    assert late["changes"] == []


def test_as_of_shows_the_past_alone(memvid, two):
    ran = memvid(f"multi-search 'bridge long' {two} --as-of 1 --temporal --json").json
    assert any("310 metres" in hit["text"] for hit in ran["results"])
    assert (ran["temporal"]["passages"], ran["temporal"]["standing"]) == (3, 3)


def test_by_meaning_with_the_real_model(memvid, monkeypatch, two):
    monkeypatch.setenv("MEMVID_EMBEDDING_MODEL", MODEL)
    memvid("index a.mp4")
    memvid("index b.mp4")
    ran = memvid(f"multi-search 'span of the crossing' {two} --mode semantic --correlations --json").json
    assert ran["correlations"]["by"] == "meaning" and ran["notes"] == []
    assert any(one["kind"] == "contradict" for one in ran["correlations"]["found"])


@pytest.mark.parametrize("ends", [("",), ("", "!!"), (" and was gone", " on")])
def test_where_all_chunks_match_they_score_as_in_one_memory(memvid, monkeypatch, ends):
    """Words that each memory has in every chunk are worth another in each of them than in all together."""
    monkeypatch.setenv("MEMVID_EMBEDDING_MODEL", MODEL)
    for name, place in {"x": "on Christmas day at noon", "y": "from old Nantucket"}.items():
        Path(name).mkdir()
        for number, end in enumerate(ends):
            Path(name, f"{number}.txt").write_text(f"The Pequod sailed {place}{end}.\n")
        memvid(f"encode {name} -o {name}.mp4")
    memvid("encode x y -o both.mp4")
    ran = memvid("multi-search 'Pequod sailed' x.mp4 y.mp4 --json").json["results"]
    whole = memvid("search -v both.mp4 -q 'Pequod sailed' --json").json["results"]
    expected = {hit["document"]: hit["score"] for hit in whole}
    assert len({hit["memory"] for hit in ran}) == 2
    for hit in ran:
        assert hit["score"] == pytest.approx(expected[hit["document"]], abs=0.03)


def test_a_damaged_and_a_missing_memory_are_said_and_the_others_searched(memvid, two):
    Path("bad.mp4").write_text("no video")
    ran = memvid(f"multi-search bridge {two} bad.mp4 gone.mp4")
    assert "bad.mp4: not searched: " in ran.err and "gone.mp4: not searched: " in ran.err
    assert "a.mp4: 1 of 1 chunk match" in ran.out and "bad.mp4: not searched" in ran.out
    Path("nul.json").write_text(json.dumps([{"video": "a\0b"}, {"video": "a.mp4"}]))
    assert "'video' of memory 1 holds U+0000" in memvid("multi-search bridge nul.json", code=2).err
    ran = memvid("multi-search bridge bad.mp4 gone.mp4 --json", code=1)
    assert ran.json["results"] == [] and all(one["error"] for one in ran.json["memories"])


@pytest.fixture
def configured(two):
    def write(data) -> str:
        Path("memories.json").write_text(data if isinstance(data, str) else json.dumps(data))
        return "memories.json"

    return write


def test_a_configuration_names_memories_as_the_original_did(memvid, configured):
    old = [
        {"name": "v1", "video_path": "a.mp4", "index_path": "a.json", "tags": ["one"], "description": "First"},
        {"name": "v2", "video_path": "b.mp4", "index_path": "b.json", "tags": ["two"]},
    ]
    for data in (
        old,
        {"memories": [{"name": "v1", "video": "a.mp4", "tags": ["one"]}, {"name": "v2", "video": "b.mp4"}]},
    ):
        ran = memvid(f"multi-search bridge {configured(data)} --json").json
        assert [one["name"] for one in ran["memories"]] == ["v1", "v2"]
        ran = memvid(f"multi-search bridge {configured(data)} --tags one other --json").json
        assert {hit["memory"] for hit in ran["results"]} == {"v1"}
        assert "v2: nothing in it has the tag one or other" in ran["notes"]
        assert [(one["matched"], one["chunks"]) for one in ran["memories"]] == [(1, 1), (0, 2)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([{"name": "x", "vidoe": "a.mp4"}], "memory 1 has the unknown key 'vidoe'"),
        ([{"name": "x"}], "memory 1 lacks the key 'video'"),
        ([{"video": "a.mp4", "video_path": "b.mp4"}], "has both 'video' and 'video_path'"),
        ([{"video": "a.mp4", "tags": "one"}], "'tags' of memory 1 must be a list of texts"),
        ([{"video": 3}], "'video' of memory 1 must be a text"),
        ([], "must list memories"),
        ({"videos": []}, "unknown key 'videos'"),
        (["a.mp4"], "memory 1 must be an object"),
        ("[{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_wrong_configuration_is_one_plain_line(memvid, configured, data, said):
    ran = memvid(f"multi-search bridge {configured(data)}", code=2)
    assert said in ran.err and ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("multi-search bridge nowhere.json", 1, "no such configuration"),
        ("multi-search bridge a.mp4 ./a.mp4", 2, "is named twice"),
        ("multi-search bridge a.mp4 -k 0", 2, "between 1 and 100"),
        ("multi-search bridge a.mp4 --since yesterday", 2, "ISO 8601"),
    ],
)
def test_wrong_calls(memvid, two, call, code, said):
    assert said in memvid(call, code=code).err


@pytest.mark.parametrize("query", ["", "?!…", "\x00", "x" * 10_000, "naïve 鯨 🐋", "bridge " * 500])
def test_odd_queries_are_no_errors(memvid, two, query):
    ran = memvid("multi-search --json --correlations --temporal", "--", query, "a.mp4", "b.mp4")
    assert isinstance(ran.json["results"], list)
