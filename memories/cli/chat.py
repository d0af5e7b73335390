"""chat: questions to a memory, answered from its passages with the number of each; by hand, by -q or by a pipe."""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.output import Output, count, line, paragraph
from memories.engine.config import Config
from memories.engine.errors import MemvidError, UsageError
from memories.engine.indexing import load_embedder

if TYPE_CHECKING:
    from memories.engine import Memory
    from search.engine.answering import Draft, Event
    from search.engine.embedder import Embedder
    from search.engine.llm import Model
    from search.engine.searcher import Hit

PROVIDERS = ("extractive", "openai")
PASSAGES, MOST_PASSAGES = 8, 50
LONGEST_QUESTION = 1_000
EXCERPT = 400  # characters of a source that is shown
WORDS = {"quit", "exit", "clear", "stats", "sources", "help"}
HELP = "Ask anything about the memory, or: sources, stats, clear (forget the questions before), quit"


def chat_arguments(parser: argparse.ArgumentParser) -> None:
    options.memory_arguments(parser)
    parser.add_argument("-q", "--question", metavar="TEXT", help="answer this one and end")
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        help="extractive: the best sentences as they are; openai: a language model at MEMVID_LLM_BASE_URL "
        "(the default where that is set)",
    )
    parser.add_argument("-k", "--top-k", type=int, default=PASSAGES, metavar="N", help=f"passages ({PASSAGES})")
    options.as_of_argument(parser)


def chat(args: argparse.Namespace, config: Config, out: Output) -> int:
    if not 1 <= args.top_k <= MOST_PASSAGES:
        raise UsageError(f"{args.top_k} passages: between 1 and {MOST_PASSAGES} can be had")
    model = _model(args.provider)
    by_hand = args.question is None and sys.stdin is not None and sys.stdin.isatty()
    if by_hand and out.as_json:
        raise UsageError("--json needs a question: -q TEXT, or questions by a pipe, one a line")
    path = options.memory_path(args)
    with options.opened(path, config, out, args.as_of) as memory:
        talk = _Talk(memory, config, model, args.top_k, out)
        answers = [talk.turn(question) for question in _questions(args.question, by_hand, talk)]
    if out.as_json:
        out.answer(answers[0] if args.question is not None else {"answers": answers}, [])
    return 0


def _model(provider: str | None) -> "Model | None":
    from search.engine.llm import Model

    if provider == "extractive":
        return None
    names = ("MEMVID_LLM_BASE_URL", "MEMVID_LLM_MODEL", "MEMVID_LLM_API_KEY")
    model = Model.of(*(os.environ.get(name, "") for name in names))
    if provider == "openai" and model is None:
        raise UsageError("--provider openai: set MEMVID_LLM_BASE_URL and MEMVID_LLM_MODEL first")
    return model


def _questions(question: str | None, by_hand: bool, talk: "_Talk") -> Iterator[str]:
    """What is no question (quit, sources, ...) is done here, when people type and when scripts do."""
    if question is not None:
        yield question
        return
    if by_hand:
        print(talk.greeting())
    while (typed := _typed(by_hand)) is not None:
        word = typed.strip().lower()
        if word in ("quit", "exit"):
            return
        if word in WORDS:
            talk.do(word)
        elif typed.strip():
            yield typed.strip()


def _typed(by_hand: bool) -> str | None:
    if sys.stdin is None:
        raise UsageError("no question: name it with -q TEXT, or send questions by a pipe, one a line")
    if by_hand:
        import readline  # noqa: F401  lines can be edited and called back

        try:
            return input("\n> ")
        except EOFError:
            return None
    return sys.stdin.readline() or None


