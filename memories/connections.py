"""The database in what streams for minutes."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


async def in_database(function: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs) -> Answer:
    """In this request's own thread, whose connection is given back at once: slow readers would keep it from others."""
    return await sync_to_async(_and_let_go)(function, *args, **named)


def _and_let_go(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return function(*args, **named)
    finally:
        if not connection.in_atomic_block:
            connection.close()
