"""The video of a memory, in pieces small enough that slow viewers cost little."""

import asyncio
import io
import logging
import os
from collections.abc import AsyncIterator

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response

from ..engine.errors import MemvidError
from ..models import Memory
from .files import OPEN_FILES, duplicate, plain_descriptor
from .ranges import MOST_RANGE, Span, Unsatisfiable, wanted_span

log = logging.getLogger("memvid.media")
PIECE = 256 << 10


class Video:
    """An open file and its committed length. The descriptor is closed with it, at the latest when it is collected."""

    def __init__(self, descriptor: int, length: int, head: str):
        self._file = io.FileIO(descriptor)
        self.length = min(length, os.fstat(descriptor).st_size)
        self.etag = f'"{head[:24]}-{self.length:x}"'

    def close(self) -> None:
        self._file.close()

    def pieces(self, span: Span) -> "Pieces":
        return Pieces(self._file, span)


class Pieces:
    """An async iterator and not a generator: one that never starts would not close its file."""

    def __init__(self, file: io.FileIO, span: Span):
        self._file, self._at, self._stop = file, span.start, span.stop

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        size = min(PIECE, self._stop - self._at)
        data = await asyncio.to_thread(os.pread, self._file.fileno(), size, self._at) if size else b""
        if size and not data:
            log.warning("a video became shorter while it was sent: it ends at byte %d", self._at)
        if not data:
            self.close()
            raise StopAsyncIteration
        self._at += len(data)
        return data

    def close(self) -> None:
        self._file.close()


def open_video(memory: Memory) -> Video:
    """The bytes and the head that name them are of the same file, also while a vacuum swaps it."""
    try:
        with OPEN_FILES.reader(memory) as reader:
            return Video(duplicate(reader), reader.log.length, reader.head.hash.hex())
    except MemvidError as error:
        log.warning("memory %s is served as plain bytes: %s", memory.pk, error)
    try:
        return Video(plain_descriptor(memory), memory.file_bytes, memory.head_hash)
    except MemvidError:
        raise Http404("this memory has no video yet") from None


def answer(request: HttpRequest, video: Video) -> HttpResponseBase:
    """200, 206, 304, 412 or 416; takes the video over."""
    response = get_conditional_response(request, etag=video.etag)
    if response is None:
        response = _body(request, video)
    response["ETag"] = video.etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-cache"
    if not response.streaming:
        video.close()
    return response


def _body(request: HttpRequest, video: Video) -> HttpResponseBase:
    try:
        span = _span(request, video)
    except Unsatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{video.length}"})
    if span is None and request.method == "GET" and video.length > MOST_RANGE:
        span = Span(0, MOST_RANGE)  # players ask for ranges; whoever does not is told where the rest begins
    part = span or Span(0, video.length)
    status = 200 if span is None else 206
    if request.method == "HEAD":
        response: HttpResponseBase = HttpResponse(content_type="video/mp4", status=status)
    else:
        response = StreamingHttpResponse(video.pieces(part), content_type="video/mp4", status=status)
    response["Content-Length"] = str(len(part))
    if span is not None:
        response["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{video.length}"
    return response


def _span(request: HttpRequest, video: Video) -> Span | None:
    """A range is defined for GET alone (14.2), and counts only while the file is the one that If-Range names."""
    condition = request.headers.get("If-Range")
    if request.method != "GET" or (condition is not None and condition.strip() != video.etag):
        return None
    return wanted_span(request.headers.get("Range"), video.length)
