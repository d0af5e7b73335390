"""How long one waits for the first words of an answer: `python -m benchmarks.ask_site --corpus DIR [--chunks N]`.

On the site of benchmarks.search_site, without a language model: a question is posted as the page does it, and the clock
runs from the connection to the first streamed words of the answer. As the vectors of the chunks are made up there,
passages are found by their words, and more sentences than usual are compared by meaning before the first is given.
"""

import argparse
import http.client
import json
import os
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from benchmarks.search_site import _site, _wait_for_model, _web, _World

ROUNDS = 25
CSRF = "b" * 32
NOTHING = float("inf")


def main() -> None:
    args = _parse()
    with _site() as folder, _web() as port:
        world = _World(args.corpus, port)
        begun = time.perf_counter()
        world.fill(args.chunks)
        print(f"{args.chunks:,} chunks: filled and indexed in {time.perf_counter() - begun:.0f} s", flush=True)
        _wait_for_model(folder)
        _measure(world, port, 1)  # what is kept between searches is there now
        for label, crowd in (("one person", 1), (f"{args.users} people at once", args.users)):
            _report(f"{args.chunks:,} chunks, {label}", _measure(world, port, crowd))
    print(f"load at the end {os.getloadavg()[0]:.2f}; {os.cpu_count()} cores")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ask_site", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="a folder with .txt files of prose")
    parser.add_argument("--chunks", type=int, default=100_000, metavar="N")
    parser.add_argument("--users", type=int, default=4)
    return parser.parse_args()


class Wait(NamedTuple):
    """Milliseconds to the sources and to the first words; NOTHING where the answer has no words."""

    sources: float
    words: float
    by_words_only: bool


def _report(label: str, waits: list[Wait]) -> None:
    *times_of, lonely = zip(*waits, strict=True)
    if sum(lonely):
        print(f"{label}: {sum(lonely)} questions were searched by words only, as the embedder had no time", flush=True)
    for what, times in zip(("sources", "first words"), times_of, strict=True):
        found = sorted(one for one in times if one != NOTHING)
        middle, high = found[len(found) // 2], found[int(len(found) * 0.95)]
        print(f"{label}: {what} median {middle:.0f} ms, p95 {high:.0f} ms, of {len(found)} questions", flush=True)


def _measure(world: _World, port: int, crowd: int) -> list[Wait]:
    waits: list[Wait] = []
    world.ask_all(crowd, ROUNDS, lambda cookie, question: waits.append(_wait(port, cookie, question)))
    return waits


def _wait(port: int, cookie: str, question: str) -> Wait:
    headers = {
        "Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF, "Accept": "application/x-ndjson",
        "Content-Type": "application/x-www-form-urlencoded",
    }  # fmt: skip
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/ask/", urlencode({"question": question}), headers)
    sources = words = NOTHING
    by_words_only = False
    with connection.getresponse() as answer:
        assert answer.status == 200, answer.read()[:500]
        for line in answer:
            said, now = json.loads(line), (time.perf_counter() - begun) * 1000
            if said["is"] == "begin":
                by_words_only = any("by words only" in note for note in said["notes"])
                sources = now
            elif said["is"] == "text":
                words = min(words, now)
    return Wait(sources, words, by_words_only)


if __name__ == "__main__":
    main()
