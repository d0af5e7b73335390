"""The panel of comments beside a document. Without scripts each form leads back to the document."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from memories.models import Document
from memories.queries import people_of, rights

from .. import comments
from ..forms import CommentForm, ThreadForm
from ..models import Comment, Thread

MOST_OFFERED = 200  # people whom the field offers after an @


def document_of(request: HttpRequest, pk: UUID, number: int) -> Document:
    """404 also to who sees the memory by its address alone."""
    known = comments.commented_by(request.user)
    found = Document.objects.select_related("memory__workspace")
    return get_object_or_404(found, memory__in=known, memory=pk, number=number)


def thread_of(request: HttpRequest, pk: int) -> Thread:
    return get_object_or_404(comments.threads_visible_to(request.user).select_related("memory"), pk=pk)


def own_comment(request: HttpRequest, pk: int) -> Comment:
    found = comments.comments_visible_to(request.user).select_related("thread__memory", "author")
    return get_object_or_404(found, pk=pk, author=request.user)


def panel_of(request: HttpRequest, document: Document, **context: Any) -> dict[str, Any]:
    """What the template of the panel needs."""
    people = people_of(document.memory).exclude(pk=request.user.pk).order_by("name", "email")
    return {
        "document": document,
        "memory": document.memory,
        "threads": comments.threads_of(request.user, document),
        "may_resolve": rights(request.user, document.memory).write,
        "people": [{"name": user.name or user.email, "email": user.email} for user in people[:MOST_OFFERED]],
        **context,
    }


def panel_for(request: HttpRequest, document: Document) -> dict[str, Any]:
    """For a page around it: nothing for who sees the memory by its address alone."""
    known = comments.commented_by(request.user).filter(pk=document.memory_id).exists()
    return panel_of(request, document) if known else {}


def _answer(request: HttpRequest, document: Document, status: int = 200, **context: Any) -> HttpResponse:
    if request.htmx:
        context = panel_of(request, document, **context)
        return render(request, "comments/_panel.html", context, status=status)
    if error := context.get("error"):
        messages.error(request, error)
    return redirect(f"{reverse('document', args=[document.memory_id, document.number])}#comments")


def _after(request: HttpRequest, thread: Thread, **context: Any) -> HttpResponse:
    """The thread may be gone by now."""
    document = get_object_or_404(Document, memory=thread.memory_id, number=thread.document_number)
    return _answer(request, document, status=422 if "error" in context else 200, **context)


def _problem(form: Any) -> str:
    return next(str(errors[0]) for errors in form.errors.values())


@login_required
@require_http_methods(["GET", "POST"])
def panel(request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
    """A POST begins a thread."""
    document = document_of(request, pk, number)
    if request.method == "GET":
        return render(request, "comments/_panel.html", panel_of(request, document))
    form = ThreadForm(request.POST)
    if not form.is_valid():
        return _answer(request, document, status=422, error=_problem(form), typed=request.POST.get("text", ""))
    comments.begin(document, request.user, **form.cleaned_data)
    return _answer(request, document)


@login_required
@require_POST
def reply(request: HttpRequest, pk: int) -> HttpResponse:
    thread = thread_of(request, pk)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _after(request, thread, error=_problem(form))
    comments.reply(thread, request.user, form.cleaned_data["text"])
    return _after(request, thread)


@login_required
@require_POST
def resolve(request: HttpRequest, pk: int) -> HttpResponse:
    """Or reopen. Whoever began the thread may, and whoever may write the document."""
    thread = thread_of(request, pk)
    if thread.created_by_id != request.user.pk and not rights(request.user, thread.memory).write:
        return _after(request, thread, error="Only who began the thread, or may write the document, closes it.")
    comments.resolve(thread, request.user, request.POST.get("resolved") == "1")
    return _after(request, thread)


@login_required
@require_GET
def edit_form(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "comments/_edit.html", {"comment": own_comment(request, pk)})


@login_required
@require_POST
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    comment = own_comment(request, pk)
    form = CommentForm(request.POST)
    if not form.is_valid():
        return _after(request, comment.thread, error=_problem(form))
    comments.edit(comment, form.cleaned_data["text"])
    return _after(request, comment.thread)


@login_required
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    comment = own_comment(request, pk)
    comments.delete(comment)
    return _after(request, comment.thread)
