from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from .access import current_membership


class CurrentWorkspace:
    """Sets `request.membership`: what the person is in the workspace they look at, or None."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.membership = None
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: object) -> None:
        if request.user.is_authenticated:
            request.membership = current_membership(request)
