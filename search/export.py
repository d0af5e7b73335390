"""The results of a search as a file, passage by passage, a batch at a time."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

from django.template.defaultfilters import pluralize
from django.utils.text import slugify

from memories.connections import in_database
from memories.engine.model import chunk_id
from memories.models import Chunk

from .address import Address
from .answers import Passage, answer

LIMIT = 1_000  # passages
BATCH = 100
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json", "md": "text/markdown; charset=utf-8"}
NAMES = {"csv": "CSV, for a spreadsheet", "json": "JSON, for a program", "md": "Markdown, for reading"}
COLUMNS = ("place", "memory", "document", "passage", "frame", "author", "time", "score", "why", "link", "text")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Row = dict[str, Any]
Link = Callable[[Passage], str]


def name(address: Address, kind: str) -> str:
    words = slugify(address.text)[:60].strip("-")
    return f"search-{words}.{kind}" if words else f"search.{kind}"


async def pieces(user: Any, address: Address, kind: str, link: Link) -> AsyncIterator[str]:
    write = {"csv": _Csv, "json": _Json, "md": _Markdown}[kind](address)
    yield write.head()
    count, batch, more = 0, replace(address, offset=0), True
    while more and count < LIMIT:
        rows, more = await in_database(_rows, user, batch, min(BATCH, LIMIT - batch.offset), link)
        yield "".join(map(write.row, rows))
        count += len(rows)
        batch = replace(batch, offset=batch.offset + BATCH)
        more = more and batch.offset < LIMIT
    yield write.foot(count, count >= LIMIT)


def _rows(user: Any, address: Address, limit: int, link: Link) -> tuple[list[Row], bool]:
    found = answer(user, address, limit, fold=False)
    texts = dict(Chunk.objects.filter(pk__in=[one.hit.chunk for one in found.passages]).values_list("pk", "text"))
    rows = [_row(one, link(one), texts.get(one.hit.chunk, "")) for one in found.passages]
    return rows, found.found.more


def _row(passage: Passage, link: str, text: str) -> Row:
    hit = passage.hit
    return {
        "place": hit.place, "memory": hit.memory.name, "document": hit.path,
        "passage": chunk_id(hit.document, hit.order), "frame": hit.frame, "author": hit.author,
        "time": hit.time.isoformat() if hit.time else "", "score": round(hit.score, 4), "why": " and ".join(hit.why),
        "link": link, "text": text, "also": [f"{one.memory.name}: {one.path}" for one in passage.also],
    }  # fmt: skip


class _Csv:
    def __init__(self, address: Address):
        self._buffer = io.StringIO()
        self._writer = csv.writer(self._buffer)

    def head(self) -> str:
        return "\ufeff" + self._line((*COLUMNS, "also in"))  # the mark by which spreadsheets know UTF-8

    def row(self, row: Row) -> str:
        return self._line([_harmless(row[column]) for column in COLUMNS] + [_harmless("; ".join(row["also"]))])

    def foot(self, count: int, full: bool) -> str:
        return self._line([f"Only the first {LIMIT} passages are in this file."]) if full else ""

    def _line(self, cells: Any) -> str:
        self._buffer.seek(0)
        self._buffer.truncate()
        self._writer.writerow(cells)
        return self._buffer.getvalue()


def _harmless(value: Any) -> Any:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


class _Json:
    def __init__(self, address: Address):
        self._address, self._first = address, True

    def head(self) -> str:
        facts = {"query": self._address.text, "mode": self._address.mode, "filters": self._address.filters()}
        return json.dumps(facts, ensure_ascii=False)[:-1] + ', "passages": ['

    def row(self, row: Row) -> str:
        comma, self._first = ("" if self._first else ","), False
        return f"{comma}\n{json.dumps(row, ensure_ascii=False)}"

    def foot(self, count: int, full: bool) -> str:
        return f'\n], "count": {count}, "cut": {json.dumps(full)}}}\n'


class _Markdown:
    def __init__(self, address: Address):
        self._address = address

    def head(self) -> str:
        return f"# Search: {_plain(self._address.text) or 'passages like one'}\n\n"

    def row(self, row: Row) -> str:
        quote = "\n".join(f"> {line}" for line in _plain_lines(row["text"]))
        facts = [_plain(row["memory"]), f"frame {row['frame']}", _plain(row["author"]), row["time"][:10]]
        also = "".join(f"\nAlso in {_plain(one)}.\n" for one in row["also"])
        where = " · ".join(fact for fact in facts if fact)
        return f"## {row['place']}. [{_plain(row['document'])}]({row['link']})\n\n{where}\n\n{quote}\n{also}\n"

    def foot(self, count: int, full: bool) -> str:
        if full:
            return f"Only the first {LIMIT} passages are in this file.\n"
        return f"{count} passage{pluralize(count)}.\n"


def _plain(text: str) -> str:
    """Without what Markdown would make something of."""
    return "".join(f"\\{one}" if one in r"\`*_{}[]()<>#+!|~" else one for one in " ".join(text.split()))


def _plain_lines(text: str) -> Iterator[str]:
    return (_plain(line) for line in text.splitlines() or [""])
