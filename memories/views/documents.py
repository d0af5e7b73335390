"""One document: its text chunk by chunk, as it is or as it was."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import IO
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from collab.views import comments

from .. import queries
from ..access import document_read
from ..engine import Memory as MemoryFile
from ..engine.errors import MemvidError
from ..forms import DocumentPlace
from ..models import Commit, Document
from .common import readers
from .pages import around

PIECE = 256 << 10


@readers
@require_GET
def document(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    document = document_read(request, pk, number)
    place = DocumentPlace(request.GET).chosen()
    at, past = _shown_commit(document, place["at"])
    chunks = queries.chunks_at(document, at)
    marked = place["chunk"] if place["chunk"] != "" else None
    wanted = request.GET.get("page")
    if wanted is None and marked is not None:
        wanted = queries.page_of_chunk(chunks, marked)
    page = Paginator(chunks, queries.CHUNKS_A_PAGE).get_page(wanted)
    context = around(request, document.memory, "documents") | {
        "document": document,
        "page": page,
        "marked": marked,
        "at": at if past else None,
        "commit": Commit.objects.filter(memory=document.memory, number=at).first(),
        **comments.panel_for(request, document),
    }
    return render(request, "memories/document.html", context)


def _shown_commit(document: Document, asked: int | str) -> tuple[int, bool]:
    """(commit, whether it is in the past). A removed document is shown as it was last."""
    newest = document.memory.head if document.removed is None else document.removed - 1
    at = min(asked or newest, newest)
    if at < document.added:
        raise Http404("the document was not there yet")
    return at, at < document.memory.head


@readers
@require_GET
def original(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """The file as it was put in, byte for byte; a document whose original was not kept has its text only."""
    found = document_read(request, pk, number)
    if not (found.has_original or found.encoding):
        return redirect("document-text", pk, number)
    return _download(request, found, found.path.rpartition("/")[2], "application/octet-stream", original=True)


@readers
@require_GET
def text(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    found = document_read(request, pk, number)
    name = found.path.rpartition("/")[2]
    return _download(
        request, found, name if name.endswith((".txt", ".md")) else f"{name}.txt", "text/plain; charset=utf-8"
    )


def _download(
    request: HttpRequest, document: Document, name: str, media_type: str, *, original: bool = False
) -> HttpResponse:
    at = DocumentPlace(request.GET).chosen()["at"] or None
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with MemoryFile.open(document.memory.path, at=at) as memory:
            if original:
                file.write(memory.content(document.number))
            else:
                file.writelines(piece.encode() for piece in memory.chunk_texts(document.number))
    except MemvidError as error:
        file.close()
        raise Http404(str(error)) from None
    size = file.tell()
    file.seek(0)
    return attachment(file, size, name, media_type)


def attachment(file: IO[bytes], size: int, name: str, media_type: str) -> StreamingHttpResponse:
    """In small pieces, each asked for when the one before has left: a slow reader costs no memory."""
    response = StreamingHttpResponse(_pieces(file), content_type=media_type)
    response["Content-Length"] = size
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
