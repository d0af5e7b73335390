"""One after the other: a lock of the database that the end of the transaction gives back."""

from django.db import connection


def take(name: str) -> None:
    """Waits for whoever else has taken a turn of that name. Inside a transaction only."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
