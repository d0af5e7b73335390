"""A cross-encoder reads query and passage together, which tells better than their vectors which passage answers.

Optional: only where a model is named, and like every model it must be on this machine already.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memories.engine.errors import MemvidError
from search.engine.local import device_of, folder_of, quiet_libraries, supports_bfloat16

BEST = 30  # passages of a ranking that are put in a new order
LONGEST = 4_000  # characters of a passage that are handed to it; its own limit, in tokens, comes on top
MOST_TOKENS = 512  # of query and passage together: some models take thousands, and seconds for each passage
BATCH = 8
READS_PAIRS = ("ForSequenceClassification", "ForCausalLM")  # what the class of such a model ends with

Pair = tuple[str, str]


class RerankerMissing(MemvidError):
    """The re-ranking model is not on this machine, or is none."""


class Reranker:
    def __init__(self, model: Any, name: str):
        self._model = model
        self.name = name

    @classmethod
    def load(cls, name: str, *, cache_dir: str | Path | None = None, use_gpu: bool = False) -> "Reranker":
        """Raises RerankerMissing, UsageError when there is no GPU to use."""
        return cls(_load(name, cache_dir, use_gpu), name)

    def scores(self, pairs: Sequence[Pair]) -> np.ndarray:
        """float32 (len(pairs),), higher for a passage that answers better; of no fixed scale. Pairs: query, passage."""
        from torch.nn import Identity  # a sigmoid makes the best ones equal

        if not pairs:
            return np.zeros(0, np.float32)
        cut = [(query[:LONGEST], text[:LONGEST]) for query, text in pairs]
        found = self._model.predict(cut, batch_size=BATCH, activation_fn=Identity(), show_progress_bar=False)
        return np.asarray(found, np.float32)


def order(scores: np.ndarray) -> list[int]:
    """Places, best first; among equals, and where a model gave no number, as they stood."""
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable").tolist()


def _load(name: str, cache_dir: str | Path | None, use_gpu: bool) -> Any:
    quiet_libraries()
    try:
        from safetensors import SafetensorError
        from sentence_transformers import CrossEncoder
        from transformers.utils import logging
    except ImportError as error:
        raise _missing(name, "sentence-transformers is not installed") from error
    folder = folder_of(name, cache_dir=cache_dir)
    if folder is None:
        raise _missing(name, "it is no local folder and not in the Hugging Face cache")
    _refuse_others(name, folder)
    logging.disable_progress_bar()
    try:
        model = CrossEncoder(str(folder), device=device_of(use_gpu), local_files_only=True)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _missing(name, f"{folder} holds no whole model") from error
    if model.num_labels != 1:
        raise RerankerMissing(f"The model {name} gives {model.num_labels} labels and no rank: name a cross-encoder.")
    model.max_seq_length = min(model.max_seq_length or MOST_TOKENS, MOST_TOKENS)
    if model.device.type == "cpu" and supports_bfloat16():
        model.bfloat16()
    return model.eval()


def _refuse_others(name: str, folder: Path) -> None:
    """Any other model would be given a last layer of random numbers, and rank by them."""
    try:
        kinds = json.loads((folder / "config.json").read_text()).get("architectures") or [""]
    except (OSError, ValueError, AttributeError) as error:
        raise _missing(name, f"{folder} holds no whole model") from error
    if not str(kinds[0]).endswith(READS_PAIRS):
        raise RerankerMissing(f"The model {name} is no cross-encoder ({kinds[0] or 'of no kind'}): name one that is.")


def _missing(name: str, reason: str) -> RerankerMissing:
    remedy = "download it first with `hf download`, or name a local folder"
    return RerankerMissing(f"The re-ranking model {name} is not on this machine ({reason}): {remedy}.")
