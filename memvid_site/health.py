"""For whoever watches the service: is the process alive, are its stores there."""

from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis import RedisError

from search import embedding


def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """503 while a store is away; the embedder may be away, as search then works by keyword."""
    stores = {"database": _database(), "redis": _redis()}
    ok = all(stores.values())
    return JsonResponse({**stores, "embedder": embedding.health()["state"]}, status=200 if ok else 503)


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
