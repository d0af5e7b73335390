"""For whoever watches the service: is the process alive, are its stores there."""

import shutil
from collections.abc import Callable

from django.conf import settings
from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis import RedisError

from search import embedding

LEAST_SPACE = 64 << 20  # bytes


def probes(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The first middleware: whoever probes need not know an allowed host, nor follow a redirect to https."""
    answers = {"/livez": live, "/readyz": ready}

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = answers.get(request.path_info) if request.method in ("GET", "HEAD") else None
        return answer(request) if answer else get_response(request)

    return middleware


def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """503 while a store is away. The embedder may be away, as search then works by keyword; so may room for uploads."""
    stores = {"database": _database(), "redis": _redis()}
    facts = {**stores, "embedder": embedding.health()["state"], "room": _room()}
    return JsonResponse(facts, status=200 if all(stores.values()) else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Error:
        return False


def _redis() -> bool:
    try:
        cache.set("ready", 1, 5)
        return True
    except (RedisError, OSError):
        return False


def _room() -> bool:
    return shutil.disk_usage(settings.MEMVID_DATA_DIR).free > LEAST_SPACE
