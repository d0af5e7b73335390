"""What one can do with a hit in its place: read around it, and cite it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from .. import context
from ..forms import ContextForm
from .common import is_part, passage_read


@require_safe
@login_required
def around(request: HttpRequest, pk: int) -> HttpResponse:
    """The passages before and after; as many as are asked for."""
    form = ContextForm(request.GET)
    form.full_clean()
    before, after = (1 if (n := form.cleaned_data.get(side)) is None else n for side in ("before", "after"))
    chunk = passage_read(request, pk)
    facts = {
        "context": context.around(chunk, before, after), "chunk": chunk, "at": context.past(chunk),
        "more_before": min(before + 3, context.MOST), "more_after": min(after + 3, context.MOST),
        "before": before, "after": after, "most": context.MOST,
    }  # fmt: skip
    return render(request, "search/_context.html" if is_part(request) else "search/context.html", facts)


@require_safe
@login_required
def citation(request: HttpRequest, pk: int) -> HttpResponse:
    """As text for the clipboard; a page with the text to select for those without scripts."""
    chunk = passage_read(request, pk)
    at = context.past(chunk)
    place = reverse("document", args=[chunk.memory_id, chunk.document.number])
    link = request.build_absolute_uri(f"{place}?chunk={chunk.order}{f'&at={at}' if at else ''}")
    text = context.citation(chunk, link)
    if is_part(request):
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
    return render(request, "search/citation.html", {"text": text, "chunk": chunk})
