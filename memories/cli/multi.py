"""multi-search: one query in several memories, and how what they say stands to each other and in time."""

import argparse
import functools
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.find import MODES, _excerpt, _indented
from memories.cli.output import Output, count, line
from memories.cli.sources import sources
from memories.engine.config import Config
from memories.engine.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from search.engine.correlate import Correlation, Correlations, Said
    from search.engine.multi import Answer, Place, Searched
    from search.engine.reranker import Reranker
    from search.engine.timeline import Change, Timeline, Version

DEFAULT_K, MOST_K = 10, 100
SCORES = {
    "pooled": "as if all passages lay in one memory",
    "ranks": "by rank in each memory; the memories' own scores share no scale",
}
MARKS = {"contradict": "≠", "agree": "=", "complement": "+"}
TITLES = {"contradict": "contradict each other", "agree": "agree", "complement": "complete each other"}
BAR = 40  # characters of the longest bar


def multi_search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="QUERY")
    parser.add_argument("memories", nargs="+", metavar="CONFIG.json|A.mp4", help="a list of memories, or memories")
    parser.add_argument("-k", "--top-k", type=int, default=DEFAULT_K, metavar="N", help="how many results (10)")
    parser.add_argument("--mode", choices=MODES, default=MODES[0])
    options.rerank_argument(parser)
    parser.add_argument("--correlations", action="store_true", help="passages that agree, complete or contradict")
    parser.add_argument("--temporal", action="store_true", help="first said when, spread over time, changes")
    parser.add_argument("--since", metavar="DATE", help="with --temporal: changes after this moment (ISO 8601)")
    parser.add_argument("--tags", nargs="+", metavar="TAG", help="only memories or documents with one of these tags")
    options.as_of_argument(parser)


def multi_search(args: argparse.Namespace, config: Config, out: Output) -> int:
    from search.engine.multi import Ask, MultiSearch

    if not 1 <= args.top_k <= MOST_K:
        raise UsageError(f"{args.top_k} results: between 1 and {MOST_K} can be had")
    since = _moment(args.since)
    tags = frozenset(tag for given in args.tags or () for tag in given.split(",") if tag)
    ask = Ask(args.query, args.top_k, args.mode, options.at(args.as_of), tags, args.temporal)
    loader = _loader(config)
    with out.progress("searching") as progress:
        answer = MultiSearch(sources(args.memories), ask, config, loader, _reranker(config)).run(progress)
    _say(answer, out)
    document = _document(args, answer)
    correlations = _correlations(answer, args.query, loader, out) if args.correlations else None
    if correlations is not None:
        document["correlations"] = _correlations_shown(correlations)
    timeline = _timeline(answer, since) if args.temporal else None
    if timeline is not None:
        document["temporal"] = _timeline_shown(timeline)
    out.answer(document, _lines(args, answer, correlations, timeline))
    return 1 if all(one.error for one in answer.searched) else 0


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise UsageError(f"--since {text}: give a date such as 2026-03-01 (ISO 8601)") from None


def _loader(config: Config) -> Callable[[], Any]:
    """The model is loaded once for all memories, and the reason that it is not there is found once."""
    from memories.engine.errors import MemvidError
    from memories.engine.indexing import load_embedder

    @functools.cache
    def load() -> tuple[Any, MemvidError | None]:
        try:
            return load_embedder(config), None
        except MemvidError as error:
            return None, error

    def loader() -> Any:
        embedder, error = load()
        if error is not None:
            raise error
        return embedder

    return loader


def _reranker(config: Config) -> "Callable[[], Reranker] | None":
    from memories.engine.indexing import load_reranker

    return (lambda: load_reranker(config)) if config.rerank.model else None


def _say(answer: "Answer", out: Output) -> None:
    for one in answer.searched:
        if one.error:
            out.note(f"{one.source.name}: not searched: {one.error}")
        for note in one.notes:
            out.note(f"{one.source.name}: {note}")
    for note in answer.notes:
        out.note(note)


# -- correlations and time


