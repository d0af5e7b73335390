"""The workspace as `make run` starts it: `python -m benchmarks.site --corpus DIR`. Prints a table.

A data folder and a port of its own; stop it with Ctrl-C at any time.
"""

import argparse
import itertools
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil

from benchmarks.rows import Row, median, table

ROOT = Path(__file__).parents[1]
EMAIL, PASSWORD = "bench@example.org", "correct horse battery staple"
UPLOAD = 10_000_000  # bytes
DOCUMENTS = 10_000
USERS, VISITS, THINKING = 20, 15, 1.0  # people, pages of each, seconds between two of them on average
BATCH = 20


class Site:
    """One run of the supervisor."""

    def __init__(self, data: Path, port: int):
        self.data, self.base = data, f"http://127.0.0.1:{port}"
        environment = {
            **os.environ, "MEMVID_DATA_DIR": str(data), "PORT": str(port), "MEMVID_ADMIN_EMAIL": EMAIL,
            "MEMVID_ADMIN_PASSWORD": PASSWORD,
        }  # fmt: skip
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "memvid_site.supervisor"], cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "ready after" in line:
                break
        else:
            sys.exit("the site did not start:\n" + "".join(said[-20:]))
        self.start_seconds = time.perf_counter() - begun
        self.said: deque[str] = deque(maxlen=50)  # what went wrong, should something
        threading.Thread(target=self.said.extend, args=(self._process.stdout,), daemon=True).start()

    def resident(self, word: str) -> float:
        """MB of the process whose command line holds `word`."""
        for child in psutil.Process(self._process.pid).children():
            if word in " ".join(child.cmdline()):
                return child.memory_info().rss / (1 << 20)
        raise LookupError(word)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)


class Visitor:
    """A browser without eyes: cookies, the token of forms, and how long an answer took."""

    def __init__(self, base: str):
        self.base, self._jar = base, CookieJar()
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar)).open

    def get(self, path: str) -> str:
        with self._open(self.base + path, timeout=120) as response:
            return response.read().decode()

    def seconds(self, path: str) -> float:
        begun = time.perf_counter()
        self.get(path)
        return time.perf_counter() - begun

    def post(self, path: str, body: bytes, kind: str = "application/x-www-form-urlencoded") -> str:
        token = next(cookie.value for cookie in self._jar if cookie.name == "csrftoken")
        headers = {
            "X-CSRFToken": token,
            "Content-Type": kind,
            "Accept": "application/json",
            "Referer": self.base + path,
        }
        with self._open(urllib.request.Request(self.base + path, body, headers), timeout=600) as response:
            return response.read().decode()

    def log_in(self) -> "Visitor":
        self.get("/accounts/login/")
        self.post("/accounts/login/", urlencode({"login": EMAIL, "password": PASSWORD}).encode())
        return self


def main() -> int:
    args = parse()
    load = os.getloadavg()[0]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="memvid-bench-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        os.chmod(folder, 0o755)  # as root, PostgreSQL runs as another user
        with running(data, args.port) as site:
            rows.append(
                Row("first start, to a served page", site.start_seconds, "s", most=15, note="packages installed")
            )
        with running(data, args.port) as site:
            rows.append(Row("later start", site.start_seconds, "s", most=15))
            settle(site)
            rows.append(
                Row("web process, idle", site.resident("memvid_site.serve"), "MB", most=250, note="no model in it")
            )
            visitor = Visitor(site.base).log_in()
            rows += lists(site, visitor)  # before the upload, whose embedding keeps a core busy
            rows += uploading(visitor, args.corpus)
            rows.append(Row("web process, afterwards", site.resident("memvid_site.serve"), "MB"))
    print(table(rows))
    print(f"\nload at the start {load:.2f}, at the end {os.getloadavg()[0]:.2f}; {os.cpu_count()} cores")
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.site", description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="a folder with .txt files of prose")
    parser.add_argument("--port", type=int, default=8099)
    return parser.parse_args()


@contextmanager
def running(data: Path, port: int) -> Iterator[Site]:
    site = Site(data, port)
    try:
        yield site
    finally:
        site.stop()


def settle(site: Site) -> None:
    """Until the embedder has its model: what follows shall not wait for the start."""
    visitor = Visitor(site.base).log_in()
    await_true(lambda: json.loads(visitor.get("/readyz"))["embedder"] == "ready")


def await_true(met, timeout: float = 300) -> None:
    deadline = time.monotonic() + timeout
    while not met():
        if time.monotonic() > deadline:
            sys.exit("benchmarks.site: waited five minutes in vain")
        time.sleep(0.1)


# -- upload


