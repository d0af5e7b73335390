"""Reads a test collection in the SMART format: CISI, Cranfield, MED, CACM, TIME and what looks like them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memories.engine.errors import UsageError

DOCUMENTS = re.compile(r"\.all(\.|$)|docs?\b|^collection\.", re.IGNORECASE)
QUERIES = re.compile(r"\.(qry|que)$|quer(y|ies)", re.IGNORECASE)
JUDGEMENTS = re.compile(r"\.rel$|qrels?|rels?\b", re.IGNORECASE)
NOT_RELEVANT = {0.0, 5.0}  # Cranfield's 1 to 4 are degrees of relevance, its 5 is "of no interest"

_ENTRY = re.compile(r"^\.I\s+(\d+)\s*$|^\*(?:TEXT|FIND)\s+(\d+).*$", re.MULTILINE)
_FIELD = re.compile(r"^\.([A-Z])\b[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Collection:
    """`documents` and `queries`: text by number. `relevant`: of each judged query the relevant documents."""

    name: str
    documents: dict[int, str]
    queries: dict[int, str]
    relevant: dict[int, set[int]]


def read(folder: Path) -> Collection:
    documents = dict(_entries(_one(folder, DOCUMENTS, "documents (*.ALL)"), ("T", "W"), "\n"))
    queries = dict(_entries(_one(folder, QUERIES, "queries (*.QRY)"), ("W",), " "))
    judged = _judgements(_one(folder, JUDGEMENTS, "judgements (*.REL)").read_text("latin-1"))
    judged = _renumbered(judged, queries, documents)
    relevant = {query: found & documents.keys() for query, found in judged.items() if query in queries}
    relevant = {query: found for query, found in relevant.items() if found}
    if not relevant:
        raise UsageError(f"{folder}: no judgement is about a query and a document of it")
    return Collection(folder.name, documents, queries, relevant)


def _one(folder: Path, pattern: re.Pattern, what: str) -> Path:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() not in (".md", ".html"))
    found = [path for path in files if pattern.search(path.name)]
    taken = [path for path in found if pattern is JUDGEMENTS or not JUDGEMENTS.search(path.name)]
    if not taken:
        raise UsageError(f"{folder} holds no {what}")
    return taken[0]


def _entries(path: Path, fields: tuple[str, ...], joint: str) -> Iterator[tuple[int, str]]:
    text = path.read_text("latin-1").replace("\r\n", "\n")
    marks = [*_ENTRY.finditer(text)]
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)]
        found = _text(body, fields, joint)
        if found:
            yield int(mark[1] or mark[2]), found


def _text(body: str, fields: tuple[str, ...], joint: str) -> str:
    """The fields, or whatever there is where it has none of them (TIME has none at all)."""
    marks = [*_FIELD.finditer(body)]
    if not marks:
        return " ".join(body.split("*STOP")[0].split())
    parts: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        part = " ".join(body[mark.end() : following.start() if following else len(body)].split())
        parts[mark[1]] = f"{parts[mark[1]]} {part}" if mark[1] in parts else part
    wanted = [parts[name] for name in fields if parts.get(name)] or [parts[name] for name in "TW" if parts.get(name)]
    return joint.join(wanted)


def _judgements(text: str) -> dict[int, set[int]]:
    """Lines of query and document; with a degree; with a zero before (TREC) or zeros behind; or with many documents."""
    rows = [[float(word) for word in line.split()] for line in text.splitlines() if re.fullmatch(r"[\d\s.+-]+", line)]
    rows = [row for row in rows if len(row) >= 2]
    found: dict[int, set[int]] = {}
    several = len({len(row) for row in rows}) > 2 or any(len(row) > 4 for row in rows)
    place, degree = _columns(rows)
    for row in rows:
        if several:
            documents = row[1:]
        elif degree is not None and len(row) > degree and row[degree] in NOT_RELEVANT:
            continue
        else:
            documents = [row[place]]
        found.setdefault(int(row[0]), set()).update(map(int, documents))
    return found


def _columns(rows: list[list[float]]) -> tuple[int, int | None]:
    """Where the document stands, and its degree of relevance where there is one that says anything."""
    width = max((len(row) for row in rows), default=2)
    if width >= 3 and all(row[1] == 0 for row in rows):
        return 2, 3 if width > 3 else None
    degree = next((at for at in range(2, width) if any(len(row) > at and row[at] for row in rows)), None)
    return 1, degree


def _renumbered(judged: dict[int, set[int]], queries: dict[int, str], documents: dict[int, str]) -> dict[int, set[int]]:
    """Cranfield's queries and TIME's documents are judged by their place in the file, whatever number they bear."""
    by_query = _numbers(set(judged), list(queries))
    by_document = _numbers(set().union(*judged.values()), list(documents))
    return {by_query.get(query, 0): {by_document.get(one, 0) for one in found} for query, found in judged.items()}


def _numbers(used: set[int], numbers: list[int]) -> dict[int, int]:
    by_place = dict(enumerate(numbers, 1))
    if used <= set(numbers) or len(used & by_place.keys()) <= len(used & set(numbers)):
        return {number: number for number in numbers}
    return by_place
