"""Watching a memory: its video, its frames as pictures and as text, its history, and frames found on photos."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods, require_safe

from .access import document_read, memory_read
from .engine.errors import MemvidError, NotFound
from .engine.photo import MOST_BYTES
from .media import moments, pictures
from .media.sightings import Unseen, memory_of, read_picture
from .media.stream import answer, open_video
from .models import Document, Memory
from .views.common import readers

DOCUMENTS_A_PAGE = 12
CHUNKS_A_PAGE = 50
# What a browser is asked whether it plays it; mpeg4 is played by none.
MEDIA_TYPES = {
    "av1": 'video/mp4; codecs="av01.0.08M.08"',
    "h264": 'video/mp4; codecs="avc1.64002A"',
    "h265": 'video/mp4; codecs="hvc1.1.6.L120.B0"',
    "vp9": 'video/mp4; codecs="vp09.00.41.08"',
}


class Place(forms.Form):
    """Where in a memory: what is missing or makes no sense is its default, for an address may be old or made up."""

    frame = forms.IntegerField(min_value=0, max_value=2**31 - 1, required=False)
    at = forms.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    size = forms.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    page = forms.IntegerField(min_value=1, max_value=2**31 - 1, required=False)

    @classmethod
    def of(cls, request: HttpRequest) -> dict[str, int | None]:
        form = cls(request.GET)
        form.is_valid()
        return {name: form.cleaned_data.get(name) for name in cls.base_fields}


class PictureForm(forms.Form):
    picture = forms.FileField(
        label="Photo or screenshot of a frame",
        error_messages={"required": "Choose a photo or a screenshot of a frame."},
    )

    def clean_picture(self) -> Any:
        picture = self.cleaned_data["picture"]
        if picture.size > MOST_BYTES:
            raise ValidationError(f"The picture is larger than {MOST_BYTES >> 20} MB: use a smaller one.")
        return picture


# -- the video and its frames


@require_safe
def video(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    memory = memory_read(request, pk)
    if not memory.head:
        raise Http404("this memory has no video yet")
    return answer(request, open_video(memory))


@require_safe
def frame(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    memory = memory_read(request, pk)
    size = Place.of(request)["size"] or pictures.SIZES[1]
    try:
        name = pictures.frame_name(memory, number, size)
        return _picture(request, name, lambda: pictures.draw_frame(memory, name, number, size))
    except NotFound as error:
        raise Http404(str(error)) from None
    except MemvidError as error:
        return _no_picture(memory, error)


@require_safe
def thumbnail(request: HttpRequest, pk: UUID) -> HttpResponse:
    return thumbnail_of(request, memory_read(request, pk))


def thumbnail_of(request: HttpRequest, memory: Memory) -> HttpResponse:
    name = pictures.thumbnail_name(memory)
    try:
        return _picture(request, name, lambda: pictures.draw_thumbnail(memory, name))
    except MemvidError:  # a list of memories is no place to say why; the memory's own page does
        return HttpResponse(pictures.placeholder(), content_type="image/png", headers={"Cache-Control": "no-store"})


def _picture(request: HttpRequest, name: str, draw: Any) -> HttpResponse:
    """The name is the picture's identity for good, so who has it needs no drawing."""
    known = get_conditional_response(request, etag=f'"{name}"')
    response = known or HttpResponse(draw(), content_type="image/png")
    response["ETag"] = f'"{name}"'
    response["Cache-Control"] = "private, max-age=86400" if "v" in request.GET else "private, no-cache"
    return response


def _no_picture(memory: Memory, error: MemvidError) -> HttpResponse:
    return HttpResponse(f"{moments.plain(memory, error)}\n", status=409, content_type="text/plain; charset=utf-8")


@require_safe
def frame_text(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    memory = memory_read(request, pk)
    if number >= memory.frames:
        raise Http404("the memory has no such frame")
    context = {"memory": memory, "frame": moments.frame_text(memory, number), "at": Place.of(request)["at"]}
    return render(request, "memories/_watch_frame.html", context)


# -- the page


@readers
@require_safe
def watch(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole page, or for htmx what changes when the history slider moves."""
    memory, place = memory_read(request, pk), Place.of(request)
    commit = moments.commit_of(memory, place["at"]) or moments.commit_of(memory, None)
    context = {"memory": memory, "place": place, **_state(memory, commit, place["page"])}
    if request.htmx:
        return render(request, "memories/_watch_state.html", context)
    return render(request, "memories/watch.html", {**context, **_player(memory, commit, place)})


def _state(memory: Memory, commit: Any, page: int | None) -> dict[str, Any]:
    number = commit.number if commit else 0
    documents = Paginator(moments.documents_at(memory, number), DOCUMENTS_A_PAGE).get_page(page)
    counted = moments.chunk_counts(list(documents), number)
    for document in documents:
        document.chunk_count = counted.get(document.pk, 0)
    return {
        "commit": commit,
        "counts": moments.counts_at(memory, commit),
        "documents": documents,
        "is_head": number == memory.head,
    }


def _player(memory: Memory, commit: Any, place: dict[str, int | None]) -> dict[str, Any]:
    last = commit.first_frame + commit.frames - 1 if commit else 0
    number = moments.first_text_frame(memory) if place["frame"] is None else place["frame"]
    number = min(number, last)
    rate, problem = moments.frame_rate(memory)
    return {
        "number": number,
        "text": moments.frame_text(memory, number) if commit else None,
        "rate": rate,
        "problem": problem,
        "media_type": MEDIA_TYPES.get(memory.codec, ""),
        "ticks": moments.ticks(memory),
        "commits": moments.commit_starts(memory),
        "last": last,
        "at": commit.number if commit else 0,
        "form": PictureForm(),
    }


@require_safe
def watch_document(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """The chunks of a document with their frames, as of a commit."""
    document, place = _document(request, pk, number), Place.of(request)
    at = place["at"] or document.memory.head
    chunks = Paginator(moments.chunks_at(document, at), CHUNKS_A_PAGE).get_page(place["page"])
    context = {"memory": document.memory, "document": document, "chunks": chunks, "at": at}
    return render(request, "memories/_watch_chunks.html", context)


def _document(request: HttpRequest, pk: UUID, number: int) -> Document:
    if number > 2**31 - 1:
        raise Http404("there is no such document")
    return document_read(request, pk, number)


# -- find a frame


@require_http_methods(["GET", "HEAD", "POST"])
def find_frame(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "memories/watch_find.html", {"form": PictureForm()})
    form = PictureForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            return _found(request, form)
        except Unseen as error:
            form.add_error("picture", f"{error}"[:1].upper() + f"{error}"[1:] + ".")
    template = "memories/_find_frame.html" if request.htmx else "memories/watch_find.html"
    return render(request, template, {"form": form}, status=422)


def _found(request: HttpRequest, form: PictureForm) -> HttpResponse:
    sighting = read_picture(form.cleaned_data["picture"].read())
    memory = memory_of(request.user, sighting)
    address = f"{reverse('watch', args=[memory.pk])}?frame={sighting.number}"
    if request.htmx:
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)
