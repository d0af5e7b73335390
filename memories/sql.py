"""Queries whose SQL is written out, or put together once: for what is asked with every request that takes longer than
the answer, and so does planning it."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from psycopg import Cursor
from psycopg.pq import Format

AGAIN = 2  # at this time a statement is prepared
SOMEBODY = -987_654_321  # stands for the person
One = TypeVar("One", bound=Model)


def fetch(sql: str, params: Iterable[Any] = (), *, prepared: bool = True) -> list[tuple[Any, ...]]:
    """All rows. Values go and come in binary, apart from the statement, which the server prepares when it comes again;
    Django's own cursor writes them into it. `prepared`: not where the best plan hangs on the values."""
    with connection.cursor() as cursor:
        own = connection.connection
        cursor.cursor = Cursor(own)
        cursor.cursor.format = Format.BINARY
        own.prepare_threshold = AGAIN if prepared else None
        try:
            cursor.execute(sql, list(params))
        finally:
            own.prepare_threshold = None  # else each statement of Django's is remembered, with all that is in it
        return cursor.fetchall()


class Written:
    """The query that `make` gives for the primary key of a person, put together once for everybody."""

    def __init__(self, make: Callable[[int], QuerySet]):
        self._make, self._query = make, None

    def sql(self, person: int) -> tuple[str, tuple[Any, ...]]:
        if self._query is None:
            self._query = self._make(SOMEBODY).query.sql_with_params()
        sql, params = self._query
        return sql, tuple(person if value == SOMEBODY else value for value in params)


def instance(model: type[One], values: Iterable[Any]) -> One:
    """Of all its columns, in their order."""
    return model.from_db(connection.alias, names(model), list(values))


@cache
def names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]
