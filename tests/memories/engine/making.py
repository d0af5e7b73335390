"""Small memories for the tests."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random

from memories.engine.container import View
from memories.engine.memory import Memory
from memories.engine.model import Draft, Source

_LETTERS = "etaoinshrdlucmfwypvbgkqjxz"


def prose(characters: int, seed: int = 1) -> str:
    """Sentences of made-up words; they compress about as well as a book does."""
    random = Random(seed)
    words = ["".join(random.choices(_LETTERS, range(26, 0, -1), k=random.randint(2, 9))) for _ in range(3000)]
    parts, length = [], 0
    while length < characters:
        sentence = " ".join(random.choice(words) for _ in range(random.randint(4, 14))).capitalize() + ". "
        parts.append(sentence)
        length += len(sentence)
    return "".join(parts)[:characters]


def source(path: str, text: str, *, chunk: int = 1000, original: bytes | None = None, **facts) -> Source:
    data = text.encode() if original is None else original
    drafts: Callable = lambda: [Draft(text[i : i + chunk]) for i in range(0, len(text), chunk)]  # noqa: E731
    if original is not None:
        facts.update(encoding=None, original=lambda: original)
    return Source(path, sha256(data).digest(), drafts, len(data), split=f"test:{chunk}", **facts)


def make(path: Path, texts: dict[str, str], profile: str = "compact", codec: str | None = None) -> Memory:
    memory = Memory.create(path, profile, codec)
    memory.commit([source(name, text) for name, text in texts.items()], message="first")
    return memory


def boxes_of(path: Path) -> list:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(View(descriptor, path.stat().st_size).boxes())
    finally:
        os.close(descriptor)
