"""Asking: conversations of one person, answered as a stream where scripts run and as a page where they do not."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from collab.access import here
from memories import access
from memories.connections import in_database
from memories.engine.errors import MemvidError

from .. import asking, conversations, exporting
from ..engine.answering import Again, Began, Draft, Note, Said
from ..forms import AskForm, AskPlace, TitleForm
from ..models import Conversation, Turn

STREAM = "application/x-ndjson"
log = logging.getLogger("memvid.ask")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponseBase:
    """A new conversation."""
    workspace = here(request)
    if request.method != "POST":
        return render(request, "ask/page.html", _blank(request))
    form = AskForm(request.POST)
    if not form.is_valid():
        return _refused(request, form, "ask")
    pk = form.cleaned_data["memory"]
    memory = access.memory_read(request, pk) if pk else None
    question = form.cleaned_data["question"]
    return _answered(request, asking.new_conversation(request.user, workspace, memory, question), question)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def conversation(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    found = conversations.conversation_read(request, pk)
    if request.method != "POST":
        return render(request, "ask/page.html", _thread(request, found))
    form = AskForm(request.POST)
    if not form.is_valid():
        return _refused(request, form, "conversation", found.pk)
    if found.turns.count() >= conversations.MOST_TURNS:
        form.add_error("question", "This conversation is full: start a new one.")
        return _refused(request, form, "conversation", found.pk)
    return _answered(request, found, form.cleaned_data["question"])


@login_required
@require_POST
def rename(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = conversations.conversation_read(request, pk)
    form = TitleForm(request.POST)
    if form.is_valid():
        found.title = form.cleaned_data["title"]
        found.save(update_fields=["title"])
    else:
        messages.error(request, "A conversation needs a name of 1 to 200 characters.")
    return redirect("conversation", found.pk)


@login_required
@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    found = conversations.conversation_read(request, pk)
    found.delete()
    messages.success(request, f"“{found.title}” is deleted.")
    return redirect("ask")


@login_required
@require_GET
def export(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    found = conversations.conversation_read(request, pk)
    if kind not in exporting.EXPORTS:
        raise Http404("an export is .md or .json")
    shown = conversations.shown(request.user, found.turns.all())
    where = conversations.scope_name(request.user, found)
    base = request.build_absolute_uri("/")[:-1]
    text, media_type = exporting.EXPORTS[kind](found, where, shown, base)
    response = HttpResponse(text, content_type=f"{media_type}; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, f"{exporting.file_name(found)}.{kind}")
    return response


def _context(request: HttpRequest, found: Conversation | None = None) -> dict[str, Any]:
    """Of a page and of its regions."""
    return {
        "conversation": found,
        "conversations": conversations.listed(request.user, found.workspace if found else here(request)),
        "where": conversations.scope_name(request.user, found) if found else "",
        "llm": settings.LLM,
    }


def _thread(request: HttpRequest, found: Conversation) -> dict[str, Any]:
    turns = conversations.shown(request.user, found.turns.all())
    return _context(request, found) | {"turns": turns, "full": len(turns) >= conversations.MOST_TURNS}


def _blank(request: HttpRequest) -> dict[str, Any]:
    place = AskPlace(request.GET)
    memory = access.memory_read(request, pk) if (pk := place.memory_key()) else None
    workspace = here(request)
    return _context(request) | {
        "memory": memory,
        "question": place.question(),
        "memories": asking.choices(request.user, workspace, memory),
        "examples": asking.examples(request.user, workspace, memory),
    }


def _wants_stream(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith(STREAM)


def _refused(request: HttpRequest, form: AskForm, otherwise: str, *args: Any) -> HttpResponse:
    reason = next(iter(form.errors.values()))[0]
    if _wants_stream(request):
        return HttpResponse(_line("error", text=reason), content_type=STREAM, status=422)
    messages.error(request, reason)
    return redirect(otherwise, *args)


def _answered(request: HttpRequest, found: Conversation, question: str) -> HttpResponseBase:
    if not _wants_stream(request):
        turn = async_to_sync(_whole)(request.user, found, question)
        return redirect(f"{reverse('conversation', args=[found.pk])}#turn-{turn}")
    response = StreamingHttpResponse(_stream(request, found, question), content_type=STREAM)
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy that collects pieces would hold the words back
    return response


async def _whole(user: Any, found: Conversation, question: str) -> int:
    turn, retrieved = await in_database(asking.begin, user, found, question)
    draft = Draft()
    async for event in asking.answer(retrieved, question):
        draft.take(event)
    await in_database(partial(asking.keep, whole=True), turn, draft)
    return turn.pk


async def _stream(request: HttpRequest, found: Conversation, question: str) -> AsyncIterator[str]:
    """One JSON object a line. What was said is kept also when the reader goes away."""
    try:
        turn, retrieved = await in_database(asking.begin, request.user, found, question)
    except (DatabaseError, InterfaceError, MemvidError) as error:
        log.warning("a question was not answered: %s", error)
        yield _line("error", text="The documents could not be searched just now: ask again in a moment.")
        return
    yield _line(
        "begin", url=reverse("conversation", args=[found.pk]), title=found.title, turn=turn.pk, notes=turn.notes,
        sources=_links(turn), **await in_database(_around, request, found),
    )  # fmt: skip
    draft, whole = Draft(), False
    try:
        async with aclosing(asking.answer(retrieved, question)) as events:
            async for event in events:
                draft.take(event)
                yield _event(event)
        whole = True
    finally:
        await in_database(partial(asking.keep, whole=whole), turn, draft)
    yield _line("end", turn=await in_database(_turn, request, found, turn.pk))


def _event(event: Began | Said | Note | Again) -> str:
    if isinstance(event, Began):
        return _line("mode", mode=event.mode)
    if isinstance(event, Note):
        return _line("note", text=event.text)
    if isinstance(event, Again):
        return _line("again", text=event.reason)
    return _line("text", text=event.what) if isinstance(event.what, str) else _line("cite", number=event.what)


def _line(kind: str, **facts: Any) -> str:
    return json.dumps({"is": kind, **facts}) + "\n"


def _links(turn: Turn) -> dict[int, str]:
    return {
        place["number"]: f"{reverse('document', args=[place['memory'], place['document']])}?chunk={place['order']}"
        for place in turn.passages
    }


def _around(request: HttpRequest, found: Conversation) -> dict[str, str]:
    """The regions of the page that a question changes, whatever becomes of its answer."""
    context = _context(request, found)
    return {name: render_to_string(f"ask/_{name}.html", context, request) for name in ("head", "list")}


def _turn(request: HttpRequest, found: Conversation, pk: int) -> str:
    turns = conversations.shown(request.user, Turn.objects.filter(pk=pk))
    context = {"conversation": found, "llm": settings.LLM, "shown": turns[0] if turns else None}
    return render_to_string("ask/_turn.html", context, request)
