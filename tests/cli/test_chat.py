"""chat: answers that cite, by a question, a pipe or by hand, with and without a language model."""

import io
import json
import sys

import pytest

from memories.engine import Memory
from tests.search.speaking import saying, speaking

QUESTION = "Where did the white whale swim?"


@pytest.fixture
def piped(memvid, memory, monkeypatch):
    def run(*lines: str, options: str = ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return memvid(f"chat -v {memory} {options}")

    return run


def test_an_answer_is_verbatim_and_cites_what_was_found(memvid, memory):
    ran = memvid(f"chat {memory} --json", "-q", QUESTION).json
    assert (ran["question"], ran["provider"]) == (QUESTION, "extractive")
    passages = {passage["number"]: passage for passage in ran["passages"]}
    assert ran["answer"][0]["text"] == "The white whale swam."
    for piece in ran["answer"]:
        assert all(piece["text"] in passages[number]["text"] for number in piece["cites"])
        assert piece["cites"]
    with Memory.open(memory) as file:
        for passage in passages.values():
            assert file.read(passage["chunk_id"]).text == passage["text"]


def test_a_person_sees_numbers_and_where_they_lead(memvid, memory):
    out = memvid(f"chat -v {memory} -q", QUESTION).out
    assert out.startswith("The white whale swam. [1]\n")
    assert "  [1] documents/whale.md  frame " in out


def test_nothing_relevant(memvid, memory):
    assert memvid(f"chat {memory} -q", "How do I bake bread?").out == "Nothing relevant was found in these documents.\n"
    assert memvid(f"chat {memory} -q ' '").out.startswith("Nothing relevant")
    assert memvid(f"chat {memory} -q x --json", "--question", "?!").json["answer"] == []


def test_questions_by_a_pipe_and_words_that_are_none(piped):
    ran = piped("stats", "sources", QUESTION, "sources", "and the ship?", "clear", "stats", "", "quit", "machines")
    assert ran.out.count("The white whale swam. [1]") >= 1
    assert "3 documents" in ran.out and "There is no answer yet" in ran.out and "are forgotten" in ran.out
    assert "1 question asked" not in ran.out and "0 questions asked" in ran.out
    assert "searched together with the question before" in ran.err
    assert "Machines learn" not in ran.out


def test_a_pipe_as_json_is_one_document(piped):
    ran = piped(QUESTION, "What do machines learn from?", options="--json")
    assert [one["question"] for one in ran.json["answers"]] == [QUESTION, "What do machines learn from?"]


def test_a_language_model(memvid, memory, monkeypatch):
    with speaking() as server:
        server.script = saying("It \x1b[31mswam [", "1]. On the moon [9].")
        monkeypatch.setenv("MEMVID_LLM_BASE_URL", server.address)
        monkeypatch.setenv("MEMVID_LLM_MODEL", "tiny")
        ran = memvid(f"chat {memory} -q", QUESTION)
        assert ran.out.startswith("It [31mswam [1]. On the moon.\n  [1] documents/whale.md")
        assert "were removed: [9]" in ran.err
        server.script = saying("It was in Paris.")
        ran = memvid(f"chat {memory} --json -q", QUESTION).json
        assert ran["provider"] == "extractive" and "cited no passage" in ran["said"][-1]
        assert memvid(f"chat {memory} --json --provider extractive -q", QUESTION).json["provider"] == "extractive"
        assert len(server.asked) == 2


def test_a_note_has_a_line_of_its_own_on_a_screen(memvid, memory, monkeypatch):
    with speaking() as server:
        server.script = saying("It swam [1]. On the moon")
        monkeypatch.setenv("MEMVID_LLM_BASE_URL", server.address)
        monkeypatch.setenv("MEMVID_LLM_MODEL", "tiny")
        monkeypatch.setattr(sys, "stderr", sys.stdout)
        out = memvid(f"chat {memory} -q", QUESTION).out
        assert "It swam [1]. On the moon\nmemvid: A part without" in out and "named none.\n  [1] documents" in out


def test_as_of(memvid, memory, here):
    (here / "documents/whale.md").write_text("The black whale slept.\n")
    memvid("append documents --video m.mp4 --no-index")
    assert "black whale" in memvid("chat m.mp4 -q", "What did the black whale do?").out
    assert "black whale" not in memvid("chat m.mp4 --as-of 1 -q", "What did the black whale do?").out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chat m.mp4 -q x --provider openai", "set MEMVID_LLM_BASE_URL"),
        ("chat m.mp4 -q x -k 0", "between 1 and 50"),
        ("chat -q x", "name one memory"),
        ("chat m.mp4 -q x --provider other", "invalid choice"),
    ],
)
def test_wrong_calls(memvid, memory, line, said):
    assert said in memvid(line, code=2).err


def test_half_a_setting_is_refused(memvid, memory, monkeypatch):
    monkeypatch.setenv("MEMVID_LLM_BASE_URL", "localhost")
    assert "write an address" in memvid("chat m.mp4 -q x", code=2).err
    assert json.loads(memvid("chat m.mp4 -q x --provider extractive --json").out)["answer"] == []


def test_by_hand(memvid, memory, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = iter([QUESTION, "help", "exit"])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    out = memvid(f"chat {memory}").out
    assert "The white whale swam. [1]" in out and out.count("Ask anything about the memory") == 2
    assert "--json needs a question" in memvid(f"chat {memory} --json", code=2).err
