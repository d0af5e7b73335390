"""A JSON file beside a memory: which chunks it has, and their vectors. Derived from the memory and checked against it.

    {"format": "memvid-index", "version": 1, "memory": id, "head": {"commit": n, "hash": hex}, "model": name,
     "dimension": d, "chunks": [{"id", "document", "frame", "commit", "vector": base64 of int8, "scale"}, ...]}

One line a chunk; a chunk without a vector has null for both. The text is not in it: it is in the frames.
"""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memories.engine.errors import MemvidError
from memories.engine.model import parse_chunk_id
from search.engine import boxes
from search.engine.boxes import VECTOR, Living, Rows, Vectors

if TYPE_CHECKING:
    from memories.engine import Memory

FORMAT = "memvid-index"
VERSION = 1

# A chunk's line: base64 of a vector, a path with every character escaped.
LEAST_SIZE, CHUNK_SIZE = 1 << 16, 1 << 14


@dataclass(frozen=True)
class Sidecar:
    model: str
    rows: Rows
    vectors: Vectors


def check_replaceable(path: Path) -> None:
    """What is there may be replaced only if it is a sidecar: `-i` must not cost anybody a file."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return
    if not path.is_file():
        raise MemvidError(f"{path} is no file: choose another name for the index sidecar")
    with path.open("rb") as file:
        if b"memvid-index" not in file.read(200):
            raise MemvidError(f"{path} is no index sidecar and is left as it is: choose another name")


def write_sidecar(memory: "Memory", path: str | Path, model: str | None = None) -> None:
    """`model`: whose vectors; None: the one that has most. Written beside `path` first, then renamed."""
    path = Path(path)
    check_replaceable(path)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8") as out:
            out.writelines(_lines(memory, model))
            out.flush()
            os.fsync(out.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise MemvidError(f"The index file {path} cannot be written ({error.strerror}).") from error
    finally:
        if draft.exists():
            draft.unlink()


def read_sidecar(memory: "Memory", path: str | Path) -> tuple[Sidecar | None, str]:
    """The vectors and "", or None and one line that says why the file was ignored."""
    try:
        content = json.loads(_text(Path(path), len(memory.chunks())))
        why = _mismatch(content, memory)
        if not why:
            return _read(content), ""
    except OSError as error:
        why = f"it cannot be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        why = "it is damaged, or no index of ours"
    return None, f"The index file {path} was ignored: {why}."


def _text(path: Path, chunks: int) -> str:
    """The whole file; ValueError when its beginning or its size is not that of a sidecar of so many chunks."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # a FIFO must not hang
        if FORMAT.encode() not in file.read(200) or os.fstat(file.fileno()).st_size > LEAST_SIZE + CHUNK_SIZE * chunks:
            raise ValueError("it is no sidecar")
        file.seek(0)
        return file.read().decode()


def _lines(memory: "Memory", model: str | None) -> Iterator[str]:
    living = Living(memory.chunks())
    model = model or boxes.widest(memory)
    found = boxes.read(memory, VECTOR, model) if model else []
    vectors, places = boxes.gather([box.content for box in found], boxes.join(found, living))
    row = dict(zip(places.tolist(), range(len(places)), strict=True))
    head = memory.head
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "memory": memory.id,
        "head": {"commit": head.number, "hash": head.hash.hex()} if head else None,
        "model": model,
        "dimension": vectors.packed.shape[1],
    }
    yield json.dumps(facts)[:-1] + ', "chunks": ['
    paths = {document.number: document.path for document in memory.documents()}
    for place, ref in enumerate(living.refs):
        entry = {"id": ref.id, "document": paths[ref.document], "frame": ref.frame, "commit": ref.commit}
        yield ("," if place else "") + "\n" + json.dumps(entry | _vector(vectors, row.get(place)))
    yield "\n]}\n"


def _vector(vectors: Vectors, row: int | None) -> dict[str, Any]:
    if row is None:
        return {"vector": None, "scale": None}
    data = base64.b64encode(vectors.packed[row].tobytes()).decode()
    return {"vector": data, "scale": float(vectors.scales[row])}


def _mismatch(content: dict[str, Any], memory: "Memory") -> str:
    """Why this is not the index of the memory as it is now, "" when it is."""
    if (content["format"], content["version"]) != (FORMAT, VERSION):
        return "it is no index of this version"
    if content["memory"] != memory.id:
        return "it belongs to another memory"
    head = memory.head
    if content["head"] != (head and {"commit": head.number, "hash": head.hash.hex()}):
        return "the memory has changed since it was written"
    return ""


def _read(content: dict[str, Any]) -> Sidecar | None:
    chunks = [chunk for chunk in content["chunks"] if chunk["vector"] is not None]
    if not chunks:
        return None
    keys = [(*parse_chunk_id(chunk["id"]), chunk["commit"]) for chunk in chunks]
    data = b"".join(base64.b64decode(chunk["vector"], validate=True) for chunk in chunks)
    packed = np.frombuffer(data, np.int8).reshape(len(chunks), content["dimension"])
    scales = np.array([chunk["scale"] for chunk in chunks], np.float32)
    return Sidecar(str(content["model"]), *boxes.sound(Rows(*np.array(keys, np.int64).T), Vectors(packed, scales)))
