"""Connections to PostgreSQL of the event loop's own. Channels' helper for Django's runs one thread a process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from django.db import connections
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

MOST, PATIENCE = 4, 8.0  # connections a process; seconds to wait for one
_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnectionPool] = WeakKeyDictionary()


@asynccontextmanager
async def connection() -> AsyncIterator[AsyncConnection]:
    """In autocommit: a statement is a transaction, and is on disk when it returns."""
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = AsyncConnectionPool(
            kwargs=_address(), min_size=1, max_size=MOST, timeout=PATIENCE, open=False, name="live"
        )
        await pool.open()
    async with pool.connection() as found:
        yield found


async def close() -> None:
    """Of this loop's."""
    if pool := _pools.pop(asyncio.get_running_loop(), None):
        await pool.close()


def _address() -> dict[str, object]:
    """The site's database, as Django was told it."""
    settings = connections["default"].settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    found = {key: settings[name] for key, name in names.items() if settings.get(name)}
    options = {key: value for key, value in settings["OPTIONS"].items() if key not in ("pool", "options")}
    return {**options, **found, "autocommit": True}
