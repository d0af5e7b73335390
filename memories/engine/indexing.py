"""Building the index of a memory, at once or in a job: which model, which notes, and the sidecar."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.engine.config import Config
from memories.engine.errors import MemvidError

if TYPE_CHECKING:
    from memories.engine.memory import Memory
    from search.engine.embedder import Embedder
    from search.engine.reranker import Reranker

Progress = Callable[[int, int, str], None]

WORDS_SHARE = 0.05
STEPS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Indexed:
    """`state`: off, queued (then `job` names the background job), done, or failed (then `notes` says why).

    `model` is None when there was none at hand and only words were indexed.
    """

    state: str = "off"
    job: str | None = None
    chunks: int = 0
    model: str | None = None
    notes: tuple[str, ...] = ()


class IndexFailed(MemvidError):
    """The memory was written, and its index was not."""


def load_embedder(config: Config) -> "Embedder":
    """Raises ModelMissing when the model is not on this machine."""
    from search.engine.embedder import Embedder

    settings = config.embeddings
    log.debug("loading the model %s", settings.model_name)
    return Embedder.load(
        settings.model_name,
        revision=settings.revision,
        use_gpu=settings.use_gpu,
        batch_size=settings.batch_size,
        max_sequence_length=settings.max_sequence_length,
        cache_dir=settings.cache_dir,
    )


def load_reranker(config: Config) -> "Reranker":
    """Only where a model is set. Raises RerankerMissing when it is not on this machine."""
    from search.engine.reranker import Reranker

    settings = config.embeddings
    log.debug("loading the model %s", config.rerank.model)
    return Reranker.load(str(config.rerank.model), cache_dir=settings.cache_dir, use_gpu=settings.use_gpu)


def embedder_or_note(config: Config) -> "tuple[Embedder | None, tuple[str, ...]]":
    from search.engine.embedder import ModelMissing

    try:
        return load_embedder(config), ()
    except ModelMissing as error:
        return None, (f"keyword search only: {error}",)


def index_memory(
    video: str | Path,
    sidecar: str | Path | None = None,
    config: Config | None = None,
    progress: Progress | None = None,
    wait: float = 0.0,
) -> Indexed:
    """Adds what the index lacks, then writes the sidecar. Stopped at any time, the next call goes on from there."""
    from memories.engine.memory import Memory
    from search.engine.index import build_index

    config = config or Config()
    embedder, notes = embedder_or_note(config)
    report = _whole(progress, with_vectors=embedder is not None) if progress else None
    with Memory.open(video, config=config) as memory:
        stats = build_index(memory, embedder, progress=report, wait=wait)
    if sidecar:
        write_sidecar(video, sidecar)
    return Indexed("done", None, stats.vectors if embedder else stats.keywords, stats.model, notes)


def index_as_configured(
    video: str | Path,
    sidecar: str | Path | None,
    config: Config,
    progress: Progress | None = None,
    wait: float = 0.0,
) -> Indexed:
    """What follows a commit: the index at once, in a background job, or not at all. Raises IndexFailed."""
    try:
        return _index_as_configured(video, sidecar, config, progress, wait)
    except (MemvidError, OSError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise IndexFailed(
            f"{video} is stored and whole, only its index is not: {reason.rstrip('.')}; `memvid index {video}` goes on"
        ) from error


def _index_as_configured(
    video: str | Path, sidecar: str | Path | None, config: Config, progress: Progress | None, wait: float
) -> Indexed:
    from memories.engine.jobs import submit_background_indexing

    if config.search.enable_background_indexing:
        job = submit_background_indexing(video, sidecar, config)
        return Indexed("queued", job, model=config.embeddings.model_name)
    if config.search.enable_index_building:
        return index_memory(video, sidecar, config, progress, wait)
    if sidecar:
        write_sidecar(video, sidecar)
    return Indexed()


def coverage(memory: "Memory") -> dict[str, Any]:
    """`model` is the one with most vectors; without any, None, and the chunks are those indexed by words."""
    from search.engine import boxes, tokens
    from search.engine.index import covered

    living = boxes.Living(memory.chunks())
    model = boxes.widest(memory)
    kind, name = (boxes.VECTOR, model) if model else (boxes.KEYWORD, tokens.NAME)
    return {"indexed_chunks": covered(memory, living, kind, name), "model": model}


def write_sidecar(video: str | Path, sidecar: str | Path) -> None:
    from memories.engine.memory import Memory
    from search.engine.sidecar import write_sidecar as write

    with Memory.open(video) as memory:
        write(memory, sidecar)


def sidecar_note(memory: "Memory", sidecar: str | Path) -> str:
    """Why the sidecar cannot be used, or ""."""
    from search.engine.sidecar import read_sidecar

    return read_sidecar(memory, sidecar)[1]


def _whole(progress: Progress, with_vectors: bool) -> Progress:
    """One run from 0 to 1 out of two stages, of which the vectors take nearly all the time."""

    def report(done: int, total: int, stage: str) -> None:
        share = done / total if total else 1.0
        if with_vectors:
            share = WORDS_SHARE * share if stage == "words" else WORDS_SHARE + (1 - WORDS_SHARE) * share
        progress(round(share * STEPS), STEPS, stage)

    return report
