from datetime import UTC, datetime

from search.engine.timeline import Version, Word, changes, matches, spread, timeline, word_diff


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def version(
    key, text="The whale swam.", added="2026-01-05", commit=1, removed=None, gone="", chunk="1.0", path="a.txt"
):
    return Version(
        key, "m", path, chunk, text, commit, day(added), removed, day(gone) if gone else None,
    )  # fmt: skip


def test_first_said_counts_what_was_removed_since():
    old = version("old", added="2025-11-01", removed=2, gone="2026-01-05")
    found = timeline([version("new", commit=2), old])
    assert found.first is old and (found.total, found.standing) == (2, 1)


def test_nothing_found_is_an_empty_timeline():
    found = timeline([])
    assert found.first is None and found.spread == [] and found.changes == []


def test_the_spread_has_no_gaps_and_counts_removals():
    found = spread([version("a"), version("b", added="2026-03-01", removed=3, gone="2026-03-02")])
    assert [(b.key, b.added, b.removed) for b in found] == [("2026-01", 1, 0), ("2026-02", 0, 0), ("2026-03", 1, 1)]


def test_a_long_spread_is_by_year():
    found = spread([version("a", added="2019-05-01"), version("b", added="2026-03-01")])
    assert found[0].key == "2019" and found[-1].key == "2026" and sum(b.added for b in found) == 2


def test_a_replacement_is_shown_word_by_word():
    old = version("old", "The bridge is 300 metres long.", removed=2, gone="2026-02-01")
    new = version("new", "The bridge is 310 metres long.", added="2026-02-01", commit=2)
    (change,) = changes([old, new], day("2026-01-10"))
    assert (change.what, change.old, change.new) == ("replaced", old, new)
    assert Word("gone", "300") in change.words and Word("new", "310") in change.words


def test_a_passage_that_moved_within_its_document_replaces_itself_and_other_documents_do_not():
    text = "The white whale swam before him in the evening light."
    old = version("old", text, removed=2, gone="2026-02-01")
    moved = version("moved", text + " Yes.", added="2026-02-01", commit=2, chunk="1.5")
    other = version("other", text, added="2026-02-01", commit=2, path="b.txt")
    found = changes([old, moved, other], day("2026-01-10"))
    assert sorted(change.what for change in found) == ["added", "replaced"]


def test_only_changes_after_the_moment_count_and_the_newest_is_first():
    rows = [version("a"), version("b", added="2026-02-01", commit=2), version("c", added="2026-03-01", commit=3)]
    assert [change.new.key for change in changes(rows, day("2026-01-20"))] == ["c", "b"]


def test_long_unchanged_stretches_are_cut():
    words = " ".join(f"w{number}" for number in range(100))
    found = word_diff(f"{words} old", f"{words} new")
    assert found[0].text.startswith("… w94") and [word.kind for word in found] == ["same", "gone", "new"]


def test_most_words_must_be_there():
    assert matches("how long is the bridge", "The bridge has a length of 3 m")
    assert not matches("white whale oil prices", "The whale")
    assert not matches("?!", "The whale")