def uploading(visitor: Visitor, corpus: Path) -> list[Row]:
    files, phrase = pieces(corpus)
    size = sum(len(content) for _, content in files) / 1e6
    begun = time.perf_counter()
    made = json.loads(visitor.post("/memories/new/", urlencode(NEW).encode()))
    batch = ""
    for start in range(0, len(files), BATCH):
        fields = {"batch": batch}
        answer = json.loads(visitor.post(made["upload"], *multipart(fields, files[start : start + BATCH])))
        batch = answer["batch"]
    answer = json.loads(visitor.post(made["upload"], *multipart({"batch": batch, "finish": "1"}, [])))
    sent = time.perf_counter() - begun
    memory = made["memory"].strip("/").split("/")[-1]
    await_true(lambda: "data-hit" in visitor.get(f"/search/?q={quote(phrase)}&memory={memory}"))
    searchable = time.perf_counter() - begun
    return [
        Row("upload sent", sent, "s", note=f"{size:.1f} MB in {len(files)} files"),
        Row("upload to searchable by keyword", searchable, "s", most=15, note="embedding goes on meanwhile"),
    ]


NEW = {"name": "Corpus", "visibility": "team", "index_mode": "background", "first": "corpus/a.txt"}


def pieces(corpus: Path) -> tuple[list[tuple[str, bytes]], str]:
    """UPLOAD bytes of the corpus in files, and a phrase of the last of them."""
    files, left = [], UPLOAD
    for path in sorted(corpus.rglob("*.txt")):
        content = path.read_bytes()[:left]
        if content:
            files.append((f"corpus/{len(files):03}-{path.name}", content))
        left -= len(content)
    if not files:
        sys.exit(f"benchmarks.site: {corpus} holds no .txt file: name a folder of prose")
    words = re.findall(r"[A-Za-z]{4,}", files[-1][1][-20_000:].decode("utf-8", "ignore"))
    return files, '"' + longest_run(words, files[-1][1].decode("utf-8", "ignore")) + '"'


def longest_run(words: list[str], text: str) -> str:
    """Two words that stand side by side near the end."""
    for first, second in reversed(list(itertools.pairwise(words))):
        if f"{first} {second}" in text:
            return f"{first} {second}"
    return words[-1]


def multipart(fields: dict[str, str], files: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    boundary = f"memvid-{random.getrandbits(64):x}"
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    for path, content in files:
        parts.append(f'name="path"\r\n\r\n{path}'.encode())
        parts.append(b'name="file"; filename="file"\r\nContent-Type: text/plain\r\n\r\n' + content)
    head = f"--{boundary}\r\nContent-Disposition: form-data; ".encode()
    body = b"\r\n".join(head + part for part in parts) + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


# -- lists


def lists(site: Site, visitor: Visitor) -> list[Row]:
    memory = fill(site)
    pages = {
        "documents, any page": [f"/memories/{memory}/documents/?page={random.randint(1, 100)}" for _ in range(50)],
        "documents, filtered": [f"/memories/{memory}/documents/?q={random.randint(10, 99)}" for _ in range(50)],
        "memories": ["/memories/"],
        "home": ["/"],
    }
    people = [visitor] + [Visitor(site.base).log_in() for _ in range(3)]  # the login form limits how often
    rows = []
    for name, paths in pages.items():
        alone = median([visitor.seconds(random.choice(paths)) for _ in range(10)]) * 1000
        together = [seconds * 1000 for seconds in crowd(people, paths)]
        p95 = statistics.quantiles(together, n=20)[-1]
        rows.append(Row(f"{name}: p95", p95, "ms", most=100, note=f"{USERS} people at once; alone {alone:.0f} ms"))
    return rows


def crowd(people: list[Visitor], paths: list[str]) -> list[float]:
    """Each of USERS loads VISITS pages and reads in between."""

    def one(number: int) -> list[float]:
        taken = []
        for _ in range(VISITS):
            time.sleep(random.uniform(0, 2 * THINKING))
            taken.append(people[number % len(people)].seconds(random.choice(paths)))
        return taken

    with ThreadPoolExecutor(USERS) as pool:
        return [seconds for taken in pool.map(one, range(USERS)) for seconds in taken]


def fill(site: Site) -> str:
    """Rows of a memory of DOCUMENTS documents; a real file of as many would only take longer to make."""
    os.environ.update(DJANGO_SETTINGS_MODULE="memvid_site.settings", MEMVID_DATA_DIR=str(site.data))
    import django

    django.setup()
    from collab.models import Workspace
    from memories.models import Chunk, Document, Memory

    memory = Memory.objects.create(
        workspace=Workspace.objects.earliest("pk"), name="Many", state="ready", head=1, documents_count=DOCUMENTS,
        chunks_count=DOCUMENTS,
    )  # fmt: skip
    rows = [
        Document(
            memory=memory, number=n, path=f"folder-{n % 97}/document-{n:05}.txt", media_type="text/plain",
            encoding="utf-8", size=1000 + n, digest=f"{n:064x}", added=1, changed=1,
        )
        for n in range(1, DOCUMENTS + 1)
    ]  # fmt: skip
    made = Document.objects.bulk_create(rows, batch_size=1000)
    chunks = [
        Chunk(
            memory=memory, document=row, order=1, added=1, frame=row.number, size=10, lines=1, text=f"text {row.number}"
        )
        for row in made
    ]
    Chunk.objects.bulk_create(chunks, batch_size=1000)
    return str(memory.pk)


if __name__ == "__main__":
    sys.exit(main())
