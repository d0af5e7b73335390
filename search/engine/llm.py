"""A streamed answer of any server that speaks OpenAI's protocol, through its client.

The server is not trusted: it may be slow, break off, talk forever or send something else. Every wait has an end, every
size a limit, and whatever goes wrong is a `ModelFailed` of one line. `openai` is loaded at the first question.
"""

import asyncio
import importlib
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from memories.engine.errors import MemvidError, UsageError
from search.engine.thinking import Thinking

log = logging.getLogger("memvid.ask")

_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]")
_LONGEST_DONE = 13  # bytes


class ModelFailed(MemvidError):
    """No more text will come; the text says why, without a full stop."""


@dataclass(frozen=True)
class Model:
    """Times in seconds: until connected, until the first words, between two pieces, for the whole answer."""

    base_url: str
    name: str
    key: str = ""
    connect: float = 5.0
    first: float = 45.0
    idle: float = 20.0
    whole: float = 180.0
    most_bytes: int = 4 << 20  # of the whole stream: a word costs some 300
    most_characters: int = 16_000  # of the answer

    @property
    def host(self) -> str:
        return urlparse(self.base_url).hostname or ""

    @classmethod
    def of(cls, base_url: str, name: str, key: str = "") -> "Model | None":
        """None where nothing is set up. Raises UsageError for half a setting."""
        base_url, name = base_url.strip(), name.strip()
        if not base_url and not name:
            return None
        address = urlparse(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise UsageError(f"MEMVID_LLM_BASE_URL is {base_url!r}: write an address as http://localhost:11434/v1")
        if not name:
            raise UsageError("MEMVID_LLM_MODEL is missing: name the model that the server shall use")
        return cls(base_url, name, key.strip())


_END = object()  # of a stream, whose events may be null


async def stream(model: Model, messages: Sequence[dict[str, str]]) -> AsyncIterator[str]:
    """The answer's text as it comes, without the reasoning before it. Close it (`aclosing`) to end the connection.

    Raises ModelFailed.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + model.whole
    client = await asyncio.to_thread(_client, model)  # importing and reading certificates take their time
    chunks, thinking = None, Thinking()
    try:
        request = client.chat.completions.create(model=model.name, messages=list(messages), stream=True)
        chunks, patience, length = await _within(model.first, request), model.first, 0
        while True:
            chunk = await _within(min(patience, end - clock()), _next(chunks))
            text, finished = _read(chunk) if chunk is not _END else _ended(chunks)
            text = thinking.feed(text) + (thinking.close() if finished else "")
            if text:
                text = text[: model.most_characters - length]
                length, patience = length + len(text), model.idle
                yield text
            if finished:
                return
            if length >= model.most_characters:
                raise ModelFailed("the language model wrote more than an answer can be")
    except (ModelFailed, asyncio.CancelledError):
        raise
    except Exception as error:
        raise ModelFailed(_reason(error)) from None
    finally:
        await asyncio.shield(_close(client, chunks))


async def _next(chunks: Any) -> Any:
    return await anext(chunks, _END)


async def _close(client: Any, chunks: Any) -> None:
    """Lets what reads the stream come to its end by itself, one inside the other; it finds nothing more to read."""
    with suppress(Exception):
        if chunks is not None:
            await chunks.close()
            while await anext(chunks, _END) is not _END:
                pass
    with suppress(Exception):
        await client.close()


async def _within(seconds: float, waiting: Any) -> Any:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await waiting
    except TimeoutError:
        raise ModelFailed("the language model did not answer in time") from None


def _read(chunk: Any) -> tuple[str, bool]:
    """(text, whether it was the last) of one event, whose every part may be missing or of another type."""
    choices = getattr(chunk, "choices", None)
    first = choices[0] if isinstance(choices, list) and choices else None
    text = getattr(getattr(first, "delta", None), "content", None)
    reason = getattr(first, "finish_reason", None)
    if reason == "length":
        raise ModelFailed("the language model came to the limit of its length")
    return text if isinstance(text, str) else "", bool(reason)


def _ended(chunks: Any) -> tuple[str, bool]:
    """Of a stream without a last event: whole if it said so with [DONE], which the client keeps to itself."""
    if not chunks.response.extensions["bytes"].done:
        raise ModelFailed("the language model's answer was cut off")
    return "", True


def _reason(error: Exception) -> str:
    log.info("the language model failed: %s: %s", type(error).__name__, error.__cause__ or "")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModelFailed):
            return str(cause)
        cause = cause.__cause__
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return "the language model's server refused the key: check MEMVID_LLM_API_KEY"
    if status == 404:
        return "the language model's server knows no such model: check MEMVID_LLM_MODEL and MEMVID_LLM_BASE_URL"
    if status == 429:
        return "the language model's server has too much to do: try again later"
    if isinstance(status, int):
        return f"the language model's server answered with the error {status}"
    return {
        "APITimeoutError": "the language model did not answer in time",
        "APIConnectionError": "the language model's server cannot be reached, or ended the connection",
    }.get(type(error).__name__, "the language model's server sent something that is no answer")


def _client(model: Model) -> Any:
    openai, http = importlib.import_module("openai"), importlib.import_module("httpx2")
    limits = http.Timeout(model.first, connect=model.connect)
    transport = _limited(http, model.most_bytes)
    return openai.AsyncOpenAI(
        base_url=model.base_url,
        api_key=model.key or "none",
        max_retries=0,
        timeout=limits,
        http_client=http.AsyncClient(transport=transport, timeout=limits, follow_redirects=False, trust_env=False),
    )


def _limited(http: Any, most: int) -> Any:
    """A transport that gives up at `most` bytes, and at once where an answer is no stream of events.

    Its answers carry their `bytes`, which know whether [DONE] was among them.
    """

    class Bytes(http.AsyncByteStream):
        def __init__(self, stream: Any):
            self._stream, self._closed = stream, False
            self._tail, self.done = b"\n", False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = most
            async with aclosing(aiter(self._stream)) as pieces:
                async for piece in pieces:
                    left -= len(piece)
                    if left < 0:
                        raise ModelFailed("the language model's server sent too much")
                    self._look(piece)
                    yield piece
                    if self._closed:
                        return

        def _look(self, piece: bytes) -> None:
            seen = self._tail + piece
            self.done = self.done or bool(_DONE.search(seen))
            self._tail = seen[-_LONGEST_DONE:]

        async def aclose(self) -> None:
            self._closed = True
            await self._stream.aclose()

    class Transport(http.AsyncHTTPTransport):
        async def handle_async_request(self, request: Any) -> Any:
            request.headers["accept-encoding"] = "identity"
            response = await super().handle_async_request(request)
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            packed = response.headers.get("content-encoding", "identity").lower() != "identity"
            if response.status_code < 300 and (packed or kind != "text/event-stream"):
                await response.aclose()
                raise ModelFailed("the language model's server sent something that is no stream of text")
            response.extensions["bytes"] = response.stream = Bytes(response.stream)
            return response

    return Transport(limits=http.Limits(max_connections=1))
