"""Results as a file, and the ticket of a search that somebody settled on."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from .. import export, querylog
from ..forms import LogForm
from .common import address_of, document_link


@require_safe
@login_required
def exported(request: HttpRequest, kind: str) -> HttpResponse:
    """What the address finds now, for whoever asks for it."""
    if kind not in export.TYPES:
        raise Http404("results come as csv, json or md")
    address = address_of(request)
    written = export.pieces(
        request.user, address, kind, lambda passage: request.build_absolute_uri(document_link(passage))
    )
    response = StreamingHttpResponse(written, content_type=export.TYPES[kind])
    response["Content-Disposition"] = content_disposition_header(True, export.name(address, kind))
    return response


@require_POST
@login_required
def settled(request: HttpRequest) -> HttpResponse:
    form = LogForm(request.POST)
    if form.is_valid():
        querylog.redeem(request.user, form.cleaned_data["ticket"], form.cleaned_data["clicked"])
    return HttpResponse(status=204)
