from collections.abc import Iterator

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections

from memories.models import Memory


@pytest.fixture(autouse=True)
def no_connection_left(db) -> Iterator[None]:
    """The application's threads have connections of their own, which would keep the test database from going."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def memory(new_memory) -> Memory:
    return new_memory({"a.md": "call me ishmael\n", "b.md": "it was the best of times\n"})
