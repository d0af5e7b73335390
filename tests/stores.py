"""A pytest plugin: real PostgreSQL and Valkey for the run, up before pytest-django reads the settings."""

import os
import shutil
import tempfile
from pathlib import Path

import psycopg
import pytest

from memvid_site import stores
from memvid_site.stores import Postgres, Valkey

FOLDER = Path(tempfile.mkdtemp(prefix="memvid-test-"))
FOLDER.chmod(0o755)  # as root, PostgreSQL runs as another user
os.environ["MEMVID_DATA_DIR"] = str(FOLDER)
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"  # for the processes that tests start, too
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's synchronous API runs an event loop in this thread
_started: list[Postgres | Valkey] = []


def _start(variable: str, store: type) -> None:
    if not os.environ.get(variable):
        _started.append(store(FOLDER))
        os.environ[variable] = _started[-1].start()


def _hurry(url: str) -> None:
    """This database has nothing to lose when the power fails; waiting for the disk was a good part of the run."""
    with psycopg.connect(url, autocommit=True) as database:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            database.execute(f"ALTER SYSTEM SET {setting} = off")
        database.execute("SELECT pg_reload_conf()")


stores._buffers = lambda: 128  # MB: all of them are looked through whenever tables are emptied
_start("DATABASE_URL", Postgres)
if _started:
    _hurry(os.environ["DATABASE_URL"])
_start("REDIS_URL", Valkey)


def pytest_unconfigure(config: pytest.Config) -> None:
    for store in reversed(_started):
        store.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)
