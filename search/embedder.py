"""`python -m search.embedder SOCKET`: the process that holds the embedding model. No other loads it, nor Django here.

The model is what MEMVID_EMBEDDING_MODEL (or memvid.toml) names; MEMVID_RERANK_MODEL may name a second one, which puts
the best passages in a new order.
"""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from memories.engine.config import Config
from memories.engine.errors import UsageError
from memories.engine.indexing import load_embedder, load_reranker
from search.engine import serving

if TYPE_CHECKING:
    from search.engine.embedder import Embedder
    from search.engine.reranker import Reranker


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m search.embedder SOCKET", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="embedder: %(message)s")
    try:
        serving.run(Path(arguments[0]), _load, _load_reranker)
    except UsageError as error:
        print(f"embedder: {error}", file=sys.stderr)
        return 1
    return 0


def _load() -> "Embedder":
    return load_embedder(Config.load())


def _load_reranker() -> "Reranker | None":
    config = Config.load()
    return load_reranker(config) if config.rerank.model else None


if __name__ == "__main__":
    status = main(sys.argv[1:])
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)  # the thread of the model may be inside PyTorch, which does not survive a normal exit