def _correlations(answer: "Answer", query: str, loader: Callable[[], Any], out: Output) -> "Correlations":
    from search.engine.correlate import MOST_PASSAGES, Passage, correlate
    from search.engine.embedder import ModelMissing

    found = sum(not one.error and one.matched > 0 for one in answer.searched)
    each = max(1, MOST_PASSAGES // max(1, found))
    kept: dict[int, int] = {}
    passages = []
    for place in answer.ranked:
        kept[place.memory] = kept.get(place.memory, 0) + 1
        if kept[place.memory] <= each:
            passages.append(Passage((place.memory, place.hit.chunk_id), place.memory, place.hit.text, place))
    embed: Callable[[list[str]], np.ndarray] | None = None
    try:
        embed = loader().embed
    except ModelMissing as error:
        out.note(str(error))
    correlations = correlate(passages, query, embed)
    for note in correlations.notes:
        out.note(note)
    if found < 2:
        out.note("Correlations need passages of two memories; fewer have one that matches.")
    return correlations


def _timeline(answer: "Answer", since: datetime | None) -> "Timeline":
    from search.engine.timeline import timeline

    return timeline(answer.versions, since)


# -- JSON


def _document(args: argparse.Namespace, answer: "Answer") -> dict[str, Any]:
    return {
        "query": args.query,
        "mode": args.mode,
        "scores": answer.scores,
        "memories": [_memory_shown(one) for one in answer.searched],
        "results": [
            {**_place_shown(group.best), "text": group.best.hit.text, "also": [_place_shown(p) for p in group.others]}
            for group in answer.groups
        ],
    }


def _memory_shown(one: "Searched") -> dict[str, Any]:
    source = one.source
    return {
        "name": source.name, "video": str(source.path), "tags": list(source.tags), "description": source.description,
        "mode": one.mode, "matched": one.matched, "chunks": one.chunks, "error": one.error or None,
    }  # fmt: skip


def _place_shown(place: "Place") -> dict[str, Any]:
    hit = place.hit
    return {
        "memory": place.source.name, "document": hit.document, "chunk_id": hit.chunk_id, "frame": hit.frame,
        "commit": hit.commit, "score": place.score,
    }  # fmt: skip


def _correlations_shown(found: "Correlations") -> dict[str, Any]:
    def said(one: "Said") -> dict[str, Any]:
        shown = _place_shown(one.passage.source)  # type: ignore[arg-type]
        del shown["score"]
        return {**shown, "sentence": one.sentence}

    return {
        "by": found.by,
        "sentences_compared": found.compared,
        "found": [
            {"kind": one.kind, "score": one.score, "reason": one.reason, "one": said(one.one), "other": said(one.other)}
            for one in found.found
        ],
    }


def _timeline_shown(found: "Timeline") -> dict[str, Any]:
    return {
        "passages": found.total,
        "standing": found.standing,
        "since": found.since.isoformat() if found.since else None,
        "first": _version_shown(found.first) if found.first else None,
        "spread": [{"period": b.key, "added": b.added, "removed": b.removed} for b in found.spread],
        "changes": [
            {
                "what": change.what, "time": change.at.isoformat(),
                "old": _version_shown(change.old) if change.old else None,
                "new": _version_shown(change.new) if change.new else None,
                "words": [[word.kind, word.text] for word in change.words],
            }
            for change in found.changes
        ],
    }  # fmt: skip


def _version_shown(version: "Version") -> dict[str, Any]:
    place: Place = version.source  # type: ignore[assignment]
    return {
        "memory": place.source.name, "document": version.document, "chunk_id": version.chunk,
        "frame": place.hit.frame, "commit": version.commit, "time": version.added_at.isoformat(),
        "removed": version.removed, "text": version.text,
    }  # fmt: skip


# -- for a person


def _lines(
    args: argparse.Namespace, answer: "Answer", correlations: "Correlations | None", timeline: "Timeline | None"
) -> Iterator[str]:
    for number, group in enumerate(answer.groups, 1):
        yield f"{number}. {_where(group.best)}  score {group.best.score:.3f}"
        yield _indented(_excerpt(group.best.hit.text, args.query), "   ")
        yield from (f"   also: {_where(place)}" for place in group.others)
        yield ""
    if not answer.groups:
        yield "nothing found"
    yield from _counts(answer)
    if correlations is not None:
        yield from _correlation_lines(correlations)
    if timeline is not None:
        yield from _timeline_lines(timeline)


def _where(place: "Place") -> str:
    hit = place.hit
    return f"{line(place.source.name)}  {line(hit.document)}  frame {hit.frame}  chunk {hit.chunk_id}"


def _counts(answer: "Answer") -> Iterator[str]:
    for one in answer.searched:
        told = "not searched" if one.error else f"{one.matched:,} of {count(one.chunks, 'chunk')} match"
        yield f"{line(one.source.name)}: {told}"
    if answer.groups:
        yield f"scores: {SCORES[answer.scores]}"


def _correlation_lines(found: "Correlations") -> Iterator[str]:
    yield ""
    if not found.found:
        yield "no two memories were found to agree, complete or contradict each other"
    for one in found.found:
        yield from _correlation(one)


def _correlation(one: "Correlation") -> Iterator[str]:
    yield f"{MARKS[one.kind]} {TITLES[one.kind]}: {line(one.reason)}  ({one.score:.2f})"
    for said in (one.one, one.other):
        yield f"    {_where(said.passage.source)}"  # type: ignore[arg-type]
        yield f"    “{line(said.sentence)}”"


def _timeline_lines(found: "Timeline") -> Iterator[str]:
    yield ""
    if found.first is None:
        yield "over time: no passage holds most of these words"
        return
    yield f"first said {_day(found.first.added_at)}: {_version(found.first)}"
    yield f"over time: {count(found.total, 'passage')}, {found.standing:,} still there"
    most = max(max(bucket.added, bucket.removed) for bucket in found.spread) or 1
    for bucket in found.spread:
        bar = "█" * round(BAR * bucket.added / most)
        gone = f"  -{bucket.removed}" if bucket.removed else ""
        yield f"  {bucket.key}  {bar}{' ' if bar else ''}+{bucket.added}{gone}"
    for change in found.changes:
        yield from _change(change)


def _change(change: "Change") -> Iterator[str]:
    version = change.new or change.old
    yield f"{_day(change.at)} {change.what}: {_version(version)}"  # type: ignore[arg-type]
    if change.words:
        marks = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
        yield "    " + " ".join(marks[word.kind].format(line(word.text)) for word in change.words)


def _version(version: "Version") -> str:
    return f"{_where(version.source)}  commit {version.commit}"  # type: ignore[arg-type]


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d")
