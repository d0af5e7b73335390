"""search: by meaning and by words, the text of each hit read from its frame."""

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.output import Output, count, line, paragraph
from memories.engine.config import Config

if TYPE_CHECKING:
    from search.engine.searcher import Hit

MODES = ("hybrid", "semantic", "keyword")
LONGEST = 500  # characters of a hit that a person is shown
LEAD = 80  # of these, before the first word that was asked for


def search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--video", metavar="M.mp4", required=True)
    options.index_argument(parser)
    parser.add_argument("-q", "--query", required=True)
    parser.add_argument("-k", "--top-k", type=int, metavar="N", help="how many results (5)")
    parser.add_argument("-m", "--metadata", action="store_true", help="show what is known about each chunk")
    parser.add_argument("-w", "--context-window", type=int, default=0, metavar="N", help="show N chunks on each side")
    parser.add_argument("--mode", choices=MODES, default=MODES[0])
    options.rerank_argument(parser)
    options.as_of_argument(parser)


def search(args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine.retriever import MemvidRetriever

    path = options.existing(args.video)
    with options.naming(path):
        retriever = MemvidRetriever(path, args.index, config, options.at(args.as_of))
    with retriever:
        found = retriever.results(args.query, args.top_k, args.mode, args.context_window)
        notes = [*retriever.memory.notes, *found.notes]
    for note in notes:
        out.note(note)
    document = {
        "query": args.query,
        "mode": found.mode,
        "total": found.total,
        "results": [_shown(hit, args.context_window) for hit in found.hits],
    }
    out.answer(document, _lines(found.hits, found.total, args))
    return 0


def _shown(hit: "Hit", window: int) -> dict[str, Any]:
    document = {
        "text": hit.text,
        "score": hit.score,
        "chunk_id": hit.chunk_id,
        "document": hit.document,
        "frame": hit.frame,
        "commit": hit.commit,
        "metadata": hit.metadata,
    }
    return document | ({"before": hit.before, "after": hit.after} if window else {})


def _lines(hits: "list[Hit]", total: int, args: argparse.Namespace) -> Iterator[str]:
    for number, hit in enumerate(hits, start=1):
        yield f"{number}. {line(hit.document)}  frame {hit.frame}  chunk {hit.chunk_id}  score {hit.score:.3f}"
        if args.metadata:
            yield from (f"     {line(key)}: {line(value)}" for key, value in hit.metadata.items())
        yield from _quoted(args.context_window, hit, args.query)
        yield ""
    yield f"{len(hits)} of {count(total, 'chunk')} that matched" if hits else "nothing found"


def _quoted(window: int, hit: "Hit", query: str) -> Iterator[str]:
    if not window:
        yield _indented(_excerpt(hit.text, query), "   ")
        return
    for text in hit.before:
        yield _indented(text, "   | ")
    yield _indented(hit.text, "   > ")
    for text in hit.after:
        yield _indented(text, "   | ")


def _excerpt(text: str, query: str) -> str:
    """The part of a long text around the first word that was asked for."""
    if len(text) <= LONGEST:
        return text
    words = "|".join(map(re.escape, re.findall(r"\w+", query)))
    match = re.search(rf"\b(?:{words})", text, re.IGNORECASE) if words else None
    start = max(0, min(match.start() - LEAD, len(text) - LONGEST)) if match else 0
    start, end = _at_words(text, start, start + LONGEST)
    return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")


def _at_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A little further in, where no word is cut; as they are where there is no space near, as in Chinese."""
    if start and (space := re.search(r"\s", text[start - 1 : start + LEAD - 1])):
        start += space.start()
    if end < len(text) and (space := re.search(r"\s\S*\Z", text[end - LEAD : end + 1])):
        end += space.start() - LEAD
    return start, end


def _indented(text: str, margin: str) -> str:
    return "\n".join(margin + row for row in paragraph(text.strip("\n")).split("\n"))
