"""Error pages. What will pass (a store that is away) and what the visitor sent are told apart from our bugs.

`server_error` is called for an exception of a view and of a middleware alike, which no middleware can say of itself.
The pages need neither the database nor the session.
"""

import errno
import logging
import sys
from collections.abc import Callable

import psycopg
from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import DatabaseError, DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.template.loader import render_to_string
from kombu.exceptions import OperationalError as BrokerError
from redis import RedisError

log = logging.getLogger("memvid.errors")
TRY_AGAIN_AFTER = 10  # seconds
DISK_FULL, TOO_MANY_CONNECTIONS = "53100", "53300"  # SQLSTATE
DEADLOCK, LOCK_TIMEOUT = "40P01", "55P03"
_TOO_LARGE = {
    RequestDataTooBig: "The text of the form is too large: paste less, or upload it as a file.",
    TooManyFieldsSent: "The form has too many fields: choose fewer at once.",
    TooManyFilesSent: "Too many files came in one request: send fewer at once, or reload the page and try again.",
}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if _no_room(error):
        return _page(
            507,
            "The disk of the server is full",
            "Nothing that was stored before is lost. This was not stored: ask whoever runs the server to make room, "
            "then try again.",
        )
    if _will_pass(error):
        log.warning("%s answered with 503: %s", request.path, error)
        what = "database" if isinstance(error, DatabaseError | InterfaceError | psycopg.Error) else "message broker"
        page = _page(
            503,
            f"The {what} is away",
            "Nothing is lost, and it usually comes back within a minute: wait a little, then try again.",
        )
        page["Retry-After"] = str(TRY_AGAIN_AFTER)
        return page
    if isinstance(error, UnreadablePostError | DataError):
        return bad_request(request, error)
    return HttpResponse(render_to_string("500.html"), status=500)


def bad_request(request: HttpRequest, exception: BaseException) -> HttpResponse:
    if isinstance(exception, BadRequest) and exception.args:
        what = str(exception.args[0])
    elif isinstance(exception, MultiPartParserError | UnreadablePostError):
        what = "The upload did not arrive whole: check the connection, then try again."
    else:
        what = _TOO_LARGE.get(type(exception), "The address or the form holds something that cannot be right.")
    return _page(400, "This request could not be understood", what)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(403, "You may not do this", "Ask an owner or an administrator of the workspace for the right to.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(
        403,
        "This page was open for too long",
        "For your safety it was not sent: you have logged in or out since, or cookies are refused. "
        "Go back, reload the page and try again.",
    )


def refuse_nul(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: U+0000 in an address is never meant, and PostgreSQL refuses it. Forms refuse it themselves."""

    def middleware(request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "\0" in request.path_info or "%00" in query or "\0" in query:
            raise BadRequest("The address holds a character that no address can hold: check where the link is from.")
        return get_response(request)

    return middleware


def _will_pass(error: BaseException | None) -> bool:
    """Whether a store could not be reached, or could not do it just now. psycopg's own error comes where Django closes
    a cursor of the server."""
    if isinstance(error, RedisError | BrokerError | InterfaceError | psycopg.OperationalError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state = _sqlstate(error)
    return state is None or state[:2] in ("08", "57") or state in (TOO_MANY_CONNECTIONS, DEADLOCK, LOCK_TIMEOUT)


def _no_room(error: BaseException | None) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OperationalError) and _sqlstate(error) == DISK_FULL


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _page(status: int, title: str, what: str) -> HttpResponse:
    return HttpResponse(render_to_string("errors/plain.html", {"title": title, "what": what}), status=status)