class _Talk:
    """Questions one after the other; one may lean on those before."""

    def __init__(self, memory: "Memory", config: Config, model: "Model | None", passages: int, out: Output) -> None:
        from search.engine.searcher import Searcher

        self._memory, self._config, self._model, self._passages, self._out = memory, config, model, passages, out
        self._embedder: Embedder | None = None
        search = config.search
        self._searcher = Searcher(memory, self._load, cache_size=search.cache_size, threads=search.search_threads)
        self._earlier: list[str] = []
        self._hits: list[Hit] = []
        self._quoting, self._open, self._spaces = True, False, ""

    def _load(self) -> "Embedder":
        self._embedder = self._embedder or load_embedder(self._config)
        return self._embedder

    def greeting(self) -> str:
        how = f"the language model {self._model.name}" if self._model else "the best sentences, word for word"
        return f"{line(self._memory.path.name)}: answers by {how}. {HELP}."

    def do(self, word: str) -> None:
        if word == "clear":
            self._earlier, self._hits = [], []
            self._print("The questions before are forgotten.")
        elif word == "sources":
            self._print("\n".join(self._sources(EXCERPT)) or "There is no answer yet.")
        elif word == "stats":
            facts = self._memory.stats()
            held = f"{count(facts['documents'], 'document')}, {count(facts['chunks'], 'chunk')}"
            self._print(f"{held}, commit {self._memory.head.number}; {count(len(self._earlier), 'question')} asked")
        else:
            self._print(HELP)

    def turn(self, question: str) -> dict[str, Any]:
        """Answers on the screen as it comes, and as a document."""
        from search.engine import followup
        from search.engine.citations import Passage

        question = question[:LONGEST_QUESTION]
        sought = followup.with_earlier(question, self._earlier)
        found = self._searcher.search(sought, self._passages)
        self._hits = found.hits
        notes = list(found.notes) + (["searched together with the question before"] if sought != question else [])
        for note in notes:
            self._out.note(note)
        passages = [Passage(number, hit.text, hit.document) for number, hit in enumerate(found.hits, 1)]
        draft = asyncio.run(self._answered(question, sought, passages, found.mode != "keyword"))
        self._earlier.append(question)
        self._finish(draft)
        return self._document(question, draft, notes)

    async def _answered(self, question: str, sought: str, passages: list[Any], by_meaning: bool) -> "Draft":
        from search.engine.answering import Draft, answer

        draft, embedder = Draft(), self._embedder if by_meaning else None
        events = answer(
            question, passages, model=self._model, embed=embedder.embed_queries if embedder else None, sought=sought,
            earlier=self._earlier,
        )  # fmt: skip
        async with aclosing(events):
            async for event in events:
                draft.take(event)
                self._show(event)
        return draft

    def _show(self, event: "Event") -> None:
        from search.engine.answering import EXTRACTIVE, Again, Began, Note

        if isinstance(event, Began):
            self._quoting = event.mode == EXTRACTIVE
        elif isinstance(event, Note):
            self._end_line()
            self._out.note(event.text)
        elif isinstance(event, Again):
            self._end_line()
            if event.reason:
                self._out.note(event.reason)
        elif isinstance(event.what, int):
            self._cite(event.what)
        elif self._quoting:  # sentences stand in lines of their own
            self._end_line()
            self._say(" ".join(event.what.split()))
        else:
            self._say(event.what)

    def _say(self, text: str) -> None:
        """Spaces at its end wait for what follows: before a number there is one, however many there were."""
        text = self._spaces + text
        words = text.rstrip()
        self._spaces = text[len(words) :]
        self._write(words)
        self._open = self._open or bool(words)

    def _cite(self, number: int) -> None:
        from search.engine.citations import NOBODY

        self._spaces = ""
        self._write(f" [{number}]" if number != NOBODY else "")

    def _end_line(self) -> None:
        self._write("\n" if self._open else "")
        self._open, self._spaces = False, ""

    def _finish(self, draft: "Draft") -> None:
        from search.engine.extract import NOTHING

        if not draft.pieces:
            self._print(NOTHING)
            return
        self._end_line()
        cited = {number for piece in draft.pieces for number in piece.cites}
        self._print("\n".join(self._sources(0, cited)))

    def _sources(self, excerpt: int, only: set[int] | None = None) -> Iterator[str]:
        for number, hit in enumerate(self._hits, 1):
            if only is not None and number not in only:
                continue
            yield f"  [{number}] {line(hit.document)}  frame {hit.frame}  chunk {hit.chunk_id}"
            if excerpt:
                yield "      " + line(" ".join(hit.text[:excerpt].split()))

    def _document(self, question: str, draft: "Draft", notes: list[str]) -> dict[str, Any]:
        places = [
            {"number": n, "document": hit.document, "frame": hit.frame, "chunk_id": hit.chunk_id, "text": hit.text}
            for n, hit in enumerate(self._hits, 1)
        ]
        answer = [asdict(piece) for piece in draft.pieces]
        said = notes + draft.notes
        return {"question": question, "provider": _provider(draft), "answer": answer, "passages": places, "said": said}

    def _print(self, text: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        """A text of a memory or of a model cannot steer the terminal."""
        if self._out.as_json:
            return
        if sys.stdout is None:
            raise MemvidError("the answer cannot be printed: standard output is closed")
        sys.stdout.write(paragraph(text))
        sys.stdout.flush()


def _provider(draft: "Draft") -> str:
    return "openai" if draft.mode == "model" else draft.mode
